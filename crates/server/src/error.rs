//! What goes wrong, and how it is told to clients: ksqlDB's error objects with our text and place.

use engine::EngineError;
use hyper::StatusCode;
use types::ErrorKind;

use crate::json;

/// Why the server cannot be started or configured.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The threads cannot be started.
    #[error("cannot start the server's threads: {0}")]
    Threads(std::io::Error),
    /// A setting's value is wrong.
    #[error("setting \"{name}\" ({origin}) {reason}")]
    Setting {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
        /// Where it was given.
        origin: String,
        /// What is wrong.
        reason: String,
    },
    /// A file of settings cannot be read.
    #[error("cannot read settings file \"{path}\"{}: {reason}", .line.map(|n| format!(", line {n}")).unwrap_or_default())]
    SettingsFile {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
        /// Where.
        line: Option<usize>,
    },
    /// A setting on the command line is not NAME=VALUE.
    #[error("cannot read setting \"{text}\": it is not NAME=VALUE")]
    Override {
        /// As given.
        text: String,
    },
}

impl ServerError {
    /// Who has to act.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Bind { .. } | Self::Threads(_) => ErrorKind::External,
            Self::Setting { .. } | Self::SettingsFile { .. } | Self::Override { .. } => ErrorKind::User,
        }
    }
}

/// An error as a client gets it: ksqlDB's fields, and `code`, `line`, `column`, `hint`.
#[derive(Clone, Debug)]
pub struct ApiError {
    pub status: StatusCode,
    /// Added to the status × 100.
    pub number: u16,
    pub code: &'static str,
    pub message: String,
    pub hint: Option<String>,
    pub line_column: Option<(u32, u32)>,
    /// Set for a `statement_error`; already masked.
    pub statement: Option<String>,
    /// The answers to the statements before, as JSON objects.
    pub entities: Vec<Vec<u8>>,
    /// The methods a path has, for 405.
    pub allow: Option<String>,
}

impl ApiError {
    pub fn new(status: StatusCode, number: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            number,
            code,
            message: message.into(),
            hint: None,
            line_column: None,
            statement: None,
            entities: Vec::new(),
            allow: None,
        }
    }

    /// 40000: the request itself is wrong.
    pub fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, 0, code, message)
    }

    /// 50000, without saying what: that is in the log.
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            0,
            "internal",
            "the request failed inside of the server; its log says why",
        )
    }

    /// 50300: the server is about to stop.
    pub fn stopping() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, 0, "stopping", "the server is stopping")
    }

    /// 40400: a thing that was named is not there.
    pub fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, 0, code, message)
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Makes it a `statement_error`; secrets are taken out of the statement.
    pub fn statement(mut self, statement: &str) -> Self {
        self.statement = Some(statement_text(statement));
        self
    }

    /// The error of an engine call on the topic in a path: one that is not there is 404.
    pub fn of_topic(error: EngineError) -> Self {
        let is_missing = error.code == "unknown_topic";
        let error = Self::from(error);
        if is_missing { Self { status: StatusCode::NOT_FOUND, number: 0, ..error } } else { error }
    }

    /// The error of an engine call on `sql`, which may be several statements.
    pub fn of_statement(mut error: EngineError, sql: &str) -> Self {
        let statement = error.statement.clone().unwrap_or_else(|| sql.to_owned());
        let masked = sql::mask(sql);
        if masked != sql {
            // The excerpt is a line of the statement, and the message may repeat a word of it.
            error.excerpt = None;
            error.message = without_secrets(&error.message, sql, &masked);
            error.hint = error.hint.map(|hint| without_secrets(&hint, sql, &masked));
        }
        Self::from(error).statement(&statement)
    }

    pub fn error_code(&self) -> u32 {
        u32::from(self.status.as_u16()) * 100 + u32::from(self.number)
    }

    /// Writes the members of the error object.
    pub fn members(&self, o: &mut json::Members<'_>) {
        o.text("@type", if self.statement.is_some() { "statement_error" } else { "generic_error" });
        o.plain("error_code", self.error_code());
        o.text("message", &self.message);
        if let Some(statement) = &self.statement {
            o.text("statementText", statement);
            json::push_list(o.name("entities"), &self.entities, |out, entity| out.extend_from_slice(entity));
        }
        o.text("code", self.code);
        if let Some((line, column)) = self.line_column {
            o.plain("line", line);
            o.plain("column", column);
        }
        if let Some(hint) = &self.hint {
            o.text("hint", hint);
        }
    }

    /// The error object.
    pub fn to_json(&self) -> Vec<u8> {
        json::object(|o| self.members(o))
    }
}

/// As ksqlDB repeats statements: with `;`, without secrets.
pub fn statement_text(statement: &str) -> String {
    let masked = sql::mask(statement.trim());
    if masked.ends_with(';') { masked } else { masked + ";" }
}

/// Takes words out of a message that stand in the statement only where it is masked.
fn without_secrets(message: &str, sql: &str, masked: &str) -> String {
    let is_secret = |word: &str| !word.is_empty() && sql.contains(word) && !masked.contains(word);
    let mut out = String::with_capacity(message.len());
    for (i, part) in message.split(['"', '\'', '`']).enumerate() {
        if i > 0 {
            out.push('"');
        }
        for (j, word) in part.split(' ').enumerate() {
            if j > 0 {
                out.push(' ');
            }
            out.push_str(if is_secret(word) { "[string]" } else { word });
        }
    }
    out
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        let (status, number) = match (error.code, error.kind) {
            // Codes of the engine that have a number of their own in ksqlDB.
            ("too_many_push_queries", _) => (StatusCode::BAD_REQUEST, 3),
            ("record_too_large", _) => (StatusCode::PAYLOAD_TOO_LARGE, 0),
            ("sequence_gap", _) => (StatusCode::CONFLICT, 0),
            ("assertion_failed", _) => (StatusCode::EXPECTATION_FAILED, 0),
            ("no_schema_registry", _) => (StatusCode::PRECONDITION_REQUIRED, 1),
            (_, ErrorKind::User | ErrorKind::Data) => (StatusCode::BAD_REQUEST, 1),
            (_, ErrorKind::External) => (StatusCode::SERVICE_UNAVAILABLE, 0),
            (_, ErrorKind::Internal) => (StatusCode::INTERNAL_SERVER_ERROR, 0),
        };
        let message = error.render();
        Self {
            hint: error.hint.clone(),
            line_column: error.line_column,
            ..Self::new(status, number, error.code, message)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_error_keeps_place_hint_and_code() {
        let mut error = EngineError::user("unknown_column", "column \"X\" cannot be resolved").hint("use Y");
        error.line_column = Some((3, 8));
        let json = ApiError::of_statement(error, "SELECT X").to_json();
        assert_eq!(
            String::from_utf8(json).unwrap(),
            r#"{"@type":"statement_error","error_code":40001,"message":"column \"X\" cannot be resolved   line 3:8\n  hint: use Y","statementText":"SELECT X;","entities":[],"code":"unknown_column","line":3,"column":8,"hint":"use Y"}"#
        );
    }

    #[test]
    fn kinds_decide_the_status() {
        for (kind, code) in [
            (ErrorKind::User, 40001),
            (ErrorKind::Data, 40001),
            (ErrorKind::External, 50300),
            (ErrorKind::Internal, 50000),
        ] {
            assert_eq!(ApiError::from(EngineError::new(kind, "c", "m")).error_code(), code);
        }
        assert_eq!(ApiError::from(EngineError::user("assertion_failed", "m")).error_code(), 41700);
        assert_eq!(ApiError::from(EngineError::user("too_many_push_queries", "m")).error_code(), 40003);
    }

    #[test]
    fn secret_in_a_statement_is_masked() {
        let mut error = EngineError::user("c", "unexpected \"hunter2\" here");
        error.excerpt = Some("  WITH ('connection.password'='hunter2')".to_owned());
        let text = "CREATE SINK CONNECTOR c WITH ('connection.password'='hunter2')";
        let json = ApiError::of_statement(error, text).to_json();
        assert!(!String::from_utf8(json).unwrap().contains("hunter2"));
    }
}
