//! The formats by name.

use crate::FormatError;
use crate::format::{Delimited, Format, Json, Kafka, NoneFormat};

const FORMATS: [&dyn Format; 4] = [&Delimited, &Json, &Kafka, &NoneFormat];

/// Formats of ksqlDB that are known but not built, and what serves meanwhile.
const NOT_YET: [(&str, &str); 4] =
    [("AVRO", "JSON"), ("JSON_SR", "JSON"), ("PROTOBUF", "JSON"), ("PROTOBUF_NOSR", "JSON")];

/// Returns the format of that name, in any case.
pub fn by_name(name: &str) -> Result<&'static dyn Format, FormatError> {
    if let Some(format) = FORMATS.into_iter().find(|format| format.name().eq_ignore_ascii_case(name)) {
        return Ok(format);
    }
    match NOT_YET.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        Some((name, instead)) => Err(FormatError::NotSupportedYet { name, instead }),
        None => Err(FormatError::UnknownFormat { name: name.into() }),
    }
}

/// Returns the names of all formats that work.
pub fn names() -> impl Iterator<Item = &'static str> {
    FORMATS.into_iter().map(|format| format.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_found_by_name_in_any_case() {
        for name in names() {
            assert_eq!(by_name(&name.to_lowercase()).unwrap().name(), name);
        }
    }

    #[test]
    fn a_missing_format_says_what_to_do() {
        assert_eq!(by_name("FOO").unwrap_err().to_string(), "Unknown format: FOO");
        let avro = by_name("avro").unwrap_err().to_string();
        assert_eq!(avro, "format 'AVRO' is not supported yet, use JSON instead");
    }
}
