//! The settings that change how statements are planned; names and defaults are ksqlDB's.

/// Defaults and modes of planning.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `ksql.persistence.default.format.key`
    pub key_format: String,
    /// `ksql.persistence.default.format.value`
    pub value_format: Option<String>,
    /// `ksql.persistence.wrap.single.values`
    pub wrap_single: Option<bool>,
    /// `ksql.output.topic.name.prefix`
    pub topic_prefix: String,
    /// `tripline.legacy.arrays`: KSQL 5's 0-based arrays.
    pub legacy_arrays: bool,
    /// `tripline.legacy.rowkey`: KSQL 5's implicit ROWKEY where a source declares no key.
    pub legacy_rowkey: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            key_format: "KAFKA".into(),
            value_format: None,
            wrap_single: None,
            topic_prefix: String::new(),
            legacy_arrays: false,
            legacy_rowkey: false,
        }
    }
}
