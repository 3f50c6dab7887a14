//! The streams, tables and types that statements can name.

use std::collections::BTreeMap;
use std::sync::Arc;

use sql::ast::SourceKind;
use types::{DataType, Schema};

use crate::step::{FormatSpec, TimestampColumn, WindowInfo};

/// A stream or table.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Its name.
    pub name: Arc<str>,
    /// STREAM or TABLE.
    pub kind: SourceKind,
    /// Its columns.
    pub schema: Schema,
    /// The topic behind it.
    pub topic: Arc<str>,
    /// Key format.
    pub key_format: FormatSpec,
    /// Value format.
    pub value_format: FormatSpec,
    /// Set when the keys carry windows.
    pub window: Option<WindowInfo>,
    /// TIMESTAMP property.
    pub timestamp: Option<TimestampColumn>,
    /// CREATE SOURCE …: read-only, and a table is materialised for pull queries.
    pub is_source: bool,
    /// Old KSQL's `KEY='column'`: the value column that gives the key when the record has none.
    pub key_from_value: Option<Arc<str>>,
    /// The statement that made it.
    pub sql: String,
    /// The id of the CREATE … AS SELECT query that fills it.
    pub created_by: Option<String>,
}

/// Everything that statements can name. Cheap to clone: a statement is planned against a copy.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    sources: BTreeMap<Arc<str>, Arc<Source>>,
    types: BTreeMap<Arc<str>, DataType>,
}

impl Catalog {
    /// The source of that exact name.
    pub fn source(&self, name: &str) -> Option<&Arc<Source>> {
        self.sources.get(name)
    }

    /// All sources by name.
    pub fn sources(&self) -> impl Iterator<Item = &Arc<Source>> {
        self.sources.values()
    }

    /// Adds or replaces a source.
    pub fn put_source(&mut self, source: Source) {
        self.sources.insert(source.name.clone(), Arc::new(source));
    }

    /// Takes a source out.
    pub fn remove_source(&mut self, name: &str) -> Option<Arc<Source>> {
        self.sources.remove(name)
    }

    /// The type made by CREATE TYPE.
    pub fn custom_type(&self, name: &str) -> Option<&DataType> {
        self.types.get(name)
    }

    /// All types made by CREATE TYPE.
    pub fn custom_types(&self) -> impl Iterator<Item = (&Arc<str>, &DataType)> {
        self.types.iter()
    }

    /// Adds or replaces a type.
    pub fn put_type(&mut self, name: Arc<str>, data_type: DataType) {
        self.types.insert(name, data_type);
    }

    /// Takes a type out.
    pub fn remove_type(&mut self, name: &str) -> Option<DataType> {
        self.types.remove(name)
    }
}
