//! The short way of a stream's records to a windowed aggregate that holds its results back.
//!
//! Filters look at the record's bytes, and a key of STRING columns is put together from them as it lies in the store: no
//! `Value` is built for it. What does not fit is left to the operators; either way the aggregate ends up the same.

use plan::expr::{ColumnRef, Expr, ExprKind};
use plan::step::{AggregateFunction, Step, StepKind};
use types::{DataType, Value};

use crate::eval::{JsonLayout, JsonRow, SlotTest, compile};

/// What a look at a record's bytes tells.
pub(super) enum Found {
    /// Key and arguments are there.
    Group,
    /// The record does not pass the filters.
    Nothing,
    /// The operators have to look.
    Unclear,
}

/// Filters, key and arguments of an aggregate, as places in records that are JSON.
pub(super) struct Grouped {
    /// The aggregate's place among the operators.
    pub node: usize,
    filters: Vec<SlotTest>,
    key: Vec<usize>,
    args: Vec<usize>,
    /// Of the record looked at last: the key as stores have it.
    pub key_bytes: Vec<u8>,
    /// And the functions' arguments.
    pub values: Vec<Value>,
}

impl Grouped {
    /// Makes the short way to the aggregate of a plan, if its steps allow one.
    pub fn new(root: &Step, node: usize) -> Option<Self> {
        let mut step = root;
        let (input, functions) = loop {
            match &step.kind {
                StepKind::Map { input, key: None, .. } => step = input,
                StepKind::Aggregate { input, carried, functions, .. } if carried.is_empty() => {
                    break (input, functions);
                }
                _ => return None,
            }
        };
        let StepKind::Repartition { input, .. } = &input.kind else { return None };
        let StepKind::Map { input, key: Some(key), value } = &input.kind else { return None };
        let (mut filters, mut step) = (Vec::new(), &**input);
        while let StepKind::Filter { input, predicate } = &step.kind {
            filters.push(compile(predicate));
            step = input;
        }
        let StepKind::Source(_) = &step.kind else { return None };
        let (layout, _) = JsonLayout::new(&step.layout.value);
        let slot_of = |expr: &Expr| compile(expr).slot(&layout);
        let text =
            |expr: &Expr| slot_of(expr).filter(|slot| layout.types().get(*slot) == Some(&DataType::String));
        Some(Self {
            node,
            filters: filters.iter().rev().map(|filter| filter.slot_test(&layout)).collect::<Option<_>>()?,
            key: key.iter().map(text).collect::<Option<_>>()?,
            args: arguments(functions, value)?.into_iter().map(slot_of).collect::<Option<_>>()?,
            key_bytes: vec![],
            values: vec![],
        })
    }

    /// Looks at a record.
    #[inline]
    pub fn find(&mut self, row: &JsonRow<'_>) -> Found {
        if !self.filters.iter().all(|filter| filter.test(row) == Some(true)) {
            return Found::Nothing;
        }
        self.key_bytes.clear();
        for slot in &self.key {
            // A record that was scanned is UTF-8.
            let Some(text) = row.plain_text(*slot) else { return Found::Unclear };
            types::row::encode_text(text, &mut self.key_bytes);
        }
        self.values.clear();
        for slot in &self.args {
            if row.append(*slot, &mut self.values).is_err() {
                return Found::Unclear;
            }
        }
        if self.key.is_empty() { Found::Unclear } else { Found::Group }
    }
}

/// The functions' arguments as expressions over the columns below the projection.
fn arguments<'e>(functions: &[AggregateFunction], projection: &'e [Expr]) -> Option<Vec<&'e Expr>> {
    let args = functions.iter().flat_map(|function| &function.args);
    args.map(|arg| match arg.kind {
        ExprKind::Column(ColumnRef::Value(column)) => projection.get(column),
        _ => None,
    })
    .collect()
}
