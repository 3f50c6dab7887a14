//! Which cases are not run: those switched off, and those of formats that are not built.

use super::case::Case;

const FORMATS: [&str; 4] = ["AVRO", "JSON_SR", "PROTOBUF", "PROTOBUF_NOSR"];

/// Whether a case is left out.
pub fn is_skipped(case: &Case) -> bool {
    !case.enabled
        || case.statements.iter().any(|text| names_format(text))
        || case.properties.iter().any(|(_, value)| value.as_str().is_some_and(is_format))
        || case.topics.iter().any(|topic| {
            // A schema without a format is Avro's.
            let is_avro = |format: &str, schema: &str| topic[format].is_null() && !topic[schema].is_null();
            ["keyFormat", "valueFormat"].iter().any(|format| topic[format].as_str().is_some_and(is_format))
                || is_avro("keyFormat", "keySchema")
                || is_avro("valueFormat", "valueSchema")
        })
}

fn is_format(name: &str) -> bool {
    FORMATS.iter().any(|format| format.eq_ignore_ascii_case(name))
}

/// Whether a property of the statement, quoted or not, names one of the formats.
fn names_format(text: &str) -> bool {
    let upper = text.to_uppercase();
    upper.match_indices("FORMAT").any(|(at, word)| {
        let rest = upper[at + word.len()..].trim_start_matches(['`', '"']).trim_start();
        let Some(value) = rest.strip_prefix('=') else { return false };
        let value = value.trim_start().trim_start_matches('\'').trim_start();
        let end = value.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(value.len());
        is_format(&value[..end])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn formats_are_found_wherever_they_are_named() {
        let case = |text: &str| Case { statements: vec![text.into()], enabled: true, ..Case::default() };
        assert!(is_skipped(&case("CREATE STREAM A WITH (value_format = 'Avro');")));
        assert!(is_skipped(&case("CREATE STREAM A WITH (format='JSON_SR');")));
        assert!(!is_skipped(&case("CREATE STREAM AVRO WITH (value_format='JSON') AS SELECT 'AVRO' FROM B;")));
        assert!(is_skipped(&Case { enabled: false, ..case("") }));
        assert!(is_skipped(&Case { topics: vec![json!({"name": "t", "valueSchema": {}})], ..case("") }));
        assert!(is_skipped(&Case {
            topics: vec![json!({"name": "t", "keyFormat": "PROTOBUF"})],
            ..case("")
        }));
        assert!(!is_skipped(&Case { topics: vec![json!({"name": "t", "partitions": 2})], ..case("") }));
    }
}
