//! Who is to blame for an error, and the error a single row can have.

use std::borrow::Cow;

/// Who has to act on an error; decides status code, retry and who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The statement or setting is wrong: goes back to the user with the place.
    User,
    /// A record is wrong: goes to the processing log, the stream goes on.
    Data,
    /// Something outside failed: retried within a bound.
    External,
    /// Tripline itself is wrong: stops the query.
    Internal,
}

/// Why an expression could not be computed for one row; the column becomes NULL and the
/// processing log gets the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EvalError(pub Cow<'static, str>);

impl EvalError {
    /// Takes a finished sentence fragment.
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self(message.into())
    }
}
