//! Rows held back, groups found in the record's bytes and joins that leave out what is filtered behind them, against
//! tasks without any of it.

use plan::expr::{CompareOp, ExprKind, LogicalOp};
use plan::step::{JoinKind, SourceKind, Step, StepKind};
use proptest::prelude::*;
use sql::ast::WindowKind::{Hopping, Tumbling};

use super::*;
use crate::testing::*;
use crate::{RawRecord, SourceDecoder};

fn counted(hops: bool) -> Step {
    let source = stream(&[Str, BigInt]);
    let passing = filter(source, compare(CompareOp::NotEqual, column(1, BigInt), number(3)));
    let grouped = map(passing, Some(vec![column(0, Str)]), vec![column(1, BigInt)]);
    let repartitioned = Step {
        layout: grouped.layout.clone(),
        kind: StepKind::Repartition { input: grouped.into(), topic: "t".into() },
        output: SourceKind::Stream,
    };
    let window = match hops {
        true => Hopping { size_ms: 10, advance_ms: 4 },
        false => Tumbling { size_ms: 10 },
    };
    map(aggregate(repartitioned, Some((window, 5)), false), None, vec![column(0, BigInt)])
}

fn record() -> impl Strategy<Value = (Option<String>, i64)> {
    let key = prop_oneof![
        6 => "\"[a-c]\"",
        1 => Just("\"a\\u0062\"".to_owned()),
        1 => Just("\"ä\"".to_owned()),
        1 => Just("null".to_owned()),
        1 => Just("17".to_owned()),
        1 => Just(format!("\"{}\"", "long".repeat(40))),
    ];
    let number =
        prop_oneof![6 => "[1-9][0-9]{0,2}", 1 => Just("null".to_owned()), 1 => Just("\"5\"".to_owned())];
    let fields =
        (prop::option::weighted(0.9, key), prop::option::weighted(0.9, number)).prop_map(|(k, n)| {
            let fields = [k.map(|k| format!("\"V0\":{k}")), n.map(|n| format!("\"V1\":{n}"))];
            format!("{{{}}}", fields.into_iter().flatten().collect::<Vec<_>>().join(","))
        });
    let time = prop_oneof![8 => 0..40i64, 1 => 40..400i64];
    (prop::option::weighted(0.95, fields), time)
}

fn held_back(root: &Step) -> Task {
    let options = TaskOptions { inline_repartition: true, holds_back: true, ..TaskOptions::default() };
    Task::new(&plan(root.clone()), &options).unwrap()
}

/// The last row of each key and window.
fn last_rows(rows: Vec<String>) -> Vec<String> {
    let mut last: Vec<String> = Vec::new();
    let of = |row: &str| row.split_once("]: ").unwrap().0.to_owned();
    for row in rows {
        match last.iter_mut().find(|other| of(other) == of(&row)) {
            Some(other) => *other = row,
            None => last.push(row),
        }
    }
    last.sort();
    last
}

proptest! {
    #[test]
    fn last_change_of_each_row_comes_with_the_flush(
        epochs in prop::collection::vec(prop::collection::vec(record(), 0..12), 1..6),
        hops: bool,
    ) {
        let root = counted(hops);
        let StepKind::Map { input, .. } = &root.kind else { panic!() };
        let mut source = &**input;
        while let [input] = source.inputs()[..] {
            source = input;
        }
        let mut decoder = SourceDecoder::new(source).unwrap();
        let (mut short, mut held, mut plain) = (held_back(&root), held_back(&root), Task::new(
            &plan(root.clone()),
            &TaskOptions { inline_repartition: true, ..TaskOptions::default() },
        ).unwrap());
        prop_assert!(short.grouped.is_some() && short.holds_back() && !plain.holds_back());
        held.grouped = None;
        for epoch in epochs {
            let mut lines = [Lines::default(), Lines::default(), Lines::default()];
            for (value, timestamp) in epoch {
                let value = value.as_deref().map(str::as_bytes);
                let raw = RawRecord { key: None, value, headers: &[], timestamp, partition: 0, offset: 0 };
                decoder.load(&raw).unwrap();
                for (task, lines) in [&mut short, &mut held, &mut plain].into_iter().zip(&mut lines) {
                    task.process(0, &decoder.row(&raw), lines).unwrap();
                }
            }
            for (task, lines) in [&mut short, &mut held, &mut plain].into_iter().zip(&mut lines) {
                task.flush(lines).unwrap();
                for (_, store) in task.stores_mut() {
                    store.drain_changes(&mut |_, _| {}).unwrap();
                }
            }
            let [short, held, plain] = lines;
            prop_assert_eq!(&short.rows, &held.rows);
            prop_assert_eq!(&short.errors, &plain.errors);
            prop_assert_eq!(&held.errors, &plain.errors);
            let mut rows = short.rows;
            rows.sort();
            prop_assert_eq!(rows, last_rows(plain.rows));
        }
    }

    #[test]
    fn join_leaves_out_what_the_filter_behind_it_drops(
        inputs in prop::collection::vec((0..2usize, 0..3i64, 0..4i64, 0..60i64), 0..60),
        grace_ms in prop::option::of(Just(7i64)),
    ) {
        let joined = || join(stream(&[BigInt]), stream(&[BigInt]), |left, right| StepKind::StreamStreamJoin {
            kind: JoinKind::Inner,
            left,
            right,
            before_ms: 5,
            after_ms: 9,
            grace_ms,
        });
        let both = expr(ExprKind::Logical(
            LogicalOp::And,
            compare(CompareOp::Equal, column(1, BigInt), number(2)).into(),
            compare(CompareOp::Greater, column(0, BigInt), number(1)).into(),
        ), types::DataType::Boolean);
        let (mut all, mut some) = (Running::new(joined()), Running::new(filter(joined(), both)));
        for (source, key, value, time) in inputs {
            let line = format!("{source} {key}: {value} @{time}");
            all.feed(&line);
            some.feed(&line);
        }
        let passes = |row: &String| {
            let values = row.split_once(": ").unwrap().1.split_once(" @").unwrap().0;
            let (left, right) = values.split_once(',').unwrap();
            right == "2" && left.parse::<i64>().unwrap() > 1
        };
        let expect: Vec<String> = all.take().into_iter().filter(passes).collect();
        prop_assert_eq!(some.take(), expect);
    }
}
