//! Queries written out, clause by clause.

use super::Writer;
use crate::ast::{Emit, FromSource, Join, JoinKind, Query, SelectItem, Window, WindowKind};
use crate::keywords::quote;

impl Writer {
    pub(super) fn query(&mut self, query: &Query) {
        self.push("SELECT ");
        self.list(&query.select, Self::select_item);
        self.push(" FROM ");
        self.source_and_alias(&query.from.source);
        for join in &query.from.joins {
            self.join(join);
        }
        if let Some(window) = &query.window {
            self.window(window);
        }
        if let Some(filter) = &query.filter {
            self.push(" WHERE ");
            self.expression(filter);
        }
        self.by(" GROUP BY ", &query.group_by);
        self.by(" PARTITION BY ", &query.partition_by);
        if let Some(having) = &query.having {
            self.push(" HAVING ");
            self.expression(having);
        }
        match query.emit {
            Some(Emit::Changes) => self.push(" EMIT CHANGES"),
            Some(Emit::Final) => self.push(" EMIT FINAL"),
            None => {}
        }
        self.words_and_number(" LIMIT ", query.limit);
    }

    fn select_item(&mut self, item: &SelectItem) {
        match item {
            SelectItem::All { source: None, .. } => self.push("*"),
            SelectItem::All { source: Some(source), .. } => {
                self.name(source);
                self.push(".*");
            }
            SelectItem::StructAll { base, .. } => {
                self.postfix_base(base);
                self.push("->*");
            }
            SelectItem::Expr { expr, alias } => {
                self.expression(expr);
                if let Some(alias) = alias {
                    self.push(" AS ");
                    self.push(&quote(&alias.text));
                }
            }
        }
    }

    fn source_and_alias(&mut self, source: &FromSource) {
        self.name(&source.name);
        if let Some(alias) = &source.alias {
            self.push(" AS ");
            self.name(alias);
        }
    }

    fn join(&mut self, join: &Join) {
        self.push(match join.kind {
            JoinKind::Inner => " INNER JOIN ",
            JoinKind::Left => " LEFT JOIN ",
            JoinKind::Right => " RIGHT JOIN ",
            JoinKind::Full => " FULL JOIN ",
        });
        self.source_and_alias(&join.source);
        if let Some(within) = &join.within {
            self.push(" WITHIN ");
            if within.before_ms == within.after_ms {
                self.duration(within.before_ms);
            } else {
                self.push("(");
                self.duration(within.before_ms);
                self.push(", ");
                self.duration(within.after_ms);
                self.push(")");
            }
            self.words_and_duration(" GRACE PERIOD ", within.grace_ms);
        }
        self.push(" ON ");
        self.expression(&join.on);
    }

    fn window(&mut self, window: &Window) {
        self.push(" WINDOW ");
        match window.kind {
            WindowKind::Tumbling { size_ms } => {
                self.push("TUMBLING (SIZE ");
                self.duration(size_ms);
            }
            WindowKind::Hopping { size_ms, advance_ms } => {
                self.push("HOPPING (SIZE ");
                self.duration(size_ms);
                self.push(", ADVANCE BY ");
                self.duration(advance_ms);
            }
            WindowKind::Session { gap_ms } => {
                self.push("SESSION (");
                self.duration(gap_ms);
            }
        }
        self.words_and_duration(", RETENTION ", window.retention_ms);
        self.words_and_duration(", GRACE PERIOD ", window.grace_ms);
        self.push(")");
    }

    /// Several expressions, or one that is more than a value, stand in brackets.
    fn by(&mut self, words: &str, items: &[crate::ast::Expr]) {
        if items.is_empty() {
            return;
        }
        self.push(words);
        if let [only] = items {
            self.value_expression(only);
            return;
        }
        self.push("(");
        self.list(items, Self::expression);
        self.push(")");
    }
}
