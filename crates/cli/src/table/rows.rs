//! Rows of a query as they come: equal columns that fill the terminal, wrapped or cut.
//!
//! ```text
//! +--------------------+--------------------+
//! |QUERY               |LOOKUPS             |
//! +--------------------+--------------------+
//! |www.example.org     |3                   |
//! ```

use serde_json::Value;

use crate::terminal::{neutralise, neutralise_json, pieces, push_padded};

/// A column is never narrower, whatever the terminal.
const CELL_WIDTH_MIN: usize = 5;
/// What a cut cell ends with.
const CUT: &str = "...";
/// Most lines one row may take when wrapped; the rest is cut.
const ROW_LINES_MAX: usize = 1000;

/// The layout of a query's result.
pub struct RowTable {
    names: Vec<String>,
    cell_width: usize,
    is_wrapped: bool,
}

impl RowTable {
    /// Lays out columns for a terminal; `column_width` 0 shares its width out.
    pub fn new(names: &[String], terminal_width: usize, column_width: usize, is_wrapped: bool) -> Self {
        let share = (terminal_width.saturating_sub(1) / names.len().max(1)).saturating_sub(1);
        let cell_width = if column_width > 0 { column_width } else { share.max(CELL_WIDTH_MIN) };
        let names = names.iter().map(|name| neutralise(name).into_owned()).collect();
        Self { names, cell_width, is_wrapped }
    }

    /// Returns the lines above the rows.
    pub fn header(&self) -> String {
        let mut border = String::from("+");
        for _ in &self.names {
            border.extend(std::iter::repeat_n('-', self.cell_width));
            border.push('+');
        }
        border.push('\n');
        let mut out = border.clone();
        self.push_row(&mut out, &self.names);
        out.push_str(&border);
        out
    }

    /// Returns the lines of one row.
    pub fn row(&self, values: &[Value]) -> String {
        let cells: Vec<String> = values.iter().map(cell_text).collect();
        let mut out = String::new();
        self.push_row(&mut out, &cells);
        out
    }

    /// Returns the line of a deleted key: its key columns, and a word in place of the others.
    pub fn tombstone(&self, values: &[Value]) -> String {
        let cell = |value: &Value| if value.is_null() { "<TOMBSTONE>".to_owned() } else { cell_text(value) };
        let cells: Vec<String> = values.iter().map(cell).collect();
        let mut out = String::new();
        self.push_row(&mut out, &cells);
        out
    }

    fn push_row(&self, out: &mut String, cells: &[String]) {
        let split: Vec<Vec<&str>> = cells.iter().map(|cell| pieces(cell, self.cell_width)).collect();
        let height = split.iter().map(Vec::len).max().unwrap_or(1);
        let lines = if self.is_wrapped { height.min(ROW_LINES_MAX) } else { 1 };
        for line in 0..lines {
            out.push('|');
            for cell in &split {
                let piece = cell.get(line).copied().unwrap_or("");
                let is_cut = line + 1 == lines && cell.len() > lines;
                if is_cut && self.cell_width > CUT.len() {
                    let kept = pieces(piece, self.cell_width - CUT.len())[0];
                    push_padded(out, &format!("{kept}{CUT}"), self.cell_width);
                } else {
                    push_padded(out, piece, self.cell_width);
                }
                out.push('|');
            }
            out.push('\n');
        }
    }
}

/// Returns a value as a cell shows it: texts bare, NULL as `null`, arrays and structs as ksqlDB prints them.
pub fn cell_text(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::String(text) => neutralise(text).into_owned(),
        Value::Bool(_) => value.to_string(),
        Value::Number(number) => number_text(number),
        Value::Array(_) | Value::Object(_) => {
            let mut out = String::new();
            push_nested(&mut out, value);
            neutralise_json(&out).into_owned()
        }
    }
}

/// `[a, b]` and `{A=1, B=null}`, as Java prints them.
fn push_nested(out: &mut String, value: &Value) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (n, item) in items.iter().enumerate() {
                out.push_str(if n == 0 { "" } else { ", " });
                push_nested(out, item);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (n, (name, item)) in members.iter().enumerate() {
                out.push_str(if n == 0 { "" } else { ", " });
                out.push_str(&neutralise(name));
                out.push('=');
                push_nested(out, item);
            }
            out.push('}');
        }
        Value::Null => out.push_str("null"),
        Value::String(text) => out.push_str(&neutralise(text)),
        Value::Number(number) => out.push_str(&number_text(number)),
        other => out.push_str(&other.to_string()),
    }
}

/// A number as the server wrote it; reading it has turned `E9` into `e+9`.
fn number_text(number: &serde_json::Number) -> String {
    number.to_string().replace("e+", "E").replace('e', "E")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn row(table: &RowTable, values: Value) -> String {
        table.row(values.as_array().unwrap())
    }

    #[test]
    fn columns_share_the_terminal_and_long_values_wrap() {
        let table = RowTable::new(&names(&["QUERY", "LOOKUPS"]), 19, 0, true);
        assert_eq!(table.header(), "+--------+--------+\n|QUERY   |LOOKUPS |\n+--------+--------+\n");
        assert_eq!(row(&table, json!(["www.example.org", 3])), "|www.exam|3       |\n|ple.org |        |\n");
        assert_eq!(row(&table, json!([null, "日本"])), "|null    |日本    |\n");
    }

    #[test]
    fn without_wrap_the_cut_is_seen() {
        let table = RowTable::new(&names(&["A"]), 80, 8, false);
        assert_eq!(row(&table, json!(["0123456789"])), "|01234...|\n");
        assert_eq!(row(&table, json!(["01234567"])), "|01234567|\n");
    }

    #[test]
    fn structures_are_shown_as_ksqldb_shows_them() {
        assert_eq!(cell_text(&json!({"A": 1, "B": [true, null, "x\n"]})), "{A=1, B=[true, null, x\\x0a]}");
        assert_eq!(cell_text(&serde_json::from_str("1.50").unwrap()), "1.50");
        assert_eq!(cell_text(&serde_json::from_str("1.5893644E9").unwrap()), "1.5893644E9");
        assert_eq!(cell_text(&serde_json::from_str("[1.0E-7]").unwrap()), "[1.0E-7]");
    }

    #[test]
    fn deleted_key_keeps_its_key() {
        let table = RowTable::new(&names(&["K", "V"]), 30, 12, true);
        assert_eq!(table.tombstone(json!(["a", null]).as_array().unwrap()), "|a           |<TOMBSTONE> |\n");
    }

    #[test]
    fn many_columns_keep_a_least_width() {
        let table = RowTable::new(&names(&["A"; 40]), 80, 0, true);
        assert_eq!(table.cell_width, CELL_WIDTH_MIN);
    }
}
