//! The names an expression can use, and what they stand for.

use std::sync::Arc;

use sql::ast::{Ident, Span};
use types::DataType;

use crate::error::{PlanError, Result};
use crate::expr::{ColumnRef, Expr};

/// Columns every record has besides its own.
pub const PSEUDO_COLUMNS: [&str; 3] = ["ROWTIME", "ROWPARTITION", "ROWOFFSET"];
/// Columns of records with windowed keys.
pub const WINDOW_COLUMNS: [&str; 2] = ["WINDOWSTART", "WINDOWEND"];

/// Whether a name is one that no declared column may have.
pub fn is_reserved_column(name: &str) -> bool {
    PSEUDO_COLUMNS.contains(&name) || WINDOW_COLUMNS.contains(&name)
}

/// A named column.
#[derive(Clone, Debug)]
pub struct ScopeColumn {
    /// Alias (or name) of the source it comes from.
    pub source: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// What it stands for.
    pub column: ColumnRef,
    /// Its type.
    pub data_type: DataType,
    /// ROWTIME and the like: not part of `*`.
    pub is_pseudo: bool,
}

/// The names an expression can use.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// All columns, in the order of `SELECT *`.
    pub columns: Vec<ScopeColumn>,
    /// Lambda parameters, outermost first.
    pub params: Vec<(Arc<str>, DataType)>,
}

impl Scope {
    /// Whether a source of that alias is in scope.
    pub fn has_source(&self, alias: &str) -> bool {
        self.columns.iter().any(|c| &*c.source == alias)
    }

    /// How many sources declare a column of that name (pseudo columns are in all of them).
    pub fn count(&self, name: &str) -> usize {
        self.columns.iter().filter(|c| &*c.name == name).count()
    }

    /// Finds a column or lambda parameter.
    pub fn resolve(&self, source: Option<&Ident>, name: &Ident) -> Result<&ScopeColumn> {
        let found = |c: &&ScopeColumn| source.is_none_or(|s| s.text == c.source) && c.name == name.text;
        let mut hits = self.columns.iter().filter(found);
        match (hits.next(), hits.next()) {
            (Some(column), None) => Ok(column),
            (Some(first), Some(second)) => Err(PlanError::new(
                "ambiguous_column",
                format!(
                    "column \"{}\" is ambiguous, it could be {}.{} or {}.{}",
                    name.text, first.source, first.name, second.source, second.name
                ),
            )
            .at(name.span)),
            (None, _) => Err(self.unknown(source, name)),
        }
    }

    /// The lambda parameter of that name, innermost first.
    pub fn param(&self, name: &str) -> Option<Expr> {
        let index = self.params.iter().rposition(|(n, _)| &**n == name)?;
        Some(Expr::column(ColumnRef::Param(index), self.params[index].1.clone()))
    }

    fn unknown(&self, source: Option<&Ident>, name: &Ident) -> PlanError {
        if let Some(source) = source
            && !self.has_source(&source.text)
        {
            return unknown_source(&source.text, source.span, self.columns.iter().map(|c| &*c.source));
        }
        let near: Vec<&str> = self
            .columns
            .iter()
            .filter(|c| source.is_none_or(|s| s.text == c.source))
            .map(|c| &*c.name)
            .collect();
        let error = PlanError::new("unknown_column", format!("column \"{}\" cannot be resolved", name.text))
            .at(name.span);
        if WINDOW_COLUMNS.contains(&&*name.text) {
            return error.hint("window bounds are known in a windowed source, and in the SELECT list of a GROUP BY with WINDOW");
        }
        if &*name.text == crate::statement::LEGACY_KEY {
            return error.hint(
                "sources have no implicit key; declare it by KEY after its column, or create the source \
                 after SET 'tripline.legacy.rowkey'='true';",
            );
        }
        let declared: Vec<&str> = near.iter().filter(|n| !is_reserved_column(n)).copied().take(12).collect();
        match crate::nearest(&name.text, &near) {
            Some(near) => error.hint(format!("did you mean {}?", sql::quote(near))),
            None if declared.is_empty() => error,
            None => error.hint(format!("there are {}", declared.join(", "))),
        }
    }
}

/// The error for a source that is not in scope or not in the catalog.
pub fn unknown_source<'a>(name: &str, span: Span, known: impl Iterator<Item = &'a str>) -> PlanError {
    let mut known: Vec<&str> = known.collect();
    known.dedup();
    let error = PlanError::new("unknown_source", format!("\"{name}\" is not a stream or table")).at(span);
    match crate::nearest(name, &known) {
        Some(near) => error.hint(format!("did you mean {}?", sql::quote(near))),
        None => error.hint("SHOW STREAMS and SHOW TABLES list what there is"),
    }
}
