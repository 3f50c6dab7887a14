//! What is made of a text argument (a regular expression, a date pattern, a time zone) before it is used.
//!
//! A literal is prepared once, when the call is resolved, and a wrong one is refused then. Texts from
//! columns are prepared when they come, and the latest are kept.

use std::sync::{Arc, Mutex, PoisonError};

use types::{EvalError, Value};

use crate::registry::FunctionError;
use crate::signature::Resolved;

/// Texts from columns that are kept prepared, for each call.
const CACHED_MAX: usize = 16;

/// How a text is prepared.
pub(crate) type Prepare<T> = fn(&str) -> Result<T, EvalError>;

/// The prepared values of one argument of one call.
pub(crate) enum Prepared<T> {
    /// Of a literal.
    Literal(Arc<T>),
    /// Of a column: the latest used comes last.
    Column(Prepare<T>, Mutex<Vec<(String, Arc<T>)>>),
}

impl<T> Prepared<T> {
    /// Prepares the argument at `at`, if it is a literal.
    pub(crate) fn of(call: &Resolved, at: usize, prepare: Prepare<T>) -> Result<Self, FunctionError> {
        match call.literal(at).and_then(Value::as_str) {
            Some(literal) => match prepare(literal) {
                Ok(prepared) => Ok(Self::Literal(Arc::new(prepared))),
                Err(error) => Err(FunctionError::Invalid(error.to_string())),
            },
            None => Ok(Self::Column(prepare, Mutex::default())),
        }
    }

    /// Returns what is made of `text`, the argument of this row.
    pub(crate) fn get(&self, text: &str) -> Result<Arc<T>, EvalError> {
        let (prepare, cached) = match self {
            Self::Literal(prepared) => return Ok(Arc::clone(prepared)),
            Self::Column(prepare, cached) => (prepare, cached),
        };
        // A panic elsewhere leaves the list whole, so a poisoned lock is fine.
        let mut cached = cached.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = cached.iter().position(|(known, _)| known == text) {
            cached[at..].rotate_left(1);
            return Ok(Arc::clone(&cached[cached.len() - 1].1));
        }
        let prepared = Arc::new(prepare(text)?);
        if cached.len() == CACHED_MAX {
            cached.remove(0);
        }
        cached.push((text.to_owned(), Arc::clone(&prepared)));
        Ok(prepared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latest_texts_are_kept() {
        let numbers = Prepared::Column(
            |text| text.parse::<usize>().map_err(|_| EvalError::new("no number")),
            Mutex::default(),
        );
        for i in 0..CACHED_MAX * 2 {
            assert_eq!(*numbers.get(&i.to_string()).unwrap(), i);
            assert_eq!(*numbers.get("0").unwrap(), 0);
        }
        assert!(numbers.get("x").is_err());
        let Prepared::Column(_, cached) = numbers else { panic!() };
        let cached = cached.lock().unwrap();
        assert_eq!(cached.len(), CACHED_MAX);
        assert!(cached.iter().any(|(text, _)| text == "0"));
    }
}
