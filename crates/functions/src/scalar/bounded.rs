//! Bounds on what one call may produce.

use types::EvalError;

/// Bytes of text one call may produce beyond the size of its arguments.
pub(super) const TEXT_BYTES_MAX: usize = 4 << 20;
/// Items one call may produce beyond those of its arguments.
pub(super) const ITEMS_MAX: usize = 100_000;

pub(super) fn too_long(name: &str) -> EvalError {
    EvalError::new(format!("result of {name} is longer than {TEXT_BYTES_MAX} bytes"))
}

pub(super) fn too_many(name: &str) -> EvalError {
    EvalError::new(format!("result of {name} has more than {ITEMS_MAX} items"))
}
