//! Statements by their first word, and the short ones.

use super::{Parser, Result};
use crate::ast::{Explain, Span, Statement};
use crate::lexer::TokenKind;

impl Parser<'_> {
    /// Goes over the `;` before a statement; returns whether one follows.
    pub(crate) fn skip_to_statement(&mut self) -> bool {
        while self.token_is(0, ";") {
            self.advance();
        }
        !self.is_at_end()
    }

    /// A statement with its `;`, which the last one may lack.
    pub(crate) fn terminated_statement(&mut self) -> Result<(Statement, Span)> {
        let start = self.start();
        let statement = self.statement()?;
        let span = self.span_from(start);
        if !self.is_at_end() {
            self.expect(";")?;
        }
        Ok((statement, span))
    }

    pub(super) fn statement(&mut self) -> Result<Statement> {
        if self.is_at("SELECT") {
            return Ok(Statement::Query(Box::new(self.query()?)));
        }
        if self.take("CREATE") {
            return self.create();
        }
        if self.take("INSERT") {
            return self.insert();
        }
        if self.take("ALTER") {
            return self.alter();
        }
        if self.take("DROP") {
            return self.drop_statement();
        }
        if self.take("LIST") || self.take("SHOW") {
            return self.show();
        }
        if self.take("DESCRIBE") {
            return self.describe();
        }
        if self.take("EXPLAIN") {
            return self.explain();
        }
        if self.take("PRINT") {
            return self.print();
        }
        if self.take("TERMINATE") {
            // KSQL 5: TERMINATE QUERY id.
            self.take("QUERY");
            return Ok(Statement::Terminate { query: self.query_id_or_all()? });
        }
        if self.take("PAUSE") {
            return Ok(Statement::Pause { query: self.query_id_or_all()? });
        }
        if self.take("RESUME") {
            return Ok(Statement::Resume { query: self.query_id_or_all()? });
        }
        if self.take("ASSERT") {
            return self.assert();
        }
        self.session_statement()
    }

    fn session_statement(&mut self) -> Result<Statement> {
        if self.take("SET") {
            let (name, value) = self.setting()?;
            return Ok(Statement::Set { name, value });
        }
        if self.take("UNSET") {
            return Ok(Statement::Unset { name: self.text_literal("property")? });
        }
        if self.take("DEFINE") {
            let name = self.any_name("variable")?;
            self.expect("=")?;
            return Ok(Statement::Define { name, value: self.text_literal("value")? });
        }
        if self.take("UNDEFINE") {
            return Ok(Statement::Undefine { name: self.any_name("variable")? });
        }
        if self.take("RUN") {
            self.expect("SCRIPT")?;
            return Ok(Statement::RunScript { file: self.raw_name("file")? });
        }
        Err(self.unexpected())
    }

    /// `'name' = 'value'`
    pub(super) fn setting(&mut self) -> Result<(String, String)> {
        let hint = "write SET 'name'='value';";
        let name = self.text_literal("property").map_err(|error| error.with_hint(hint))?;
        self.expect("=")?;
        Ok((name, self.text_literal("value").map_err(|error| error.with_hint(hint))?))
    }

    fn query_id_or_all(&mut self) -> Result<Option<crate::ast::Ident>> {
        if self.take("ALL") { Ok(None) } else { self.name("query id").map(Some) }
    }

    fn explain(&mut self) -> Result<Statement> {
        let is_id = self.is_at_name() && {
            let next = self.token_after(1);
            next.kind == TokenKind::End || self.token_is(1, ";")
        };
        let explain = if is_id {
            Explain::Query(self.name("query id")?)
        } else {
            Explain::Statement(Box::new(self.nested(Self::statement)?))
        };
        Ok(Statement::Explain(explain))
    }
}
