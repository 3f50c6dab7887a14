//! The text of a scenario file to its items: statements, inputs, expectations.

use serde_json::Value;

use crate::line::RecordLine;
use crate::way::Ways;

/// Bytes of a file at most.
const FILE_BYTES_MAX: usize = 4 << 20;

/// A scenario file, read.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The ways it may run (`-- ways: one, many`).
    pub ways: Ways,
    /// Settings of the server (`-- server: NAME=VALUE`).
    pub server: Vec<(String, String)>,
    /// What happens, in order.
    pub items: Vec<Item>,
}

/// A statement, an input or an expectation.
#[derive(Clone, Debug)]
pub struct Item {
    /// Where it begins, from 1.
    pub line: usize,
    /// What it is.
    pub kind: ItemKind,
}

/// What an item is.
#[derive(Clone, Debug)]
pub enum ItemKind {
    /// SQL up to its `;`.
    Statement(String),
    /// `input TOPIC`.
    Input {
        /// A topic, or a stream or table on it.
        target: String,
        /// The records.
        records: Vec<RecordLine>,
    },
    /// `expect TOPIC`: what it got since it was last looked at.
    Records {
        /// A topic, or a stream or table on it.
        target: String,
        /// Whether the order does not matter.
        is_unordered: bool,
        /// The records.
        records: Vec<RecordLine>,
    },
    /// `expect rows QUERY` and `expect table NAME`.
    Rows {
        /// The query.
        sql: String,
        /// Objects, or arrays of the values in order, each with its line.
        rows: Vec<(usize, Value)>,
    },
    /// `expect error "…"` of the statement before.
    Error(String),
    /// `expect answer "…"` of the statement before.
    Answer(String),
    /// `expect processing log "…"`.
    Problem(String),
    /// `expect stopped "…"`.
    Stopped(String),
}

/// A file that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ParseError {
    /// Where, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

fn error<T>(line: usize, message: impl Into<String>) -> Result<T, ParseError> {
    Err(ParseError { line, message: message.into() })
}

impl Scenario {
    /// Reads a file's text.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if text.len() > FILE_BYTES_MAX {
            return error(1, format!("the file is larger than {FILE_BYTES_MAX} bytes"));
        }
        let mut scenario = Self { ways: Ways::ALL, server: vec![], items: vec![] };
        let mut lines = Lines { all: text.lines().collect(), next: 0 };
        while let Some((number, line)) = lines.take() {
            match line.split_whitespace().next() {
                None => {}
                Some(_) if is_comment(line) => scenario.directive(number, line)?,
                Some("input") => {
                    let target = line["input".len()..].trim().to_owned();
                    if target.is_empty() {
                        return error(number, "input of what? Name a topic, stream or table");
                    }
                    let records = lines.records()?;
                    scenario.push(number, ItemKind::Input { target, records });
                }
                Some("expect") => {
                    let kind = expectation(number, line["expect".len()..].trim(), &mut lines)?;
                    let follows =
                        matches!(scenario.items.last(), Some(Item { kind: ItemKind::Statement(_), .. }));
                    if matches!(kind, ItemKind::Error(_)) && !follows {
                        return error(number, "expect error belongs directly behind its statement");
                    }
                    scenario.push(number, kind);
                }
                Some(_) => {
                    lines.next -= 1;
                    for statement in lines.statements()? {
                        scenario.push(number, ItemKind::Statement(statement));
                    }
                }
            }
        }
        Ok(scenario)
    }

    fn push(&mut self, line: usize, kind: ItemKind) {
        self.items.push(Item { line, kind });
    }

    /// `-- ways: …` and `-- server: …`; all other comments say nothing.
    fn directive(&mut self, number: usize, line: &str) -> Result<(), ParseError> {
        let text = line.trim_start_matches(['-', '#']).trim();
        if let Some(ways) = text.strip_prefix("ways:") {
            self.ways = Ways::parse(ways).or_else(|name| {
                error(number, format!("there is no way \"{name}\"; there are one, many, restore, server"))
            })?;
        } else if let Some(setting) = text.strip_prefix("server:") {
            let Some((name, value)) = setting.split_once('=') else {
                return error(number, "a setting is written `-- server: NAME=VALUE`");
            };
            self.server.push((name.trim().to_owned(), value.trim().to_owned()));
        }
        Ok(())
    }
}

fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("--") || line.starts_with('#')
}

fn expectation(number: usize, text: &str, lines: &mut Lines<'_>) -> Result<ItemKind, ParseError> {
    let (word, rest) = text.split_once(char::is_whitespace).map_or((text, ""), |(w, r)| (w, r.trim()));
    Ok(match (word, rest) {
        ("", _) => return error(number, "expect what? Name a topic, stream or table"),
        ("error", message) if !message.is_empty() => ItemKind::Error(quoted(number, message)?),
        ("answer", message) if !message.is_empty() => ItemKind::Answer(quoted(number, message)?),
        ("stopped", message) if !message.is_empty() => ItemKind::Stopped(quoted(number, message)?),
        ("processing", message) if message.starts_with("log") => {
            ItemKind::Problem(quoted(number, message["log".len()..].trim())?)
        }
        ("table", name) if !name.is_empty() => {
            ItemKind::Rows { sql: format!("SELECT * FROM {name};"), rows: lines.rows()? }
        }
        ("rows", query) if !query.is_empty() => {
            lines.next -= 1;
            // The statement begins behind the words `expect rows`.
            let sql = lines.statements_from(query)?.join("\n");
            ItemKind::Rows { sql, rows: lines.rows()? }
        }
        _ => {
            let (target, is_unordered) = match text.strip_suffix(" unordered") {
                Some(target) => (target.trim(), true),
                None => (text, false),
            };
            let is_quoted = target.starts_with(['"', '`']);
            if !is_quoted && target.contains(char::is_whitespace) {
                return error(
                    number,
                    format!(
                        "cannot read `expect {text}`; write expect TOPIC [unordered], table NAME, \
                             rows QUERY;, error \"…\", answer \"…\", processing log \"…\" or stopped \"…\""
                    ),
                );
            }
            ItemKind::Records { target: target.to_owned(), is_unordered, records: lines.records()? }
        }
    })
}

fn quoted(number: usize, text: &str) -> Result<String, ParseError> {
    match text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) {
        Some(inner) => Ok(inner.to_owned()),
        None => error(number, "the message is written in double quotes, to the end of the line"),
    }
}

struct Lines<'a> {
    all: Vec<&'a str>,
    next: usize,
}

impl<'a> Lines<'a> {
    fn take(&mut self) -> Option<(usize, &'a str)> {
        let line = self.all.get(self.next)?;
        self.next += 1;
        Some((self.next, line.trim()))
    }

    /// The lines of a block, up to a blank line or the end; comments are passed over.
    fn block(&mut self) -> Vec<(usize, &'a str)> {
        let mut block = Vec::new();
        while let Some((number, line)) = self.take() {
            if line.is_empty() {
                break;
            }
            if !is_comment(line) {
                block.push((number, line));
            }
        }
        block
    }

    fn records(&mut self) -> Result<Vec<RecordLine>, ParseError> {
        let read =
            |(line, text)| RecordLine::parse(text, line).map_err(|message| ParseError { line, message });
        self.block().into_iter().map(read).collect()
    }

    fn rows(&mut self) -> Result<Vec<(usize, Value)>, ParseError> {
        let read = |(line, text): (usize, &str)| match serde_json::from_str::<Value>(text) {
            Ok(row @ (Value::Object(_) | Value::Array(_))) => Ok((line, row)),
            _ => error(line, "a row is a JSON object, or a JSON array of its values"),
        };
        self.block().into_iter().map(read).collect()
    }

    /// The statements that begin on the next line and end with the `;` at a line's end.
    fn statements(&mut self) -> Result<Vec<String>, ParseError> {
        let first = self.all.get(self.next).copied().unwrap_or_default();
        self.statements_from(first)
    }

    /// The same, when the next line says `first`.
    fn statements_from(&mut self, first: &str) -> Result<Vec<String>, ParseError> {
        let start = self.next + 1;
        let mut text = String::new();
        while let Some(line) = self.all.get(self.next) {
            self.next += 1;
            text.push_str(if text.is_empty() { first } else { line });
            text.push('\n');
            if line.contains(';')
                && let (statements, None) = sql::split(&text)
                && !statements.is_empty()
            {
                return Ok(statements.into_iter().map(|s| s.text + ";").collect());
            }
        }
        error(start, "the statement has no `;` at its end")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_item_by_item() {
        let scenario = Scenario::parse(
            "-- what it shows\n\
             # ways: one, restore\n\
             CREATE STREAM a (x INT)   -- columns; all of them\n  WITH (V='a;b');\n\
             input a -- not a comment here\n\n",
        )
        .unwrap();
        assert!(scenario.ways.has(crate::Way::Restore) && !scenario.ways.has(crate::Way::Many));
        assert_eq!(scenario.items.len(), 2);
        assert!(matches!(&scenario.items[0].kind, ItemKind::Statement(s) if s.ends_with("WITH (V='a;b');")));
        assert_eq!(scenario.items[1].line, 5);
    }

    #[test]
    fn expectations_are_read_in_all_forms() {
        let scenario = Scenario::parse(
            "DROP STREAM x; DROP STREAM y;\n\
             expect error \"y … not\"\n\
             expect A unordered\n@0 k | 1\n| 2\n\n\
             expect table T\n{\"A\":1}\n\n\
             expect rows SELECT a\n FROM b;\n[1]\n\n\
             expect processing log \"bad\"\n\
             expect stopped \"bad\"\n\
             expect answer \"yes\"\n\
             expect nothing_came\n",
        )
        .unwrap();
        let kinds: Vec<_> = scenario.items.iter().map(|i| &i.kind).collect();
        assert!(matches!(kinds[2], ItemKind::Error(m) if m == "y … not"));
        assert!(
            matches!(kinds[3], ItemKind::Records { is_unordered: true, records, .. } if records.len() == 2)
        );
        assert!(
            matches!(kinds[4], ItemKind::Rows { sql, rows } if sql == "SELECT * FROM T;" && rows.len() == 1)
        );
        assert!(
            matches!(kinds[5], ItemKind::Rows { sql, rows } if sql == "SELECT a\n FROM b;" && rows.len() == 1)
        );
        assert!(matches!(kinds[6], ItemKind::Problem(m) if m == "bad"));
        assert!(matches!(kinds[9], ItemKind::Records { records, .. } if records.is_empty()));
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_line() {
        let check = |text: &str, line: usize, part: &str| {
            let error = Scenario::parse(text).unwrap_err();
            assert_eq!(error.line, line, "{error}");
            assert!(error.message.contains(part), "{error}");
        };
        check("\nSELECT 1", 2, "no `;`");
        check("input x\n@0 k v", 2, "`|`");
        check("expect error \"x\"", 1, "directly behind");
        check("SET 'a'='b';\nexpect error x", 2, "double quotes");
        check("-- ways: two", 1, "no way \"two\"");
        check("expect a b", 1, "cannot read");
        check("expect table T\nx", 2, "JSON object");
        check("input", 1, "input of what");
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[-#@+| \n;'\"a-z0-9\\[\\],…{}]*") {
            let _ = Scenario::parse(&text);
        }
    }
}
