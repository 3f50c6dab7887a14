//! CREATE, ALTER, DROP and INSERT.

use super::{Parser, Result};
use crate::ast::{
    AlterSource, CreateAs, CreateSource, DropSource, InsertInto, InsertValues, SourceKind, Statement,
};

impl Parser<'_> {
    /// What follows CREATE.
    pub(super) fn create(&mut self) -> Result<Statement> {
        if self.is_at("TYPE") {
            return self.create_type();
        }
        if self.is_at_all(&["SOURCE", "CONNECTOR"]) || self.is_at("SINK") {
            return self.create_connector();
        }
        let or_replace = self.take("OR");
        if or_replace {
            self.expect("REPLACE")?;
        }
        let is_source = self.take("SOURCE");
        let kind = self.source_kind()?;
        let if_not_exists = self.if_not_exists();
        let name = self.name("name of the source")?;
        let start = self.start();
        let mut columns = Vec::new();
        let has_columns = self.take("(");
        if has_columns {
            columns = self.column_defs()?;
            self.expect(")")?;
        }
        let columns_span = self.span_from(start);
        let properties = self.properties_if_any()?;
        if !self.is_at("AS") {
            let source =
                CreateSource { kind, name, columns, properties, or_replace, if_not_exists, is_source };
            return Ok(Statement::CreateSource(source));
        }
        if has_columns {
            return Err(self
                .error("columns cannot be declared together with AS SELECT", columns_span)
                .with_hint("the query's columns are the columns; name them there, with CAST where needed"));
        }
        if is_source {
            let span = self.token().span;
            return Err(self.error("SOURCE cannot be combined with AS SELECT", span));
        }
        self.advance();
        let query = self.query()?;
        Ok(Statement::CreateAs(Box::new(CreateAs {
            kind,
            name,
            properties,
            or_replace,
            if_not_exists,
            query,
        })))
    }

    fn create_type(&mut self) -> Result<Statement> {
        self.expect("TYPE")?;
        let if_not_exists = self.if_not_exists();
        let name = self.name("name of the type")?;
        self.expect("AS")?;
        Ok(Statement::CreateType { name, type_name: self.type_name()?, if_not_exists })
    }

    fn create_connector(&mut self) -> Result<Statement> {
        let is_source = self.take("SOURCE");
        if !is_source {
            self.expect("SINK")?;
        }
        self.expect("CONNECTOR")?;
        let if_not_exists = self.if_not_exists();
        let name = self.name("name of the connector")?;
        let properties = self.properties_if_any()?;
        Ok(Statement::CreateConnector { name, is_source, if_not_exists, properties })
    }

    fn source_kind(&mut self) -> Result<SourceKind> {
        if self.take("STREAM") {
            Ok(SourceKind::Stream)
        } else if self.take("TABLE") {
            Ok(SourceKind::Table)
        } else {
            Err(self.unexpected())
        }
    }

    fn if_not_exists(&mut self) -> bool {
        self.take_all(&["IF", "NOT", "EXISTS"])
    }

    fn if_exists(&mut self) -> bool {
        self.take_all(&["IF", "EXISTS"])
    }

    /// What follows ALTER.
    pub(super) fn alter(&mut self) -> Result<Statement> {
        if self.take("SYSTEM") {
            let (name, value) = self.setting()?;
            return Ok(Statement::AlterSystem { name, value });
        }
        let kind = self.source_kind()?;
        let name = self.name("name of the source")?;
        if !self.is_at("ADD") {
            return Err(self.unexpected());
        }
        let columns = self.list(|parser| {
            parser.take("ADD");
            parser.take("COLUMN");
            parser.column_def()
        })?;
        Ok(Statement::AlterSource(AlterSource { kind, name, columns }))
    }

    /// What follows DROP.
    pub(super) fn drop_statement(&mut self) -> Result<Statement> {
        if self.take("TYPE") {
            let if_exists = self.if_exists();
            return Ok(Statement::DropType { name: self.name("name of the type")?, if_exists });
        }
        if self.take("CONNECTOR") {
            let if_exists = self.if_exists();
            return Ok(Statement::DropConnector { name: self.name("name of the connector")?, if_exists });
        }
        let kind = self.source_kind()?;
        let if_exists = self.if_exists();
        let name = self.name("name of the source")?;
        let delete_topic = self.take("DELETE");
        if delete_topic {
            self.expect("TOPIC")?;
        }
        Ok(Statement::DropSource(DropSource { kind, name, if_exists, delete_topic }))
    }

    /// What follows INSERT.
    pub(super) fn insert(&mut self) -> Result<Statement> {
        self.expect("INTO")?;
        let target = self.name("name of the source")?;
        let properties = self.properties_if_any()?;
        if self.is_at("SELECT") {
            let query = self.query()?;
            return Ok(Statement::InsertInto(Box::new(InsertInto { target, properties, query })));
        }
        if !properties.is_empty() {
            return Err(self.unexpected());
        }
        let mut columns = Vec::new();
        if self.take("(") {
            columns = self.list(|parser| match parser.dotted_name() {
                Some(name) => Ok(name),
                None => parser.name("column name"),
            })?;
            self.expect(")")?;
        }
        self.expect("VALUES")?;
        self.expect("(")?;
        let values = self.list(Self::expression)?;
        self.expect(")")?;
        if self.is_at(",") {
            let span = self.token().span;
            return Err(self
                .error("only one row can be inserted by one statement", span)
                .with_hint("write an INSERT INTO … VALUES for each row"));
        }
        Ok(Statement::InsertValues(InsertValues { target, columns, values }))
    }
}
