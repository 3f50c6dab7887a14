//! SELECT with its clauses, which come in a fixed order.

use super::{Parser, Result};
use crate::ast::{
    Emit, From, FromSource, Ident, Join, JoinKind, Query, SelectItem, Window, WindowKind, Within,
};
use crate::lexer::TokenKind;

impl Parser<'_> {
    pub(super) fn query(&mut self) -> Result<Query> {
        let start = self.start();
        self.expect("SELECT")?;
        if self.token_is(0, "DISTINCT") || (self.token_is(0, "FROM") && !self.token_is(1, "(")) {
            return Err(self.unexpected());
        }
        let select = self.list(Self::select_item)?;
        self.expect("FROM")?;
        let from = self.from()?;
        let window = if self.take("WINDOW") { Some(self.window()?) } else { None };
        let filter = if self.take("WHERE") { Some(self.expression()?) } else { None };
        let group_by = if self.take("GROUP") { self.by_expressions()? } else { Vec::new() };
        let mut partition_by = if self.take("PARTITION") { self.by_expressions()? } else { Vec::new() };
        let having = if self.take("HAVING") { Some(self.expression()?) } else { None };
        let emit = self.emit_if_any()?;
        // ksqlDB 0.6 had PARTITION BY behind EMIT CHANGES.
        if emit.is_some() && partition_by.is_empty() && self.take("PARTITION") {
            partition_by = self.by_expressions()?;
        }
        let limit = self.limit_if_any()?;
        let span = self.span_from(start);
        Ok(Query { select, from, window, filter, group_by, partition_by, having, emit, limit, span })
    }

    fn select_item(&mut self) -> Result<SelectItem> {
        let start = self.start();
        if self.take("*") {
            return Ok(SelectItem::All { source: None, span: self.span_from(start) });
        }
        if self.is_at_name() && self.token_is(1, ".") && self.token_is(2, "*") {
            let source = Some(self.name("source")?);
            self.advance();
            self.advance();
            return Ok(SelectItem::All { source, span: self.span_from(start) });
        }
        let expr = self.expression()?;
        if self.is_at_all(&["->", "*"]) {
            self.advance();
            self.advance();
            return Ok(SelectItem::StructAll { base: expr, span: self.span_from(start) });
        }
        Ok(SelectItem::Expr { expr, alias: self.alias_if_any()? })
    }

    /// `AS name`, or a bare name that does not begin the next clause.
    fn alias_if_any(&mut self) -> Result<Option<Ident>> {
        if self.take("AS") {
            // ksqlDB refuses names that begin with a digit, but not here.
            if self.token().kind == TokenKind::DigitWord {
                return Ok(Some(self.digit_name()));
            }
            return match self.dotted_name() {
                Some(name) => Ok(Some(name)),
                None => self.name("alias").map(Some),
            };
        }
        let is_clause = self.is_at_all(&["PARTITION", "BY"])
            || self.is_at_all(&["EMIT", "CHANGES"])
            || self.is_at_all(&["EMIT", "FINAL"]);
        // EMIT with a mistake behind it is no alias either, unless something follows that fits one.
        if is_clause || !self.is_at_name() || self.is_mistaken_emit() {
            return Ok(None);
        }
        self.doubtful_alias = (self.token().kind == TokenKind::Word).then_some(self.place);
        self.name("alias").map(Some)
    }

    fn is_mistaken_emit(&self) -> bool {
        self.token_is(0, "EMIT") && self.token_after(1).kind == TokenKind::Word
    }

    fn from(&mut self) -> Result<From> {
        if self.token_is(0, "(") {
            let span = self.token().span;
            return Err(self
                .error("a query cannot be a source", span)
                .with_hint("create a stream from the inner query with CREATE STREAM … AS SELECT"));
        }
        let source = self.source_and_alias()?;
        let mut joins = Vec::new();
        loop {
            let start = self.start();
            let Some(kind) = self.join_kind()? else { break };
            joins.push(self.join(kind, start)?);
        }
        if self.token_is(0, ",") {
            let span = self.token().span;
            return Err(self
                .error("several sources need a JOIN", span)
                .with_hint("write FROM a JOIN b ON a.x = b.y"));
        }
        Ok(From { source, joins })
    }

    fn source_and_alias(&mut self) -> Result<FromSource> {
        Ok(FromSource { name: self.name("name of the source")?, alias: self.alias_if_any()? })
    }

    /// Takes the words up to JOIN, if there is one.
    fn join_kind(&mut self) -> Result<Option<JoinKind>> {
        let kind = if self.take("JOIN") {
            return Ok(Some(JoinKind::Inner));
        } else if self.take("INNER") {
            JoinKind::Inner
        } else if self.take("LEFT") {
            JoinKind::Left
        } else if self.take("RIGHT") {
            JoinKind::Right
        } else if self.take("FULL") {
            JoinKind::Full
        } else {
            return Ok(None);
        };
        if kind != JoinKind::Inner {
            self.take("OUTER");
        }
        self.expect("JOIN")?;
        Ok(Some(kind))
    }

    fn join(&mut self, kind: JoinKind, start: u32) -> Result<Join> {
        let source = self.source_and_alias()?;
        let within = if self.take("WITHIN") { Some(self.within()?) } else { None };
        self.expect("ON")?;
        let on = self.expression()?;
        Ok(Join { kind, source, within, on, span: self.span_from(start) })
    }

    fn within(&mut self) -> Result<Within> {
        let (before_ms, after_ms) = if self.take("(") {
            let before_ms = self.duration_ms()?;
            self.expect(",")?;
            let after_ms = self.duration_ms()?;
            self.expect(")")?;
            (before_ms, after_ms)
        } else {
            let both_ms = self.duration_ms()?;
            (both_ms, both_ms)
        };
        let grace_ms = if self.take("GRACE") { Some(self.grace_ms()?) } else { None };
        Ok(Within { before_ms, after_ms, grace_ms })
    }

    /// What follows GRACE.
    fn grace_ms(&mut self) -> Result<i64> {
        self.expect("PERIOD")?;
        self.duration_ms()
    }

    fn window(&mut self) -> Result<Window> {
        let start = self.start();
        // A window may have a name, which nothing refers to.
        if self.is_at_name() && self.token_after(1).kind == TokenKind::Word {
            self.name("window")?;
        }
        let kind = if self.take("TUMBLING") {
            self.expect_all(&["(", "SIZE"])?;
            WindowKind::Tumbling { size_ms: self.duration_ms()? }
        } else if self.take("HOPPING") {
            self.expect_all(&["(", "SIZE"])?;
            let size_ms = self.duration_ms()?;
            self.expect_all(&[",", "ADVANCE", "BY"])?;
            WindowKind::Hopping { size_ms, advance_ms: self.duration_ms()? }
        } else if self.take("SESSION") {
            self.expect("(")?;
            WindowKind::Session { gap_ms: self.duration_ms()? }
        } else {
            return Err(self.unexpected());
        };
        let (mut retention_ms, mut grace_ms) = (None, None);
        while self.take(",") {
            if retention_ms.is_none() && self.take("RETENTION") {
                retention_ms = Some(self.duration_ms()?);
            } else if grace_ms.is_none() && self.take("GRACE") {
                grace_ms = Some(self.grace_ms()?);
            } else {
                return Err(self.unexpected());
            }
        }
        self.expect(")")?;
        Ok(Window { kind, retention_ms, grace_ms, span: self.span_from(start) })
    }

    fn emit_if_any(&mut self) -> Result<Option<Emit>> {
        if !self.take("EMIT") {
            return Ok(None);
        }
        if self.take("CHANGES") {
            Ok(Some(Emit::Changes))
        } else if self.take("FINAL") {
            Ok(Some(Emit::Final))
        } else {
            Err(self.unexpected())
        }
    }

    /// `LIMIT n`; KSQL 4's `LIMIT ALL` is no limit.
    pub(super) fn limit_if_any(&mut self) -> Result<Option<i64>> {
        if !self.take("LIMIT") || self.take("ALL") {
            return Ok(None);
        }
        self.count("limit").map(Some)
    }
}
