//! How large any result may be.
//!
//! Some functions give more than they get (quotes get backslashes, bytes become hexadecimal digits, joined texts are as long
//! as all of them), and calls within calls, or a lambda called for each item, do it again. What no record could carry
//! is refused at once.

use types::{EvalError, Value};

/// Bytes of a text or BYTES that a function or `||` may give.
pub const RESULT_BYTES_MAX: usize = 16 << 20;
/// Items of an array that is joined of others.
pub const RESULT_ITEMS_MAX: usize = 1_000_000;

/// Returns the result of a call, unless it is too long.
pub fn bounded(name: &str, result: Value) -> Result<Value, EvalError> {
    let bytes = match &result {
        Value::String(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 0,
    };
    check_bytes(name, bytes)?;
    Ok(result)
}

/// Refuses a result of so many bytes before it is made.
pub fn check_bytes(name: &str, bytes: usize) -> Result<(), EvalError> {
    if bytes <= RESULT_BYTES_MAX {
        return Ok(());
    }
    Err(EvalError::new(format!("result of {name} is longer than {RESULT_BYTES_MAX} bytes")))
}

/// Refuses an array of so many items before it is made.
pub(crate) fn check_items(name: &str, items: usize) -> Result<(), EvalError> {
    if items <= RESULT_ITEMS_MAX {
        return Ok(());
    }
    Err(EvalError::new(format!("result of {name} has more than {RESULT_ITEMS_MAX} items")))
}
