//! The words of the language, and which of them a name must not be without quotes.

/// Every word with a meaning of its own, in upper case.
pub const KEYWORDS: &[&str] = &[
    "ADD",
    "ADVANCE",
    "ALL",
    "ALTER",
    "ANALYZE",
    "AND",
    "ARRAY",
    "AS",
    "ASSERT",
    "AT",
    "BEGINNING",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "CATALOG",
    "CHANGES",
    "COLUMN",
    "COLUMNS",
    "CONNECTOR",
    "CONNECTORS",
    "CREATE",
    "DATE",
    "DAY",
    "DAYS",
    "DEFINE",
    "DELETE",
    "DESCRIBE",
    "DISTINCT",
    "DROP",
    "ELSE",
    "EMIT",
    "END",
    "ESCAPE",
    "EXISTS",
    "EXPLAIN",
    "EXPORT",
    "EXTENDED",
    "FALSE",
    "FINAL",
    "FROM",
    "FULL",
    "FUNCTION",
    "FUNCTIONS",
    "GRACE",
    "GROUP",
    "HAVING",
    "HEADER",
    "HEADERS",
    "HOPPING",
    "HOUR",
    "HOURS",
    "ID",
    "IF",
    "IN",
    "INNER",
    "INSERT",
    "INTEGER",
    "INTERVAL",
    "INTO",
    "IS",
    "JOIN",
    "KEY",
    "LEFT",
    "LIKE",
    "LIMIT",
    "LIST",
    "LOAD",
    "MAP",
    "MATERIALIZED",
    "MILLISECOND",
    "MILLISECONDS",
    "MINUTE",
    "MINUTES",
    "MONTH",
    "MONTHS",
    "NAMESPACE",
    "NOT",
    "NULL",
    "ON",
    "OR",
    "OUTER",
    "PARTITION",
    "PARTITIONS",
    "PAUSE",
    "PERIOD",
    "PLUGINS",
    "PRIMARY",
    "PRINT",
    "PROPERTIES",
    "QUERIES",
    "QUERY",
    "RENAME",
    "REPLACE",
    "RESET",
    "RESUME",
    "RETENTION",
    "RIGHT",
    "RUN",
    "SAMPLE",
    "SCHEMA",
    "SCRIPT",
    "SECOND",
    "SECONDS",
    "SELECT",
    "SESSION",
    "SET",
    "SHOW",
    "SINK",
    "SIZE",
    "SOURCE",
    "STREAM",
    "STREAMS",
    "STRING",
    "STRUCT",
    "SUBJECT",
    "SYSTEM",
    "TABLE",
    "TABLES",
    "TERMINATE",
    "THEN",
    "TIME",
    "TIMEOUT",
    "TIMESTAMP",
    "TO",
    "TOPIC",
    "TOPICS",
    "TRUE",
    "TUMBLING",
    "TYPE",
    "TYPES",
    "UNDEFINE",
    "UNSET",
    "VALUES",
    "VARIABLES",
    "VIEW",
    "WHEN",
    "WHERE",
    "WINDOW",
    "WITH",
    "WITHIN",
    "YEAR",
    "YEARS",
    "ZONE",
];

/// Keywords that are names wherever a name is expected.
///
/// Unlike ksqlDB, HEADER, HEADERS and the plurals of the interval units are among them: nothing
/// becomes ambiguous, and events do have such fields.
const NOT_RESERVED: &[&str] = &[
    "ADD",
    "ALTER",
    "ANALYZE",
    "ARRAY",
    "ASSERT",
    "CHANGES",
    "COLUMN",
    "COLUMNS",
    "DATE",
    "DAY",
    "DAYS",
    "DEFINE",
    "EMIT",
    "ESCAPE",
    "EXPLAIN",
    "FINAL",
    "FUNCTION",
    "FUNCTIONS",
    "GRACE",
    "HEADER",
    "HEADERS",
    "HOUR",
    "HOURS",
    "ID",
    "IF",
    "INTEGER",
    "INTERVAL",
    "KEY",
    "MAP",
    "MILLISECOND",
    "MILLISECONDS",
    "MINUTE",
    "MINUTES",
    "MONTH",
    "MONTHS",
    "PARTITION",
    "PARTITIONS",
    "PAUSE",
    "PERIOD",
    "PLUGINS",
    "PRIMARY",
    "REPLACE",
    "RESET",
    "RESUME",
    "SCHEMA",
    "SECOND",
    "SECONDS",
    "SESSION",
    "SET",
    "SHOW",
    "SINK",
    "SOURCE",
    "STRING",
    "STRUCT",
    "SUBJECT",
    "SYSTEM",
    "TABLES",
    "TIME",
    "TIMEOUT",
    "TIMESTAMP",
    "TYPE",
    "TYPES",
    "UNDEFINE",
    "VARIABLES",
    "YEAR",
    "YEARS",
    "ZONE",
];

/// Names that are legal bare but mean something else in some places, so that written-out SQL quotes them.
const QUOTED_WHEN_WRITTEN: &[&str] = &[
    "ADD",
    "ARRAY",
    "COLUMN",
    "DAY",
    "DAYS",
    "EMIT",
    "HEADER",
    "HEADERS",
    "HOUR",
    "HOURS",
    "MAP",
    "MILLISECOND",
    "MILLISECONDS",
    "MINUTE",
    "MINUTES",
    "MONTH",
    "MONTHS",
    "PARTITION",
    "SECOND",
    "SECONDS",
    "STRUCT",
    "YEAR",
    "YEARS",
];

/// Returns whether a word can only be a name when it is quoted; upper and lower case are the same.
pub fn is_reserved(word: &str) -> bool {
    let Some(upper) = upper_of(word) else { return false };
    KEYWORDS.binary_search(&&*upper).is_ok() && NOT_RESERVED.binary_search(&&*upper).is_err()
}

/// Returns a name as it has to be written to be read back: in backticks when needed.
pub fn quote(name: &str) -> String {
    if is_plain(name) && !is_reserved(name) && QUOTED_WHEN_WRITTEN.binary_search(&name).is_err() {
        return name.to_owned();
    }
    quote_always(name)
}

/// Returns a name in backticks.
pub(crate) fn quote_always(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// Whether folding to upper case leaves the name as it is.
fn is_plain(name: &str) -> bool {
    let mut bytes = name.bytes();
    matches!(bytes.next(), Some(b'A'..=b'Z' | b'_'))
        && bytes.all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'@'))
}

/// The word in upper case, unless it is longer than any keyword.
fn upper_of(word: &str) -> Option<String> {
    const KEYWORD_BYTES_MAX: usize = 12;
    (word.len() <= KEYWORD_BYTES_MAX).then(|| word.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_lists_are_sorted_and_belong_together() {
        for list in [KEYWORDS, NOT_RESERVED, QUOTED_WHEN_WRITTEN] {
            assert!(list.is_sorted());
        }
        assert!(NOT_RESERVED.iter().all(|word| KEYWORDS.contains(word)));
        assert!(QUOTED_WHEN_WRITTEN.iter().all(|word| KEYWORDS.contains(word)));
        assert!(KEYWORDS.iter().all(|word| upper_of(word).is_some()));
    }

    #[test]
    fn fields_of_security_events_that_need_no_quotes() {
        for word in
            ["source", "type", "host", "user", "id", "key", "date", "time", "schema", "system", "action"]
        {
            assert!(!is_reserved(word), "{word}");
        }
        for word in ["query", "END", "topic", "to", "from", "by", "size", "list", "properties", "values"] {
            assert!(is_reserved(word), "{word}");
        }
    }

    #[test]
    fn quotes_only_when_the_name_would_not_be_read_back() {
        assert_eq!(quote("IP"), "IP");
        assert_eq!(quote("ip"), "`ip`");
        assert_eq!(quote("id.orig_h"), "`id.orig_h`");
        assert_eq!(quote("QUERY"), "`QUERY`");
        assert_eq!(quote("a`b"), "`a``b`");
        assert_eq!(quote("1A"), "`1A`");
        assert_eq!(quote("A@B"), "A@B");
        assert_eq!(quote(""), "``");
    }
}
