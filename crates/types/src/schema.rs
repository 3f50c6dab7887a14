//! The columns of a stream or table.

use std::fmt;
use std::sync::Arc;

use crate::DataType;

/// Where in a record a column lives.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Namespace {
    /// The record's key (`KEY` of a stream, `PRIMARY KEY` of a table).
    Key,
    /// The record's value.
    Value,
    /// The record's headers: one by name, or all (`None`).
    Header(Option<Arc<str>>),
}

/// A named, typed column.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Column {
    /// As declared: upper case unless it was quoted.
    pub name: Arc<str>,
    /// The column's type.
    pub data_type: DataType,
    /// Where in the record it lives.
    pub namespace: Namespace,
}

/// The columns of a stream or table in declared order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Schema {
    /// All columns in declared order, key columns wherever they were declared.
    pub columns: Vec<Column>,
}

impl Schema {
    /// Adds a key column.
    pub fn with_key(mut self, name: impl Into<Arc<str>>, data_type: DataType) -> Self {
        self.columns.push(Column { name: name.into(), data_type, namespace: Namespace::Key });
        self
    }

    /// Adds a value column.
    pub fn with_value(mut self, name: impl Into<Arc<str>>, data_type: DataType) -> Self {
        self.columns.push(Column { name: name.into(), data_type, namespace: Namespace::Value });
        self
    }

    /// The key columns in declared order.
    pub fn key(&self) -> impl DoubleEndedIterator<Item = &Column> + Clone {
        self.columns.iter().filter(|c| c.namespace == Namespace::Key)
    }

    /// The value columns in declared order.
    pub fn value(&self) -> impl DoubleEndedIterator<Item = &Column> + Clone {
        self.columns.iter().filter(|c| c.namespace == Namespace::Value)
    }

    /// The header columns in declared order.
    pub fn headers(&self) -> impl Iterator<Item = &Column> + Clone {
        self.columns.iter().filter(|c| matches!(c.namespace, Namespace::Header(_)))
    }

    /// The column of that exact name.
    pub fn find(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| &*c.name == name)
    }
}

/// As ksqlDB writes schemas: `` `ID` STRING KEY, `COUNT` BIGINT `` (key columns first).
impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rest = self.columns.iter().filter(|c| c.namespace != Namespace::Key);
        for (i, column) in self.key().chain(rest).enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            write!(f, "`{}` {}", column.name.replace('`', "``"), column.data_type)?;
            match &column.namespace {
                Namespace::Key => f.write_str(" KEY")?,
                Namespace::Value => {}
                Namespace::Header(None) => f.write_str(" HEADERS")?,
                Namespace::Header(Some(name)) => write!(f, " HEADER('{name}')")?,
            }
        }
        Ok(())
    }
}
