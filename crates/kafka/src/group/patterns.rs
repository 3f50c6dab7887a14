//! Subscriptions by pattern: the topics that each pattern of a group matches, found once for all members that have it.
//!
//! A compiled pattern may be a megabyte, so it is not kept; what it matches is, until there are other topics.

use std::collections::{BTreeMap, BTreeSet};

use regex::{Regex, RegexBuilder};

use super::consumer::Topics;

/// Bytes that a compiled pattern may take.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// Different patterns that a group's members may have; usually it is one.
const PATTERNS_MAX: usize = 100;

/// Why a pattern is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PatternError {
    Malformed,
    TooMany,
}

/// A group's patterns with the topics they match.
#[derive(Default)]
pub(crate) struct Patterns {
    matched: BTreeMap<String, BTreeSet<String>>,
    /// The topics there were.
    version: Option<u64>,
}

impl Patterns {
    /// Takes in a pattern that is in use from here on. `is_used` says which of the others still are.
    pub(crate) fn add(
        &mut self,
        pattern: &str,
        all: &Topics,
        is_used: impl Fn(&str) -> bool,
    ) -> Result<(), PatternError> {
        self.refresh(all);
        if self.matched.contains_key(pattern) {
            return Ok(());
        }
        let compiled = compile(pattern).ok_or(PatternError::Malformed)?;
        if self.matched.len() >= PATTERNS_MAX {
            self.matched.retain(|pattern, _| is_used(pattern));
        }
        if self.matched.len() >= PATTERNS_MAX {
            return Err(PatternError::TooMany);
        }
        self.matched.insert(pattern.to_owned(), matches(&compiled, all));
        Ok(())
    }

    /// Looks at the topics again if there are others.
    pub(crate) fn refresh(&mut self, all: &Topics) {
        if self.version == Some(all.version) {
            return;
        }
        self.version = Some(all.version);
        for (pattern, topics) in &mut self.matched {
            *topics = compile(pattern).map(|compiled| matches(&compiled, all)).unwrap_or_default();
        }
    }

    /// Returns the topics that a pattern matches.
    pub(crate) fn topics(&self, pattern: &str) -> impl Iterator<Item = &str> {
        self.matched.get(pattern).into_iter().flatten().map(String::as_str)
    }

    pub(crate) fn fits(&self, pattern: &str, topic: &str) -> bool {
        self.matched.get(pattern).is_some_and(|topics| topics.contains(topic))
    }
}

fn compile(pattern: &str) -> Option<Regex> {
    RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(PATTERN_BYTES_MAX).build().ok()
}

fn matches(pattern: &Regex, all: &Topics) -> BTreeSet<String> {
    all.by_name.keys().filter(|name| pattern.is_match(name)).cloned().collect()
}
