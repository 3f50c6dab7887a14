//! A plan as text, one line a step, the root first.

use std::fmt::Write;

use crate::step::{Layout, SourceKind, Step, StepKind};

/// Draws a plan.
pub fn explain(root: &Step) -> String {
    let mut text = String::new();
    draw(root, 0, &mut text);
    text
}

fn draw(step: &Step, depth: usize, text: &mut String) {
    let kind = match step.output {
        SourceKind::Stream => "stream",
        SourceKind::Table => "table",
    };
    let _ = writeln!(
        text,
        "{:indent$} > [ {} ] | {kind} | {}",
        "",
        title(&step.kind),
        columns(&step.layout),
        indent = depth * 2
    );
    for input in step.inputs() {
        draw(input, depth + 1, text);
    }
}

fn title(kind: &StepKind) -> String {
    match kind {
        StepKind::Source(source) => format!("SOURCE {} topic {}", source.name, source.topic),
        StepKind::Filter { .. } => "FILTER".into(),
        StepKind::Map { key: None, .. } => "PROJECT".into(),
        StepKind::Map { key: Some(_), .. } => "REKEY".into(),
        StepKind::FlatMap { functions, .. } => {
            format!("FLATMAP {}", functions.iter().map(|f| f.name.as_str()).collect::<Vec<_>>().join(", "))
        }
        StepKind::Repartition { .. } => "REPARTITION".into(),
        StepKind::Aggregate { functions, window, emit_final, .. } => {
            let names = functions.iter().map(|f| f.name.as_str()).collect::<Vec<_>>().join(", ");
            let window = window.map(|w| format!(" {}", window_text(&w.kind))).unwrap_or_default();
            format!("AGGREGATE {names}{window}{}", if *emit_final { " FINAL" } else { "" })
        }
        StepKind::TableAggregate { functions, .. } => {
            format!("AGGREGATE {}", functions.iter().map(|f| f.name.as_str()).collect::<Vec<_>>().join(", "))
        }
        StepKind::StreamStreamJoin { kind, before_ms, after_ms, .. } => {
            format!("{kind:?} JOIN WITHIN {before_ms} ms before, {after_ms} ms after")
        }
        StepKind::StreamTableJoin { kind, .. } => format!("{kind:?} JOIN stream with table"),
        StepKind::TableTableJoin { kind, .. } => format!("{kind:?} JOIN table with table"),
        StepKind::ForeignKeyJoin { kind, .. } => format!("{kind:?} JOIN on foreign key"),
    }
}

fn window_text(kind: &sql::WindowKind) -> String {
    match kind {
        sql::WindowKind::Tumbling { size_ms } => format!("TUMBLING {size_ms} ms"),
        sql::WindowKind::Hopping { size_ms, advance_ms } => {
            format!("HOPPING {size_ms} ms by {advance_ms} ms")
        }
        sql::WindowKind::Session { gap_ms } => format!("SESSION {gap_ms} ms"),
    }
}

fn columns(layout: &Layout) -> String {
    let key = layout.key.iter().map(|(n, t)| format!("{} {t} KEY", sql::quote(n)));
    let value = layout.value.iter().map(|(n, t)| format!("{} {t}", sql::quote(n)));
    key.chain(value).collect::<Vec<_>>().join(", ")
}
