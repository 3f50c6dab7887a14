//! The projection of a query without aggregates, with PARTITION BY.

use std::collections::HashSet;
use std::sync::Arc;

use sql::ast::{self, ExprKind as Ast, Literal};
use types::DataType;

use super::{Purpose, QueryPlanner, Relation, SelectColumn};
use crate::error::{PlanError, Result};
use crate::expr::{ColumnRef, Expr};
use crate::statement::LEGACY_KEY;
use crate::step::{Layout, SourceKind, Step, StepKind};
use crate::walk;

impl QueryPlanner<'_> {
    pub(super) fn project(
        &self,
        query: &ast::Query,
        items: Vec<SelectColumn>,
        relation: &mut Relation,
    ) -> Result<Step> {
        check_duplicates(&items)?;
        if !query.partition_by.is_empty() {
            return self.partition_by(query, items, relation);
        }
        // Mistakes in the columns are told before a key that is missing.
        self.typed(&items, relation)?;
        let (key_names, value) = if self.purpose == Purpose::Persistent {
            self.split_key(items, relation)?
        } else {
            (relation.step.layout.key.iter().map(|(n, _)| n.clone()).collect(), items)
        };
        let typed = self.typed(&value, relation)?;
        let mut step = super::mapped(relation.step.clone(), typed);
        for (column, name) in step.layout.key.iter_mut().zip(key_names) {
            column.0 = name;
        }
        Ok(step)
    }

    /// Takes the key's columns out of the SELECT list; each must be there once.
    pub(super) fn split_key(
        &self,
        items: Vec<SelectColumn>,
        relation: &Relation,
    ) -> Result<(Vec<Arc<str>>, Vec<SelectColumn>)> {
        let canonical: Vec<ast::Expr> =
            items.iter().map(|i| walk::canonical(&i.expr, &relation.scope)).collect();
        let mut taken = Vec::new();
        let mut names = Vec::new();
        for synonyms in &relation.key {
            let place = synonyms.iter().find_map(|s| canonical.iter().position(|c| c == s));
            let Some(place) = place else {
                // KSQL 5 hands its implicit key on whether or not it is selected.
                if self.settings.legacy_rowkey && synonyms.iter().any(is_legacy_key) {
                    names.push(LEGACY_KEY.into());
                    continue;
                }
                return Err(missing_key(synonyms));
            };
            check_once(&canonical, place, &items)?;
            names.push(items[place].name.clone());
            taken.push(place);
        }
        let value =
            items.into_iter().enumerate().filter(|(i, _)| !taken.contains(i)).map(|(_, item)| item).collect();
        Ok((names, value))
    }

    pub(super) fn typed(&self, items: &[SelectColumn], relation: &Relation) -> Result<Vec<(Arc<str>, Expr)>> {
        items
            .iter()
            .map(|item| {
                let typed = self.typing(&relation.scope).expr(&item.expr)?;
                check_has_type(&typed, item)?;
                Ok((item.name.clone(), typed))
            })
            .collect()
    }

    fn partition_by(
        &self,
        query: &ast::Query,
        items: Vec<SelectColumn>,
        relation: &mut Relation,
    ) -> Result<Step> {
        if relation.step.output == SourceKind::Table {
            return Err(PlanError::new("bad_query", "PARTITION BY is only for streams")
                .at(query.partition_by[0].span)
                .hint("GROUP BY gives a table another key"));
        }
        let is_null = |e: &ast::Expr| matches!(e.kind, Ast::Literal(Literal::Null));
        if query.partition_by.len() > 1
            && let Some(null) = query.partition_by.iter().find(|e| is_null(e))
        {
            return Err(
                PlanError::new("bad_query", "PARTITION BY several columns cannot include NULL").at(null.span)
            );
        }
        self.typed(&items, relation)?;
        let mut keys: Vec<(Arc<str>, Expr)> = Vec::new();
        let mut taken = Vec::new();
        let canonical: Vec<ast::Expr> =
            items.iter().map(|i| walk::canonical(&i.expr, &relation.scope)).collect();
        for written in query.partition_by.iter().filter(|e| !is_null(e)) {
            // PARTITION BY comes before SELECT; unlike ksqlDB, an alias is taken where no column has the name.
            let by_alias = self.alias_of(written, &items, relation);
            let (place, expr) = match by_alias {
                Some(place) => (Some(place), &items[place].expr),
                None => {
                    let this = walk::canonical(written, &relation.scope);
                    (canonical.iter().position(|c| *c == this), written)
                }
            };
            let typed = self.typing(&relation.scope).expr(expr)?;
            let data_type = crate::project_type(&typed);
            crate::check_key_type(&data_type).map_err(|e| e.at(written.span))?;
            let name = match place {
                Some(place) => {
                    if self.purpose == Purpose::Persistent {
                        check_once(&canonical, place, &items)?;
                    }
                    taken.push(place);
                    items[place].name.clone()
                }
                None if self.purpose == Purpose::Persistent => {
                    return Err(missing_key(std::slice::from_ref(written)));
                }
                None => "ROWKEY".into(),
            };
            keys.push((name, typed));
        }
        let value: Vec<SelectColumn> = match self.purpose {
            Purpose::Persistent => items
                .into_iter()
                .enumerate()
                .filter(|(i, _)| !taken.contains(i))
                .map(|(_, item)| item)
                .collect(),
            Purpose::Transient => items,
        };
        let typed = self.typed(&value, relation)?;
        let layout = Layout {
            key: keys.iter().map(|(n, e)| (n.clone(), crate::project_type(e))).collect(),
            value: typed.iter().map(|(n, e)| (n.clone(), crate::project_type(e))).collect(),
            window: None,
        };
        relation.is_rekeyed = true;
        let kind = StepKind::Map {
            input: Box::new(relation.step.clone()),
            key: Some(keys.into_iter().map(|(_, e)| e).collect()),
            value: typed.into_iter().map(|(_, e)| e).collect(),
        };
        Ok(Step { kind, layout, output: SourceKind::Stream })
    }

    fn alias_of(&self, written: &ast::Expr, items: &[SelectColumn], relation: &Relation) -> Option<usize> {
        let Ast::Column { source: None, name } = &written.kind else { return None };
        if relation.scope.count(&name.text) > 0 {
            return None;
        }
        items.iter().position(|i| i.name == name.text)
    }
}

/// Two columns of one name cannot be told apart.
pub(super) fn check_duplicates(items: &[SelectColumn]) -> Result<()> {
    let mut names = HashSet::new();
    for item in items {
        if !names.insert(&item.name) {
            return Err(PlanError::new(
                "duplicate_column",
                format!("column \"{}\" is in the SELECT list more than once", item.name),
            )
            .at(item.expr.span)
            .hint("give one of them another name with AS"));
        }
    }
    Ok(())
}

/// A column of nothing but NULL has no type.
pub(super) fn check_has_type(typed: &Expr, item: &SelectColumn) -> Result<()> {
    if typed.data_type.is_some() {
        return Ok(());
    }
    Err(PlanError::new("untyped_null", format!("column \"{}\" is NULL and has no type", item.name))
        .at(item.expr.span)
        .hint("give it one, for example CAST(NULL AS STRING)"))
}

/// A key column is in the SELECT list once.
fn check_once(canonical: &[ast::Expr], place: usize, items: &[SelectColumn]) -> Result<()> {
    let is_again = |(i, expr): (usize, &ast::Expr)| i != place && *expr == canonical[place];
    let Some(again) = canonical.iter().enumerate().position(is_again) else { return Ok(()) };
    let (first, second) = (&items[place.min(again)], &items[place.max(again)]);
    Err(PlanError::new(
        "duplicate_key",
        format!(
            "the SELECT list has the key column more than once, as \"{}\" and \"{}\"",
            first.name, second.name
        ),
    )
    .at(second.expr.span)
    .hint("AS_VALUE(column) copies the key into the value"))
}

fn is_legacy_key(expr: &ast::Expr) -> bool {
    matches!(&expr.kind, Ast::Column { name, .. } if &*name.text == LEGACY_KEY)
}

fn missing_key(synonyms: &[ast::Expr]) -> PlanError {
    let names: Vec<String> = synonyms
        .iter()
        .map(|e| match &e.kind {
            Ast::Column { source: Some(source), name } if source.text.is_empty() => name.text.to_string(),
            _ => sql::format_expression(e),
        })
        .collect();
    PlanError::new(
        "missing_key",
        format!("the SELECT list must include the key column {}", names.join(" or ")),
    )
    .hint("the key is kept with each row; select it, with an alias if you like")
}

/// Columns of the record's key as expressions.
#[allow(dead_code, reason = "used by pull queries")]
pub(crate) fn key_columns(layout: &Layout) -> Vec<(Arc<str>, Expr)> {
    layout
        .key
        .iter()
        .enumerate()
        .map(|(i, (name, data_type)): (usize, &(Arc<str>, DataType))| {
            (name.clone(), Expr::column(ColumnRef::Key(i), data_type.clone()))
        })
        .collect()
}
