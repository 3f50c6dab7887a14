//! Why a statement cannot be planned: always the user's to mend, with the place where we know it.

use sql::ast::Span;

/// A statement that is refused.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct PlanError {
    /// Stable code, e.g. `unknown_column`.
    pub code: &'static str,
    /// What is wrong: lower case, no full stop, names quoted.
    pub message: String,
    /// Where in the statement, where known.
    pub span: Option<Span>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl PlanError {
    /// An error without a place.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), span: None, hint: None }
    }

    /// Adds the place, unless one is known already (the innermost is the best).
    pub fn at(mut self, span: Span) -> Self {
        if self.span.is_none() && span != Span::default() {
            self.span = Some(span);
        }
        self
    }

    /// Adds a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The result of planning.
pub type Result<T, E = PlanError> = std::result::Result<T, E>;
