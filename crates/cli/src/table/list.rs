//! Answers to SHOW and the like: columns as wide as their widest cell, dashes above and below.
//!
//! ```text
//!  Stream Name | Kafka Topic | Format
//! ------------------------------------
//!  CONN_STREAM | conn        | JSON
//! ------------------------------------
//! ```

use crate::terminal::{neutralise_lines, push_padded, width};

/// A table that is known as a whole.
pub struct ListTable {
    headers: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl ListTable {
    /// Takes the names of the columns.
    pub fn new<S: Into<String>>(headers: impl IntoIterator<Item = S>) -> Self {
        Self { headers: headers.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row; what is missing is blank.
    pub fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) {
        let mut cells: Vec<String> =
            cells.into_iter().map(|cell| neutralise_lines(cell.as_ref()).replace('\t', "  ")).collect();
        cells.resize(self.headers.len(), String::new());
        self.rows.push(cells);
    }

    /// Returns the table as text.
    pub fn render(&self) -> String {
        let mut widths: Vec<usize> = self.headers.iter().map(|header| width(header)).collect();
        for row in &self.rows {
            for (column, cell) in row.iter().enumerate() {
                let widest = cell.lines().map(width).max().unwrap_or(0);
                widths[column] = widths[column].max(widest);
            }
        }
        let mut out = String::new();
        push_line(&mut out, &self.headers, &widths);
        let line_width = widths.iter().map(|width| width + 3).sum::<usize>().saturating_sub(1);
        let dashes = "-".repeat(line_width);
        out.push_str(&dashes);
        out.push('\n');
        for row in &self.rows {
            let height = row.iter().map(|cell| cell.lines().count()).max().unwrap_or(1).max(1);
            for line in 0..height {
                let cells: Vec<&str> = row.iter().map(|cell| cell.lines().nth(line).unwrap_or("")).collect();
                push_line(&mut out, &cells, &widths);
            }
        }
        out.push_str(&dashes);
        out.push('\n');
        out
    }
}

fn push_line<S: AsRef<str>>(out: &mut String, cells: &[S], widths: &[usize]) {
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        out.push_str(if column == 0 { " " } else { " | " });
        push_padded(out, cell.as_ref(), *width);
    }
    out.push_str(" \n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn show_topics_looks_as_in_the_tutorials() {
        let mut table = ListTable::new(["Kafka Topic", "Partitions", "Partition Replicas"]);
        table.row(["conn", "1", "1"]);
        table.row(["known_services", "1", "1"]);
        let expect = concat!(
            " Kafka Topic    | Partitions | Partition Replicas \n",
            "--------------------------------------------------\n",
            " conn           | 1          | 1                  \n",
            " known_services | 1          | 1                  \n",
            "--------------------------------------------------\n",
        );
        assert_eq!(table.render(), expect);
    }

    #[test]
    fn empty_list_is_two_lines_of_dashes() {
        let expect = concat!(
            " Stream Name | Kafka Topic | Format \n",
            "------------------------------------\n",
            "------------------------------------\n",
        );
        assert_eq!(ListTable::new(["Stream Name", "Kafka Topic", "Format"]).render(), expect);
    }

    #[test]
    fn wide_and_dangerous_and_long_cells_keep_the_columns_straight() {
        let mut table = ListTable::new(["A", "B"]);
        table.row(["日本", "x\x1b[2J"]);
        table.row(["one\ntwo", "b"]);
        let expect = concat!(
            " A    | B        \n",
            "-----------------\n",
            " 日本 | x\\x1b[2J \n",
            " one  | b        \n",
            " two  |          \n",
            "-----------------\n",
        );
        assert_eq!(table.render(), expect);
    }
}
