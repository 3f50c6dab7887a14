//! SHOW, DESCRIBE, PRINT and ASSERT: statements that look and change nothing.

use super::{Parser, Result};
use crate::ast::{Ident, Print, Show, SourceKind, Statement};
use crate::lexer::TokenKind;

impl Parser<'_> {
    /// What follows SHOW or LIST.
    pub(super) fn show(&mut self) -> Result<Statement> {
        let show = if self.take("STREAMS") {
            Show::Streams { extended: self.take("EXTENDED") }
        } else if self.take("TABLES") {
            Show::Tables { extended: self.take("EXTENDED") }
        } else if self.take("TOPICS") {
            Show::Topics { all: false, extended: self.take("EXTENDED") }
        } else if self.take("ALL") {
            self.expect("TOPICS")?;
            Show::Topics { all: true, extended: self.take("EXTENDED") }
        } else if self.take("QUERIES") {
            Show::Queries { extended: self.take("EXTENDED") }
        } else if self.take("FUNCTIONS") {
            Show::Functions
        } else if self.take("TYPES") {
            Show::Types
        } else if self.take("PROPERTIES") {
            Show::Properties
        } else if self.take("VARIABLES") {
            Show::Variables
        } else if self.take("CONNECTORS") {
            Show::Connectors { is_source: None }
        } else if self.take("SOURCE") {
            self.expect("CONNECTORS")?;
            Show::Connectors { is_source: Some(true) }
        } else if self.take("SINK") {
            self.expect("CONNECTORS")?;
            Show::Connectors { is_source: Some(false) }
        } else if self.take("CONNECTOR") {
            self.expect("PLUGINS")?;
            Show::ConnectorPlugins
        } else {
            return Err(self.unexpected());
        };
        Ok(Statement::Show(show))
    }

    /// What follows DESCRIBE.
    pub(super) fn describe(&mut self) -> Result<Statement> {
        // FUNCTION and TABLES are names where nothing follows them that would say otherwise.
        let has_more = self.token_after(1).kind != TokenKind::End && !self.token_is(1, ";");
        if has_more && self.take("FUNCTION") {
            return Ok(Statement::DescribeFunction { name: self.name("name of the function")? });
        }
        if self.take("CONNECTOR") {
            return Ok(Statement::DescribeConnector { name: self.name("name of the connector")? });
        }
        if self.take("STREAMS") {
            return Ok(Statement::DescribeAll { kind: SourceKind::Stream, extended: self.take("EXTENDED") });
        }
        if self.take("TABLES") {
            return Ok(Statement::DescribeAll { kind: SourceKind::Table, extended: self.take("EXTENDED") });
        }
        // KSQL 5: DESCRIBE EXTENDED name.
        let extended_first = self.take("EXTENDED");
        let name = self.name("name of the source")?;
        Ok(Statement::Describe { name, extended: extended_first || self.take("EXTENDED") })
    }

    /// What follows PRINT.
    pub(super) fn print(&mut self) -> Result<Statement> {
        let topic = self.raw_name("topic")?;
        let from_beginning = self.take("FROM");
        if from_beginning {
            self.expect("BEGINNING")?;
        }
        let interval =
            if self.take("INTERVAL") || self.take("SAMPLE") { Some(self.count("interval")?) } else { None };
        let limit = self.limit_if_any()?;
        Ok(Statement::Print(Print { topic, from_beginning, interval, limit }))
    }

    /// What follows ASSERT.
    pub(super) fn assert(&mut self) -> Result<Statement> {
        let exists = !self.take("NOT");
        if !exists {
            self.expect("EXISTS")?;
        }
        if self.take("TOPIC") {
            let name = self.name_as_written("topic")?;
            let properties = self.properties_if_any()?;
            let timeout_ms = self.timeout_if_any()?;
            return Ok(Statement::AssertTopic { name, exists, properties, timeout_ms });
        }
        self.expect("SCHEMA")?;
        let subject = if self.take("SUBJECT") { Some(self.name_as_written("subject")?) } else { None };
        let id = if self.take("ID") { Some(self.count("schema id")?) } else { None };
        if subject.is_none() && id.is_none() {
            return Err(self.unexpected());
        }
        let timeout_ms = self.timeout_if_any()?;
        Ok(Statement::AssertSchema { subject, id, exists, timeout_ms })
    }

    fn timeout_if_any(&mut self) -> Result<Option<i64>> {
        if self.take("TIMEOUT") { self.duration_ms().map(Some) } else { Ok(None) }
    }

    /// A topic or subject: their case counts, so an unquoted name keeps its own.
    fn name_as_written(&mut self, what: &'static str) -> Result<Ident> {
        let start = self.start();
        let text = self.raw_name(what)?;
        Ok(Ident { text: text.into(), quoted: true, span: self.span_from(start) })
    }
}
