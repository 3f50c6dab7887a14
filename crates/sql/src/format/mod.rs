//! Statements written out as SQL that reads back as the same statement.

mod expression;
mod query;

use std::fmt::Write;

use crate::ast::{
    ColumnConstraint, ColumnDef, Explain, Ident, Property, PropertyValue, Show, SourceKind, Statement,
    TypeName,
};
use crate::keywords::{quote, quote_always};
use crate::parser::type_name::builtin;

pub use expression::format_expression;

/// Returns the statement as SQL on one line, without a `;`.
pub fn format_statement(statement: &Statement) -> String {
    let mut out = Writer::default();
    out.statement(statement);
    out.text
}

/// Returns the query as SQL on one line.
pub fn format_query(query: &crate::ast::Query) -> String {
    let mut out = Writer::default();
    out.query(query);
    out.text
}

/// Returns the type as it is declared.
pub fn format_type(type_name: &TypeName) -> String {
    let mut out = Writer::default();
    out.type_name(type_name);
    out.text
}

/// Returns columns as they are declared, without the brackets around them.
pub fn format_columns(columns: &[ColumnDef]) -> String {
    let mut out = Writer::default();
    out.list(columns, Writer::column);
    out.text
}

#[derive(Default)]
struct Writer {
    text: String,
}

impl Writer {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn push_if(&mut self, condition: bool, text: &str) {
        if condition {
            self.push(text);
        }
    }

    fn number(&mut self, number: i64) {
        let _ = write!(self.text, "{number}");
    }

    fn name(&mut self, name: &Ident) {
        self.push(&quote(&name.text));
    }

    fn literal_text(&mut self, text: &str) {
        self.push("'");
        self.push(&text.replace('\'', "''"));
        self.push("'");
    }

    fn list<T>(&mut self, items: &[T], mut item: impl FnMut(&mut Self, &T)) {
        for (i, each) in items.iter().enumerate() {
            self.push_if(i > 0, ", ");
            item(self, each);
        }
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Query(query) => self.query(query),
            Statement::CreateSource(create) => {
                self.push("CREATE ");
                self.push_if(create.or_replace, "OR REPLACE ");
                self.push_if(create.is_source, "SOURCE ");
                self.source_name(create.kind, &create.name, if_not_exists(create.if_not_exists));
                if !create.columns.is_empty() {
                    self.push(" (");
                    self.list(&create.columns, Self::column);
                    self.push(")");
                }
                self.properties(&create.properties);
            }
            Statement::CreateAs(create) => {
                self.push("CREATE ");
                self.push_if(create.or_replace, "OR REPLACE ");
                self.source_name(create.kind, &create.name, if_not_exists(create.if_not_exists));
                self.properties(&create.properties);
                self.push(" AS ");
                self.query(&create.query);
            }
            Statement::InsertInto(insert) => {
                self.push("INSERT INTO ");
                self.name(&insert.target);
                self.properties(&insert.properties);
                self.push(" ");
                self.query(&insert.query);
            }
            Statement::InsertValues(insert) => {
                self.push("INSERT INTO ");
                self.name(&insert.target);
                if !insert.columns.is_empty() {
                    self.push(" (");
                    self.list(&insert.columns, Self::name);
                    self.push(")");
                }
                self.push(" VALUES (");
                self.list(&insert.values, Self::expression);
                self.push(")");
            }
            Statement::AlterSource(alter) => {
                self.push("ALTER ");
                self.source_name(alter.kind, &alter.name, "");
                self.push(" ");
                self.list(&alter.columns, |out, column| {
                    out.push("ADD COLUMN ");
                    out.column(column);
                });
            }
            Statement::DropSource(drop) => {
                self.push("DROP ");
                self.source_name(drop.kind, &drop.name, if_exists(drop.if_exists));
                self.push_if(drop.delete_topic, " DELETE TOPIC");
            }
            Statement::CreateType { name, type_name, if_not_exists: guarded } => {
                self.words_and_name(&["CREATE TYPE ", if_not_exists(*guarded)], name);
                self.push(" AS ");
                self.type_name(type_name);
            }
            Statement::DropType { name, if_exists: guarded } => {
                self.words_and_name(&["DROP TYPE ", if_exists(*guarded)], name);
            }
            Statement::CreateConnector { name, is_source, if_not_exists: guarded, properties } => {
                let kind = if *is_source { "SOURCE" } else { "SINK" };
                self.words_and_name(&["CREATE ", kind, " CONNECTOR ", if_not_exists(*guarded)], name);
                self.properties(properties);
            }
            Statement::DropConnector { name, if_exists: guarded } => {
                self.words_and_name(&["DROP CONNECTOR ", if_exists(*guarded)], name);
            }
            Statement::Show(show) => self.show(show),
            Statement::Describe { name, extended } => {
                self.words_and_name(&["DESCRIBE "], name);
                self.push_if(*extended, " EXTENDED");
            }
            Statement::DescribeFunction { name } => self.words_and_name(&["DESCRIBE FUNCTION "], name),
            Statement::DescribeConnector { name } => self.words_and_name(&["DESCRIBE CONNECTOR "], name),
            Statement::DescribeAll { kind, extended } => {
                self.push(if *kind == SourceKind::Stream { "DESCRIBE STREAMS" } else { "DESCRIBE TABLES" });
                self.push_if(*extended, " EXTENDED");
            }
            Statement::Explain(Explain::Query(id)) => self.words_and_name(&["EXPLAIN "], id),
            Statement::Explain(Explain::Statement(statement)) => {
                self.push("EXPLAIN ");
                self.statement(statement);
            }
            Statement::Terminate { query } => self.words_and_query("TERMINATE ", query.as_ref()),
            Statement::Pause { query } => self.words_and_query("PAUSE ", query.as_ref()),
            Statement::Resume { query } => self.words_and_query("RESUME ", query.as_ref()),
            other => self.session_statement(other),
        }
    }

    fn session_statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Print(print) => {
                self.push("PRINT ");
                self.literal_text(&print.topic);
                self.push_if(print.from_beginning, " FROM BEGINNING");
                self.words_and_number(" INTERVAL ", print.interval);
                self.words_and_number(" LIMIT ", print.limit);
            }
            Statement::Set { name, value } => self.setting("SET ", name, value),
            Statement::AlterSystem { name, value } => self.setting("ALTER SYSTEM ", name, value),
            Statement::Unset { name } => {
                self.push("UNSET ");
                self.literal_text(name);
            }
            Statement::Define { name, value } => {
                self.words_and_name(&["DEFINE "], name);
                self.push(" = ");
                self.literal_text(value);
            }
            Statement::Undefine { name } => self.words_and_name(&["UNDEFINE "], name),
            Statement::AssertTopic { name, exists, properties, timeout_ms } => {
                self.push(if *exists { "ASSERT TOPIC " } else { "ASSERT NOT EXISTS TOPIC " });
                self.push(&quote_always(&name.text));
                self.properties(properties);
                self.words_and_duration(" TIMEOUT ", *timeout_ms);
            }
            Statement::AssertSchema { subject, id, exists, timeout_ms } => {
                self.push(if *exists { "ASSERT SCHEMA" } else { "ASSERT NOT EXISTS SCHEMA" });
                if let Some(subject) = subject {
                    self.push(" SUBJECT ");
                    self.push(&quote_always(&subject.text));
                }
                self.words_and_number(" ID ", *id);
                self.words_and_duration(" TIMEOUT ", *timeout_ms);
            }
            Statement::RunScript { file } => {
                self.push("RUN SCRIPT ");
                self.literal_text(file);
            }
            _ => unreachable!("every other statement is written by statement()"),
        }
    }

    fn show(&mut self, show: &Show) {
        let (words, extended) = match show {
            Show::Streams { extended } => ("STREAMS", *extended),
            Show::Tables { extended } => ("TABLES", *extended),
            Show::Topics { all: false, extended } => ("TOPICS", *extended),
            Show::Topics { all: true, extended } => ("ALL TOPICS", *extended),
            Show::Queries { extended } => ("QUERIES", *extended),
            Show::Functions => ("FUNCTIONS", false),
            Show::Types => ("TYPES", false),
            Show::Properties => ("PROPERTIES", false),
            Show::Variables => ("VARIABLES", false),
            Show::Connectors { is_source: None } => ("CONNECTORS", false),
            Show::Connectors { is_source: Some(true) } => ("SOURCE CONNECTORS", false),
            Show::Connectors { is_source: Some(false) } => ("SINK CONNECTORS", false),
            Show::ConnectorPlugins => ("CONNECTOR PLUGINS", false),
        };
        self.push("SHOW ");
        self.push(words);
        self.push_if(extended, " EXTENDED");
    }

    fn source_name(&mut self, kind: SourceKind, name: &Ident, guard: &str) {
        self.push(if kind == SourceKind::Stream { "STREAM " } else { "TABLE " });
        self.push(guard);
        self.name(name);
    }

    fn words_and_name(&mut self, words: &[&str], name: &Ident) {
        words.iter().for_each(|word| self.push(word));
        // Bare, these would be read as the words of another statement.
        match &*name.text {
            "TABLES" | "FUNCTION" | "IF" => self.push(&quote_always(&name.text)),
            text => self.push(&quote(text)),
        }
    }

    fn words_and_query(&mut self, words: &str, query: Option<&Ident>) {
        match query {
            Some(query) => self.words_and_name(&[words], query),
            None => {
                self.push(words);
                self.push("ALL");
            }
        }
    }

    fn words_and_number(&mut self, words: &str, number: Option<i64>) {
        if let Some(number) = number {
            self.push(words);
            self.number(number);
        }
    }

    fn words_and_duration(&mut self, words: &str, duration_ms: Option<i64>) {
        if let Some(duration_ms) = duration_ms {
            self.push(words);
            self.duration(duration_ms);
        }
    }

    /// In the largest unit without a rest.
    fn duration(&mut self, duration_ms: i64) {
        const UNITS: [(i64, &str); 4] =
            [(86_400_000, "DAYS"), (3_600_000, "HOURS"), (60_000, "MINUTES"), (1_000, "SECONDS")];
        let whole = |(unit_ms, _): &&(i64, &str)| duration_ms != 0 && duration_ms % unit_ms == 0;
        let (unit_ms, unit) = UNITS.iter().find(whole).copied().unwrap_or((1, "MILLISECONDS"));
        let _ = write!(self.text, "{} {unit}", duration_ms / unit_ms);
    }

    fn setting(&mut self, words: &str, name: &str, value: &str) {
        self.push(words);
        self.literal_text(name);
        self.push(" = ");
        self.literal_text(value);
    }

    fn properties(&mut self, properties: &[Property]) {
        if properties.is_empty() {
            return;
        }
        self.push(" WITH (");
        self.list(properties, |out, property| {
            out.name(&property.name);
            out.push("=");
            match &property.value {
                PropertyValue::Text(text) => out.literal_text(text),
                PropertyValue::Integer(number) => out.number(*number),
                PropertyValue::Boolean(true) => out.push("true"),
                PropertyValue::Boolean(false) => out.push("false"),
                PropertyValue::Number(number) => out.push(number),
                PropertyValue::Null => out.push("NULL"),
            }
        });
        self.push(")");
    }

    fn column(&mut self, column: &ColumnDef) {
        self.name(&column.name);
        self.push(" ");
        self.type_name(&column.type_name);
        match &column.constraint {
            ColumnConstraint::None => {}
            ColumnConstraint::Key => self.push(" KEY"),
            ColumnConstraint::PrimaryKey => self.push(" PRIMARY KEY"),
            ColumnConstraint::Headers => self.push(" HEADERS"),
            ColumnConstraint::Header(header) => {
                self.push(" HEADER(");
                self.literal_text(header);
                self.push(")");
            }
        }
    }

    fn type_name(&mut self, type_name: &TypeName) {
        match type_name {
            TypeName::Builtin(data_type) => {
                let _ = write!(self.text, "{data_type}");
            }
            TypeName::Array(item) => {
                self.push("ARRAY<");
                self.type_name(item);
                self.push(">");
            }
            TypeName::Map(key, value) => {
                self.push("MAP<");
                self.type_name(key);
                self.push(", ");
                self.type_name(value);
                self.push(">");
            }
            TypeName::Struct(fields) => {
                self.push("STRUCT<");
                self.list(fields, |out, (name, type_name)| {
                    out.name(name);
                    out.push(" ");
                    out.type_name(type_name);
                });
                self.push(">");
            }
            TypeName::Custom(name) if builtin(&name.text).is_some() => self.push(&quote_always(&name.text)),
            TypeName::Custom(name) => self.name(name),
        }
    }
}

fn if_not_exists(guarded: bool) -> &'static str {
    if guarded { "IF NOT EXISTS " } else { "" }
}

fn if_exists(guarded: bool) -> &'static str {
    if guarded { "IF EXISTS " } else { "" }
}
