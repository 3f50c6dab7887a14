//! Why a statement or query failed.

use sql::Span;
use types::ErrorKind;

/// An error of the engine: who is to blame, a stable code, the text, the place and a hint.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct EngineError {
    /// Who has to act.
    pub kind: ErrorKind,
    /// Stable code, e.g. `unknown_column`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The statement it is about.
    pub statement: Option<String>,
    /// Line and column in the text that was given, both from 1.
    pub line_column: Option<(u32, u32)>,
    /// The line with a caret under the place, control characters neutralised.
    pub excerpt: Option<String>,
}

impl EngineError {
    /// The user's error, without a place.
    pub fn user(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::User, code, message)
    }

    /// Any error without a place.
    pub fn new(kind: ErrorKind, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            code,
            message: message.into(),
            hint: None,
            statement: None,
            line_column: None,
            excerpt: None,
        }
    }

    /// Adds a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the place in `text`.
    pub fn at(mut self, text: &str, span: Option<Span>) -> Self {
        if let Some(span) = span {
            let place = sql::SqlError::new(sql::SqlErrorCode::Syntax, "", span);
            let (line, column) = place.line_column(text);
            self.line_column = Some((line as u32, column as u32));
            let rendered = place.render(text);
            self.excerpt = rendered.split_once('\n').map(|(_, excerpt)| excerpt.to_owned());
        }
        self
    }

    /// The whole message for a person: text, place, excerpt, hint.
    pub fn render(&self) -> String {
        let mut text = self.message.clone();
        if let Some((line, column)) = self.line_column {
            text.push_str(&format!("   line {line}:{column}"));
        }
        if let Some(excerpt) = &self.excerpt {
            text.push('\n');
            text.push_str(excerpt);
        }
        if let Some(hint) = &self.hint {
            text.push_str(&format!("\n  hint: {hint}"));
        }
        text
    }
}

/// The result of engine calls.
pub type Result<T, E = EngineError> = std::result::Result<T, E>;
