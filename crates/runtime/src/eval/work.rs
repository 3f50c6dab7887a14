//! What lambdas may do for one value.
//!
//! A lambda runs for each item of an array, and within another for each of its items: two arrays of a record are enough for
//! 10^10 calls, and a text that is joined to itself 40 times has 10^12 bytes. So what lambdas make is counted as well as
//! what the functions in them look through.

use std::cell::Cell;

use types::{EvalError, Value};

/// Steps that lambdas may take for one value of one row: about a second.
const STEPS_MAX: usize = 10_000_000;
/// Bytes of a text that are written in a step.
const MADE_BYTES: usize = 16;
/// Bytes of a text that are read in a step.
const READ_BYTES: usize = 256;
/// Items of an array or map that are read in a step.
const READ_ITEMS: usize = 16;

/// What is left for a value.
pub(crate) struct Work(Cell<usize>);

impl Work {
    pub(crate) fn new() -> Self {
        Self(Cell::new(STEPS_MAX))
    }

    /// Counts the result of a lambda with all that is in it.
    pub(crate) fn made(&self, value: &Value) -> Result<(), EvalError> {
        let bytes = match value {
            Value::String(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            Value::Array(items) | Value::Struct(items) => {
                items.iter().try_for_each(|item| self.made(item))?;
                0
            }
            Value::Map(entries) => {
                entries.iter().try_for_each(|(key, value)| {
                    self.made(key)?;
                    self.made(value)
                })?;
                0
            }
            _ => 0,
        };
        self.take(1 + bytes / MADE_BYTES)
    }

    /// Counts an argument of a function that a lambda calls.
    #[inline]
    pub(crate) fn read(&self, value: &Value) -> Result<(), EvalError> {
        let steps = match value {
            Value::String(text) => text.len() / READ_BYTES,
            Value::Bytes(bytes) => bytes.len() / READ_BYTES,
            Value::Array(items) => items.len() / READ_ITEMS,
            Value::Map(entries) => entries.len() / READ_ITEMS,
            _ => 0,
        };
        if steps == 0 { Ok(()) } else { self.take(steps) }
    }

    fn take(&self, steps: usize) -> Result<(), EvalError> {
        let Some(left) = self.0.get().checked_sub(steps) else {
            self.0.set(0);
            return Err(EvalError::new(format!(
                "lambdas of one value take more than {STEPS_MAX} steps: their arrays are too long, or one lambda too many \
                 is within another"
            )));
        };
        self.0.set(left);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often a lambda may do something with the value.
    fn times(value: &Value, count: fn(&Work, &Value) -> Result<(), EvalError>) -> usize {
        let work = Work::new();
        (0..=STEPS_MAX).take_while(|_| count(&work, value).is_ok()).count()
    }

    #[test]
    fn what_is_made_and_what_is_read_is_counted() {
        let text = Value::text("x".repeat(1 << 20));
        let list = Value::array(vec![Value::Int(1); 100_000]);
        assert_eq!(times(&Value::array(vec![text.clone(); 10]), Work::made), 15);
        assert_eq!(times(&list, Work::made), 99);
        assert_eq!(times(&text, Work::read), 2441);
        assert_eq!(times(&list, Work::read), 1600);
        let work = Work::new();
        assert!((0..1000).all(|_| work.read(&Value::text("mimikatz")).is_ok()));
    }
}
