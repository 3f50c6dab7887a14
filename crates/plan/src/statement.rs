//! Statements that change the catalog or start a query, checked and planned; nothing is changed here.

use std::collections::HashSet;
use std::sync::Arc;

use functions::Library;
use sql::ast::{self, ColumnConstraint, SourceKind};
use types::{Column, DataType, Namespace, Schema};

use crate::budget::Budget;
use crate::catalog::{Catalog, Source};
use crate::error::{PlanError, Result};
use crate::expr::Expr;
use crate::format_check::check_columns;
use crate::query::{PlannedQuery, Purpose, QueryPlanner};
use crate::scope::{is_reserved_column, unknown_source};
use crate::settings::Settings;
use crate::step::{FormatSpec, QueryPlan, SinkStep, TimestampColumn};
use crate::type_size;
use crate::typing::{self, Typing};
use crate::with::With;

/// KSQL 5's name of the record's key.
pub(crate) const LEGACY_KEY: &str = "ROWKEY";

/// How a topic is made if it is not there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopicSpec {
    /// Partitions asked for.
    pub partitions: Option<u32>,
    /// Replicas asked for.
    pub replicas: Option<u32>,
    /// RETENTION_MS.
    pub retention_ms: Option<i64>,
    /// CLEANUP_POLICY.
    pub cleanup_policy: Option<String>,
}

/// A CREATE STREAM|TABLE, planned.
#[derive(Clone, Debug)]
pub struct PlannedSource {
    /// What comes into the catalog.
    pub source: Source,
    /// Its topic.
    pub topic: TopicSpec,
}

/// A statement that starts a persistent query, planned.
#[derive(Clone)]
pub struct PlannedPersistent {
    /// The query with its sink.
    pub plan: QueryPlan,
    /// Its parts.
    pub query: PlannedQuery,
    /// CREATE … AS SELECT: what comes into the catalog.
    pub creates: Option<Source>,
    /// The sink's topic.
    pub topic: TopicSpec,
    /// `WITH (QUERY_ID='…')` of INSERT INTO.
    pub query_id: Option<String>,
}

/// INSERT INTO … VALUES, planned: constant expressions for every column of the target.
#[derive(Clone)]
pub struct PlannedInsert {
    /// The stream or table written to.
    pub source: Arc<Source>,
    /// One for each key column.
    pub key: Vec<Expr>,
    /// One for each value column.
    pub value: Vec<Expr>,
    /// ROWTIME, where given (BIGINT ms).
    pub rowtime: Option<Expr>,
}

/// Plans statements against one catalog.
pub struct Planner<'a> {
    /// What can be named.
    pub catalog: &'a Catalog,
    /// Function library.
    pub library: &'a Library,
    /// Defaults and modes.
    pub settings: &'a Settings,
}

impl Planner<'_> {
    /// Plans CREATE STREAM|TABLE with columns. `text` is the statement's own text.
    pub fn create_source(&self, statement: &ast::CreateSource, text: &str) -> Result<PlannedSource> {
        let with = With::new(&statement.properties, &["QUERY_ID"])?;
        let (key_format, value_format) = with.formats(None, self.settings)?;
        let mut schema = self.columns(&statement.columns, statement.kind)?;
        if schema.columns.is_empty() {
            return Err(PlanError::new("missing_columns", "no columns are given")
                .at(statement.name.span)
                .hint("columns can only be inferred with a schema registry, which is not supported yet"));
        }
        let mut key_from_value = None;
        if let Some(column) = with.column("KEY")? {
            key_from_value = Some(legacy_key(&mut schema, &column, &with)?);
        }
        let is_keyless = schema.key().next().is_none();
        if is_keyless && self.settings.legacy_rowkey && key_format.name != "NONE" {
            let key =
                Column { name: LEGACY_KEY.into(), data_type: DataType::String, namespace: Namespace::Key };
            schema.columns.insert(0, key);
        } else if is_keyless && statement.kind == SourceKind::Table {
            return Err(PlanError::new("missing_key", "a table needs a PRIMARY KEY column")
                .at(statement.name.span)
                .hint(
                    "write PRIMARY KEY after the column that identifies a row; with \
                     SET 'tripline.legacy.rowkey'='true'; it gets KSQL 5's ROWKEY",
                ));
        }
        let window = with.window()?;
        if window.is_some() && schema.key().next().is_none() {
            return Err(
                PlanError::new("missing_key", "a windowed source needs a key column").at(statement.name.span)
            );
        }
        let source = Source {
            name: statement.name.text.clone(),
            kind: statement.kind,
            topic: with.text("KAFKA_TOPIC")?.unwrap_or_else(|| statement.name.text.to_string()).into(),
            key_format,
            value_format,
            window,
            timestamp: timestamp(&with, &schema)?,
            is_source: statement.is_source,
            key_from_value,
            sql: text.to_owned(),
            created_by: None,
            schema,
        };
        check_source(&source, &with)?;
        Ok(PlannedSource { source, topic: topic_spec(&with)? })
    }

    /// Plans CREATE STREAM|TABLE … AS SELECT.
    pub fn create_as(&self, statement: &ast::CreateAs, text: &str) -> Result<PlannedPersistent> {
        let with = With::new(
            &statement.properties,
            &["QUERY_ID", "KEY", "WINDOW_TYPE", "WINDOW_SIZE", "SOURCED_BY_CONNECTOR"],
        )?;
        check_unlimited(&statement.query)?;
        let query = self.query(&statement.query, Purpose::Persistent)?;
        if query.root.output != statement.kind {
            let (is, not) = match statement.kind {
                SourceKind::Stream => ("a table", "CREATE TABLE"),
                SourceKind::Table => ("a stream", "CREATE STREAM"),
            };
            return Err(PlanError::new("wrong_kind", format!("the query's result is {is}"))
                .at(statement.query.span)
                .hint(format!("write {not} … AS SELECT")));
        }
        let first = &query.sources[0];
        let mut inherited_key = first.key_format.clone();
        if inherited_key.name == "NONE" && !query.root.layout.key.is_empty() {
            inherited_key =
                FormatSpec { name: self.settings.key_format.clone(), delimiter: None, wrap_single: None };
        }
        if query.root.layout.key.is_empty() {
            if with.text("KEY_FORMAT")?.is_some_and(|name| !name.trim().eq_ignore_ascii_case("NONE")) {
                return Err(PlanError::new(
                    "bad_property",
                    "a key format is given, but the result has no key",
                )
                .at(with.span("KEY_FORMAT"))
                .hint("leave KEY_FORMAT out"));
            }
            inherited_key = FormatSpec { name: "NONE".into(), delimiter: None, wrap_single: None };
        }
        let mut inherited_value = first.value_format.clone();
        if query.root.layout.value.len() != 1 {
            inherited_value.wrap_single = None;
        } else if inherited_value.wrap_single.is_none() || first.schema.value().count() != 1 {
            inherited_value.wrap_single = self.settings.wrap_single;
        }
        let (key_format, value_format) =
            with.formats(Some((&inherited_key, &inherited_value)), self.settings)?;
        let layout = &query.root.layout;
        let mut schema = Schema::default();
        for (name, data_type) in &layout.key {
            schema = schema.with_key(name.clone(), data_type.clone());
        }
        for (name, data_type) in &layout.value {
            schema = schema.with_value(name.clone(), data_type.clone());
        }
        if layout.value.is_empty() && statement.kind == SourceKind::Stream && layout.key.is_empty() {
            return Err(
                PlanError::new("bad_query", "the SELECT list has no columns").at(statement.query.span)
            );
        }
        if layout.value.is_empty() && statement.kind == SourceKind::Table {
            return Err(PlanError::new("bad_query", "the SELECT list has no value columns")
                .at(statement.query.span)
                .hint("a row of a table that has only its key could not be told from a deleted one"));
        }
        let topic = with
            .text("KAFKA_TOPIC")?
            .unwrap_or_else(|| format!("{}{}", self.settings.topic_prefix, statement.name.text));
        let source = Source {
            name: statement.name.text.clone(),
            kind: statement.kind,
            topic: topic.into(),
            key_format,
            value_format,
            window: layout.window,
            timestamp: timestamp(&with, &schema)?,
            is_source: false,
            key_from_value: None,
            sql: text.to_owned(),
            created_by: None,
            schema,
        };
        check_source(&source, &with)?;
        Ok(PlannedPersistent {
            plan: plan(&query, &source),
            query,
            topic: topic_spec(&with)?,
            creates: Some(source),
            query_id: None,
        })
    }

    /// Plans INSERT INTO … SELECT.
    pub fn insert_into(&self, statement: &ast::InsertInto) -> Result<PlannedPersistent> {
        let with = With::new(&statement.properties, &[])?;
        let target = self.source(&statement.target)?;
        if target.kind == SourceKind::Table {
            return Err(PlanError::new("wrong_kind", format!("\"{}\" is a table", target.name))
                .at(statement.target.span)
                .hint("INSERT INTO … SELECT writes to a stream"));
        }
        check_writable(&target, &statement.target)?;
        check_unlimited(&statement.query)?;
        let query = self.query(&statement.query, Purpose::Persistent)?;
        if query.root.output == SourceKind::Table {
            return Err(PlanError::new(
                "wrong_kind",
                "the query's result is a table, the target is a stream",
            )
            .at(statement.query.span));
        }
        let columns = |layout: &[(Arc<str>, DataType)]| layout.to_vec();
        let wanted: Vec<_> = target.schema.key().map(|c| (c.name.clone(), c.data_type.clone())).collect();
        let wanted_value: Vec<_> =
            target.schema.value().map(|c| (c.name.clone(), c.data_type.clone())).collect();
        let given = (columns(&query.root.layout.key), columns(&query.root.layout.value));
        let same_types = |a: &[(Arc<str>, DataType)], b: &[(Arc<str>, DataType)], names: bool| {
            a.len() == b.len()
                && a.iter().zip(b).all(|(a, b)| {
                    (a.1 == b.1 || types::implicitly_castable(&a.1, &b.1)) && (!names || a.0 == b.0)
                })
        };
        // As ksqlDB: key columns by place, value columns also by name.
        if !same_types(&given.0, &wanted, false) || !same_types(&given.1, &wanted_value, true) {
            return Err(PlanError::new(
                "schema_mismatch",
                format!(
                    "the query's columns ({}) do not fit those of {} ({})",
                    layout_text(&given.0, &given.1),
                    target.name,
                    layout_text(&wanted, &wanted_value)
                ),
            )
            .at(statement.query.span)
            .hint("name the columns as the target does with AS, in its order"));
        }
        let query = widened(query, &wanted_value);
        Ok(PlannedPersistent {
            plan: plan(&query, &target),
            query,
            creates: None,
            topic: TopicSpec::default(),
            query_id: with.text("QUERY_ID")?.map(|id| id.to_uppercase()),
        })
    }

    /// Plans a SELECT.
    pub fn query(&self, query: &ast::Query, purpose: Purpose) -> Result<PlannedQuery> {
        let Self { catalog, library, settings } = *self;
        QueryPlanner { catalog, library, settings, purpose, budget: Budget::default() }.plan(query)
    }

    /// Plans INSERT INTO … VALUES.
    pub fn insert_values(&self, statement: &ast::InsertValues) -> Result<PlannedInsert> {
        let source = self.source(&statement.target)?;
        check_writable(&source, &statement.target)?;
        if source.window.is_some() {
            return Err(PlanError::new("bad_insert", "INSERT INTO … VALUES cannot write windowed keys")
                .at(statement.target.span));
        }
        let declared: Vec<&Column> =
            source.schema.columns.iter().filter(|c| !matches!(c.namespace, Namespace::Header(_))).collect();
        let names: Vec<Arc<str>> = if statement.columns.is_empty() {
            declared.iter().map(|c| c.name.clone()).collect()
        } else {
            statement.columns.iter().map(|c| c.text.clone()).collect()
        };
        if names.len() != statement.values.len() {
            return Err(PlanError::new(
                "bad_insert",
                format!("{} columns but {} values", names.len(), statement.values.len()),
            )
            .at(statement.values.last().map_or(statement.target.span, |v| v.span)));
        }
        for (i, column) in statement.columns.iter().enumerate() {
            let known = &*column.text == "ROWTIME" || declared.iter().any(|c| c.name == column.text);
            if !known {
                let near: Vec<&str> = declared.iter().map(|c| &*c.name).collect();
                let error = PlanError::new(
                    "unknown_column",
                    format!("column \"{}\" does not exist in {}", column.text, source.name),
                )
                .at(column.span);
                return Err(match crate::nearest(&column.text, &near) {
                    Some(near) => error.hint(format!("did you mean {}?", sql::quote(near))),
                    None => error,
                });
            }
            if statement.columns[..i].contains(column) {
                return Err(PlanError::new(
                    "duplicate_column",
                    format!("column \"{}\" is named twice", column.text),
                )
                .at(column.span));
            }
        }
        let typing = Typing::new(self.library, self.catalog, Default::default());
        let value_of = |name: &str, data_type: &DataType| -> Result<Expr> {
            match names.iter().position(|n| &**n == name) {
                Some(place) => {
                    let written = &statement.values[place];
                    let typed = typing.expr(written)?;
                    insertable(typed, data_type).map_err(|e| e.at(written.span))
                }
                None => Ok(Expr::constant(types::Value::Null, data_type.clone())),
            }
        };
        let key = source.schema.key().map(|c| value_of(&c.name, &c.data_type)).collect::<Result<Vec<_>>>()?;
        let value =
            source.schema.value().map(|c| value_of(&c.name, &c.data_type)).collect::<Result<Vec<_>>>()?;
        let rowtime = match names.iter().any(|n| &**n == "ROWTIME") {
            true => Some(value_of("ROWTIME", &DataType::BigInt)?),
            false => None,
        };
        if source.kind == SourceKind::Table
            && key.iter().all(|k| matches!(k.kind, crate::expr::ExprKind::Constant(types::Value::Null)))
        {
            return Err(PlanError::new(
                "bad_insert",
                format!("the primary key of {} needs a value", source.name),
            )
            .at(statement.target.span));
        }
        Ok(PlannedInsert { source, key, value, rowtime })
    }

    /// The source of that name.
    pub fn source(&self, name: &ast::Ident) -> Result<Arc<Source>> {
        self.catalog
            .source(&name.text)
            .cloned()
            .ok_or_else(|| unknown_source(&name.text, name.span, self.catalog.sources().map(|s| &*s.name)))
    }

    /// The declared columns of CREATE and ALTER.
    pub fn columns(&self, columns: &[ast::ColumnDef], kind: SourceKind) -> Result<Schema> {
        let mut schema = Schema::default();
        let (mut names, mut parts) = (HashSet::new(), 0);
        for column in columns {
            let name = &column.name.text;
            if is_reserved_column(name) {
                return Err(PlanError::new(
                    "reserved_column",
                    format!("\"{name}\" is a reserved column name"),
                )
                .at(column.name.span));
            }
            if !names.insert(name) {
                return Err(PlanError::new(
                    "duplicate_column",
                    format!("column \"{name}\" is declared twice"),
                )
                .at(column.name.span));
            }
            let at = |e: PlanError| e.at(column.name.span);
            let data_type = typing::resolve_type(self.catalog, &column.type_name).map_err(at)?;
            type_size::count_column(&data_type, &mut parts).map_err(at)?;
            let namespace = match (&column.constraint, kind) {
                (ColumnConstraint::None, _) => Namespace::Value,
                (ColumnConstraint::Key, SourceKind::Stream)
                | (ColumnConstraint::PrimaryKey, SourceKind::Table) => {
                    crate::check_key_type(&data_type).map_err(|e| e.at(column.name.span))?;
                    Namespace::Key
                }
                (ColumnConstraint::Key, SourceKind::Table) => {
                    return Err(PlanError::new(
                        "bad_key",
                        format!("column \"{name}\" of a table is marked KEY"),
                    )
                    .at(column.name.span)
                    .hint("a table has a PRIMARY KEY"));
                }
                (ColumnConstraint::PrimaryKey, SourceKind::Stream) => {
                    return Err(PlanError::new(
                        "bad_key",
                        format!("column \"{name}\" of a stream is marked PRIMARY KEY"),
                    )
                    .at(column.name.span)
                    .hint("a stream has a KEY; rows of a stream are not unique"));
                }
                (ColumnConstraint::Headers, _) => {
                    check_header(&data_type, &header_list_type(), column)?;
                    Namespace::Header(None)
                }
                (ColumnConstraint::Header(key), _) => {
                    check_header(&data_type, &DataType::Bytes, column)?;
                    Namespace::Header(Some(key.as_str().into()))
                }
            };
            schema.columns.push(Column { name: name.clone(), data_type, namespace });
        }
        Ok(schema)
    }
}

/// `ARRAY<STRUCT<KEY STRING, VALUE BYTES>>`
pub fn header_list_type() -> DataType {
    DataType::array(DataType::structure([("KEY", DataType::String), ("VALUE", DataType::Bytes)]))
}

fn check_header(given: &DataType, wanted: &DataType, column: &ast::ColumnDef) -> Result<()> {
    if given == wanted {
        return Ok(());
    }
    Err(PlanError::new(
        "bad_header",
        format!("header column \"{}\" must be of type {wanted}, not {given}", column.name.text),
    )
    .at(column.name.span))
}

fn plan(query: &PlannedQuery, sink: &Source) -> QueryPlan {
    let sink = SinkStep {
        name: sink.name.clone(),
        topic: sink.topic.clone(),
        key_format: sink.key_format.clone(),
        value_format: sink.value_format.clone(),
        timestamp: sink.timestamp.clone(),
    };
    QueryPlan { root: query.root.clone(), sink: Some(sink), limit: query.limit }
}

/// Casts value columns to the target's types where those are wider.
fn widened(mut query: PlannedQuery, wanted: &[(Arc<str>, DataType)]) -> PlannedQuery {
    let layout = &query.root.layout.value;
    if layout.iter().zip(wanted).all(|(a, b)| a.1 == b.1) {
        return query;
    }
    let columns = layout
        .iter()
        .zip(wanted)
        .enumerate()
        .map(|(i, ((name, from), (_, to)))| {
            let column = Expr::column(crate::expr::ColumnRef::Value(i), from.clone());
            let cast = typing::cast_to(column, to).expect("checked to be castable");
            (name.clone(), cast)
        })
        .collect();
    query.root = crate::query::mapped(query.root, columns);
    query
}

fn insertable(typed: Expr, target: &DataType) -> Result<Expr> {
    if let Some(from) = &typed.data_type
        && from != target
        && !types::implicitly_castable(from, target)
        && types::is_castable(from, target)
        && (from.is_numeric() == target.is_numeric())
    {
        return Ok(Expr {
            kind: crate::expr::ExprKind::Cast(Box::new(typed)),
            data_type: Some(target.clone()),
        });
    }
    typing::cast_to(typed, target)
}

fn check_writable(source: &Source, name: &ast::Ident) -> Result<()> {
    if source.is_source {
        return Err(PlanError::new("read_only", format!("\"{}\" is read-only", source.name))
            .at(name.span)
            .hint("it was made by CREATE SOURCE"));
    }
    if source.schema.headers().next().is_some() {
        return Err(PlanError::new(
            "read_only",
            format!("\"{}\" has header columns and cannot be written", source.name),
        )
        .at(name.span));
    }
    Ok(())
}

fn check_source(source: &Source, with: &With<'_>) -> Result<()> {
    let key: Vec<&Column> = source.schema.key().collect();
    let value: Vec<&Column> = source.schema.value().collect();
    check_columns(&source.key_format, &key, true).map_err(|e| e.at(with.span("KEY_FORMAT")))?;
    check_columns(&source.value_format, &value, false).map_err(|e| e.at(with.span("VALUE_FORMAT")))?;
    if with.boolean("WRAP_SINGLE_VALUE")?.is_some() && value.len() != 1 {
        return Err(PlanError::new("bad_property", "WRAP_SINGLE_VALUE is only for a single value column")
            .at(with.span("WRAP_SINGLE_VALUE")));
    }
    Ok(())
}

/// A query that goes on for ever has no LIMIT.
fn check_unlimited(query: &ast::Query) -> Result<()> {
    match query.limit {
        Some(_) => Err(PlanError::new("bad_query", "a persistent query cannot have LIMIT")
            .at(query.span)
            .hint("LIMIT is for queries whose rows go to a client")),
        None => Ok(()),
    }
}

fn topic_spec(with: &With<'_>) -> Result<TopicSpec> {
    let replicas = match with.integer("REPLICAS")? {
        None | Some(-1) => None,
        Some(_) => with.count("REPLICAS")?,
    };
    Ok(TopicSpec {
        partitions: with.count("PARTITIONS")?,
        replicas,
        retention_ms: with.integer("RETENTION_MS")?,
        cleanup_policy: with.text("CLEANUP_POLICY")?,
    })
}

fn timestamp(with: &With<'_>, schema: &Schema) -> Result<Option<TimestampColumn>> {
    let format = with.text("TIMESTAMP_FORMAT")?;
    let Some(name) = with.column("TIMESTAMP")? else {
        return match format {
            Some(_) => Err(PlanError::new("bad_property", "TIMESTAMP_FORMAT needs TIMESTAMP")
                .at(with.span("TIMESTAMP_FORMAT"))),
            None => Ok(None),
        };
    };
    let span = with.span("TIMESTAMP");
    // A name written in quotes as it stands in the data (`'ts'`, `'id.ts'`) may be meant as written.
    let written = with.text("TIMESTAMP")?.unwrap_or_default();
    let Some(column) = schema.find(&name).or_else(|| schema.find(&written)) else {
        let known: Vec<&str> = schema.columns.iter().map(|c| &*c.name).collect();
        let error =
            PlanError::new("unknown_column", format!("the TIMESTAMP column \"{name}\" does not exist"))
                .at(span);
        return Err(match crate::nearest(&name, &known) {
            Some(near) => error.hint(format!("did you mean {near}?")),
            None => error,
        });
    };
    match (&column.data_type, &format) {
        (DataType::BigInt | DataType::Timestamp, None) => {}
        // Unlike ksqlDB, a DOUBLE is taken as epoch seconds, as Zeek writes `ts`.
        (DataType::Double, None) => {}
        (DataType::String, Some(pattern)) => {
            types::java_time::Pattern::parse(pattern).map_err(|e| {
                PlanError::new("bad_property", format!("TIMESTAMP_FORMAT '{pattern}': {e}"))
                    .at(with.span("TIMESTAMP_FORMAT"))
            })?;
        }
        (DataType::String, None) => {
            return Err(PlanError::new("bad_property", format!("the TIMESTAMP column \"{name}\" is STRING"))
                .at(span)
                .hint("TIMESTAMP_FORMAT='yyyy-MM-dd HH:mm:ss.SSS' says how to read it"));
        }
        (_, Some(_)) => {
            return Err(PlanError::new("bad_property", "TIMESTAMP_FORMAT is for a STRING column")
                .at(with.span("TIMESTAMP_FORMAT")));
        }
        (other, None) => {
            return Err(PlanError::new(
                "bad_property",
                format!(
                    "the TIMESTAMP column \"{name}\" is {other}, not BIGINT, TIMESTAMP, STRING or DOUBLE"
                ),
            )
            .at(span));
        }
    }
    Ok(Some(TimestampColumn { column: column.name.clone(), format }))
}

/// Old KSQL's `KEY='column'`: that column becomes the key; a record without key takes it from its value.
fn legacy_key(schema: &mut Schema, name: &str, with: &With<'_>) -> Result<Arc<str>> {
    if let Some(key) = schema.key().next() {
        return Err(PlanError::new(
            "bad_property",
            format!("column \"{}\" is declared as the key already", key.name),
        )
        .at(with.span("KEY"))
        .hint("leave KEY out of the WITH clause"));
    }
    match schema.columns.iter_mut().find(|c| &*c.name == name) {
        Some(column) => {
            column.namespace = Namespace::Key;
            Ok(column.name.clone())
        }
        None => Err(PlanError::new("unknown_column", format!("the KEY column \"{name}\" does not exist"))
            .at(with.span("KEY"))),
    }
}

fn layout_text(key: &[(Arc<str>, DataType)], value: &[(Arc<str>, DataType)]) -> String {
    let key = key.iter().map(|(n, t)| format!("{} {t} KEY", sql::quote(n)));
    let value = value.iter().map(|(n, t)| format!("{} {t}", sql::quote(n)));
    key.chain(value).collect::<Vec<_>>().join(", ")
}
