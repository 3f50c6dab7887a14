//! `--known FILE`: the cases that go otherwise here, and why.
//!
//! A line is a case's name, a tab, and the reason; `#` begins a comment. With such a list a case that goes otherwise for
//! the first time stands out, and fails the run.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// Reasons by the names of cases.
#[derive(Debug, Default)]
pub struct Known {
    reasons: BTreeMap<String, String>,
}

impl Known {
    /// Reads a list.
    pub fn read(path: &Path) -> Result<Known> {
        let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        Known::parse(&text).with_context(|| format!("reading {}", path.display()))
    }

    /// Reads the text of a list.
    pub fn parse(text: &str) -> Result<Known> {
        let mut known = Known::default();
        for (number, line) in text.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, reason) = line.split_once('\t').unwrap_or((line, ""));
            ensure!(!reason.trim().is_empty(), "line {}: a name, a tab and a reason are wanted", number + 1);
            known.reasons.insert(name.to_owned(), reason.to_owned());
        }
        Ok(known)
    }

    /// Why a case is known to go otherwise.
    pub fn reason(&self, name: &str) -> Option<&str> {
        self.reasons.get(name).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_name_and_a_reason() {
        let known = Known::parse("# why\n\na - b\tbecause\n").unwrap();
        assert_eq!((known.reason("a - b"), known.reason("a")), (Some("because"), None));
        let error = Known::parse("a - b\tbecause\nc\n").unwrap_err();
        assert_eq!(error.to_string(), "line 2: a name, a tab and a reason are wanted");
    }
}
