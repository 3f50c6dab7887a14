//! Why a record is not JSON, and where.

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The record stops in the middle.
    Truncated,
    /// A value has to stand here.
    ExpectedValue,
    /// A key in quotes has to stand here.
    ExpectedKey,
    /// A colon has to stand here.
    ExpectedColon,
    /// A comma or the end of the object or array has to stand here.
    ExpectedCommaOrEnd,
    /// The number is not written as RFC 8259 has it.
    InvalidNumber,
    /// A backslash is followed by something that is no escape.
    InvalidEscape,
    /// A control character stands in a string without escape.
    ControlCharacter,
    /// The bytes are not UTF-8.
    InvalidUtf8,
    /// Something follows the value.
    TrailingData,
    /// Objects and arrays are nested too deep.
    TooDeep,
    /// The record is larger than an offset can say.
    TooLong,
    /// The record is valid so far but is not an object.
    NotAnObject,
}

impl Reason {
    /// Returns the reason as a sentence fragment.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Truncated => "unexpected end of record",
            Self::ExpectedValue => "expected a value",
            Self::ExpectedKey => "expected a key in double quotes",
            Self::ExpectedColon => "expected \":\" after the key",
            Self::ExpectedCommaOrEnd => "expected \",\" or the end of the object or array",
            Self::InvalidNumber => "invalid number",
            Self::InvalidEscape => "invalid escape sequence in string",
            Self::ControlCharacter => "unescaped control character in string",
            Self::InvalidUtf8 => "invalid UTF-8",
            Self::TrailingData => "unexpected data after the value",
            Self::TooDeep => "objects and arrays nested too deep",
            Self::TooLong => "record too long",
            Self::NotAnObject => "expected an object",
        }
    }
}

/// A record that is not JSON, or not the JSON asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed JSON at byte {offset}: {}", .reason.as_str())]
pub struct ScanError {
    /// The byte where scanning stopped.
    pub offset: u32,
    /// What is wrong there.
    pub reason: Reason,
}

impl ScanError {
    #[cold]
    pub(super) fn at(offset: usize, reason: Reason) -> Self {
        Self { offset: u32::try_from(offset).unwrap_or(u32::MAX), reason }
    }

    /// The reason given, or `Truncated` where the record has no byte left.
    #[cold]
    pub(super) fn expected(bytes: &[u8], offset: usize, reason: Reason) -> Self {
        Self::at(offset, if offset < bytes.len() { reason } else { Reason::Truncated })
    }
}
