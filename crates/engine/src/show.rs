//! Statements that only look: SHOW, DESCRIBE, EXPLAIN, ASSERT.

use std::sync::Arc;

use plan::catalog::Source;
use plan::query::Purpose;
use plan::statement::Planner;
use sql::{Explain, Show, SourceKind, Statement};
use types::ErrorKind;

use crate::core::{Inner, Query, State};
use crate::ddl;
use crate::entity::*;
use crate::error::{EngineError, Result};
use crate::session::Session;

/// How often ASSERT looks while it waits.
const ASSERT_EVERY: std::time::Duration = std::time::Duration::from_millis(20);
/// ASSERT without TIMEOUT waits as long as ksqlDB does.
const ASSERT_DEFAULT_MS: i64 = 1000;
/// ASSERT waits no longer than this, whatever TIMEOUT says.
const ASSERT_MAX_MS: i64 = 60_000;

/// Executes a statement that only looks.
pub(crate) fn execute(
    inner: &Arc<Inner>,
    statement: &Statement,
    text: &str,
    session: &Session,
) -> Result<Entity> {
    let state = inner.state();
    Ok(match statement {
        Statement::Show(show) => return self::show(inner, &state, show, session),
        Statement::Describe { name, extended } => match state.catalog.source(&name.text) {
            Some(source) => Entity::Description(describe(inner, &state, source, *extended)),
            None => {
                let planning = inner.settings.planning();
                let planner =
                    Planner { catalog: &state.catalog, library: &inner.library, settings: &planning };
                return Err(match planner.source(name) {
                    Err(error) => ddl::from_plan(error, text),
                    Ok(_) => EngineError::new(ErrorKind::Internal, "internal", "source not found"),
                });
            }
        },
        Statement::DescribeAll { kind, extended } => Entity::Descriptions(
            state
                .catalog
                .sources()
                .filter(|s| s.kind == *kind)
                .map(|s| describe(inner, &state, s, *extended))
                .collect(),
        ),
        Statement::DescribeFunction { name } => match inner.library.doc(&name.text) {
            Some(doc) => Entity::Function(doc),
            None => {
                let docs = inner.library.docs();
                let error = EngineError::user(
                    "unknown_function",
                    format!("function \"{}\" does not exist", name.text),
                )
                .at(text, Some(name.span));
                return Err(match sql::nearest(&name.text, docs.iter().map(|d| d.name)) {
                    Some(near) => error.hint(format!("did you mean {near}?")),
                    None => error.hint("SHOW FUNCTIONS lists what there is"),
                });
            }
        },
        Statement::Explain(explain) => return self::explain(inner, &state, explain, text, session),
        Statement::AssertTopic { name, exists, properties, timeout_ms } => {
            drop(state);
            return assert_topic(
                inner,
                &name.text,
                *exists,
                properties,
                timeout_ms.unwrap_or(ASSERT_DEFAULT_MS),
            );
        }
        Statement::AssertSchema { .. } => {
            return Err(EngineError::user("no_schema_registry", "there is no schema registry"));
        }
        Statement::CreateConnector { .. }
        | Statement::DropConnector { .. }
        | Statement::DescribeConnector { .. } => {
            return Err(EngineError::user("to_come", "connectors are not supported yet")
                .hint("tripline replay and POST /api/v1/topics/NAME/records bring records in"));
        }
        Statement::AlterSystem { .. } => {
            return Err(EngineError::user("not_supported", "ALTER SYSTEM is not supported")
                .hint("give settings at start: tripline server --set NAME=VALUE"));
        }
        Statement::RunScript { .. } => {
            return Err(EngineError::user("not_here", "RUN SCRIPT is a command of the shell, tripline sql"));
        }
        _ => return Err(EngineError::new(ErrorKind::Internal, "internal", "the statement has no handler")),
    })
}

fn show(inner: &Inner, state: &State, show: &Show, session: &Session) -> Result<Entity> {
    let sources = |kind: SourceKind| state.catalog.sources().filter(move |s| s.kind == kind);
    Ok(match show {
        Show::Streams { extended: true } => Entity::Descriptions(
            sources(SourceKind::Stream).map(|s| describe(inner, state, s, true)).collect(),
        ),
        Show::Tables { extended: true } => Entity::Descriptions(
            sources(SourceKind::Table).map(|s| describe(inner, state, s, true)).collect(),
        ),
        Show::Streams { .. } => list(SourceKind::Stream, sources(SourceKind::Stream)),
        Show::Tables { .. } => list(SourceKind::Table, sources(SourceKind::Table)),
        Show::Topics { all, extended } => {
            let groups: Vec<_> = inner.log.groups().iter().map(|g| inner.log.committed_offsets(g)).collect();
            let topics = inner
                .log
                .topics()
                .into_iter()
                .filter(|t| *all || !is_internal(&t.name))
                .map(|t| {
                    let reading =
                        groups.iter().filter(|g| g.iter().any(|(topic, ..)| *topic == t.name)).count();
                    TopicInfo {
                        name: t.name,
                        replicas: vec![1; t.partitions as usize],
                        consumers: reading as u32 * t.partitions,
                        groups: reading as u32,
                    }
                })
                .collect();
            Entity::Topics { extended: *extended, topics }
        }
        Show::Queries { extended: false } => {
            let pushes = state.pushes.iter().map(|(id, push)| QueryInfo {
                id: id.clone(),
                kind: "PUSH",
                sql: push.sql.clone(),
                sink: None,
                sink_topic: None,
                state: QueryState::Running,
                statistics: Statistics::default(),
                error: None,
            });
            Entity::Queries(visible(state).map(info).chain(pushes).collect())
        }
        Show::Queries { extended: true } => {
            Entity::QueryDescriptions(visible(state).map(query_description).collect())
        }
        Show::Functions => Entity::Functions(
            inner
                .library
                .docs()
                .into_iter()
                .map(|d| FunctionName {
                    name: d.name.into(),
                    kind: d.kind.into(),
                    category: d.category.into(),
                })
                .collect(),
        ),
        Show::Types => {
            Entity::Types(state.catalog.custom_types().map(|(n, t)| (n.to_string(), t.to_string())).collect())
        }
        Show::Properties => Entity::Properties(inner.settings.with(&session.properties)?.describe()),
        Show::Variables => Entity::Variables(
            session
                .variables
                .iter()
                .map(|(n, v)| (n.clone(), crate::settings::shown(n, v).to_owned()))
                .collect(),
        ),
        Show::Connectors { .. } | Show::ConnectorPlugins => {
            return Err(EngineError::user("to_come", "connectors are not supported yet"));
        }
    })
}

/// Persistent queries; what keeps a source table is not one that a user started.
fn visible(state: &State) -> impl Iterator<Item = &Query> {
    state.queries.values().filter(|q| q.sink.is_some())
}

/// Whether a topic is one of ours that SHOW TOPICS leaves out.
pub(crate) fn is_internal(topic: &str) -> bool {
    topic.starts_with("_confluent-ksql-") || topic.starts_with("__")
}

fn list<'a>(kind: SourceKind, sources: impl Iterator<Item = &'a Arc<Source>>) -> Entity {
    let sources = sources
        .map(|s| SourceInfo {
            name: s.name.to_string(),
            topic: s.topic.to_string(),
            key_format: s.key_format.name.clone(),
            value_format: s.value_format.name.clone(),
            is_windowed: s.window.is_some(),
        })
        .collect();
    Entity::Sources(SourceList { kind, sources })
}

fn info(query: &Query) -> QueryInfo {
    QueryInfo {
        id: query.id.to_string(),
        kind: "PERSISTENT",
        sql: query.sql.clone(),
        sink: query.sink.as_ref().map(|(name, _)| name.to_string()),
        sink_topic: query.sink.as_ref().map(|(_, topic)| topic.to_string()),
        state: query.state(),
        statistics: query.statistics(),
        error: query.error.lock().ok().and_then(|e| e.clone()),
    }
}

fn query_description(query: &Query) -> QueryDescription {
    QueryDescription {
        info: info(query),
        schema: query.schema.clone(),
        sources: query.reads.iter().map(ToString::to_string).collect(),
        plan: plan::explain(&query.plan.root),
        overrides: query
            .properties
            .iter()
            .map(|(n, v)| (n.clone(), crate::settings::shown(n, v).to_owned()))
            .collect(),
    }
}

fn describe(inner: &Inner, state: &State, source: &Arc<Source>, extended: bool) -> SourceDescription {
    let readers: Vec<&Query> = visible(state).filter(|q| q.reads.contains(&source.name)).collect();
    let writers: Vec<&Query> =
        visible(state).filter(|q| q.sink.as_ref().is_some_and(|(n, _)| *n == source.name)).collect();
    let partitions = inner.log.describe_topic(&source.topic).map_or(0, |t| t.partitions);
    let mut statistics = Statistics::default();
    // Of a source made by a query: what the queries wrote; of any other: what was read from it.
    for query in if writers.is_empty() { &readers } else { &writers } {
        let s = query.statistics();
        statistics.consumed += s.consumed;
        statistics.produced += s.produced;
        statistics.errors += s.errors;
        statistics.late += s.late;
        statistics.state_bytes += s.state_bytes;
        statistics.consumed_per_second += s.consumed_per_second;
        statistics.produced_per_second += s.produced_per_second;
        statistics.last_message_ms = statistics.last_message_ms.max(s.last_message_ms);
    }
    let groups = readers
        .iter()
        .map(|q| {
            let group = ddl::group(inner, &q.id);
            let offsets = (0..partitions)
                .filter_map(|p| {
                    let offsets = inner.log.offsets(&source.topic, p).ok()?;
                    let committed = inner.log.committed_offset(&group, &source.topic, p);
                    let committed = committed.map_or(offsets.log_start, |committed| committed.offset);
                    Some((p, offsets.log_start, offsets.next, committed))
                })
                .collect();
            GroupOffsets { group, offsets }
        })
        .collect();
    SourceDescription {
        source: source.clone(),
        extended,
        partitions,
        readers: readers.into_iter().map(info).collect(),
        writers: writers.into_iter().map(info).collect(),
        constraints: vec![],
        statistics,
        groups,
    }
}

fn explain(
    inner: &Arc<Inner>,
    state: &State,
    explain: &Explain,
    text: &str,
    session: &Session,
) -> Result<Entity> {
    let statement = match explain {
        Explain::Query(id) => {
            return match state.queries.get(&id.text) {
                Some(query) => Ok(Entity::Explain(query_description(query))),
                None => {
                    let known = state.queries.keys().map(|k| &**k);
                    let error =
                        EngineError::user("unknown_query", format!("query \"{}\" does not exist", id.text))
                            .at(text, Some(id.span));
                    Err(match sql::nearest(&id.text, known) {
                        Some(near) => error.hint(format!("did you mean {near}?")),
                        None => error.hint("SHOW QUERIES lists what there is"),
                    })
                }
            };
        }
        Explain::Statement(statement) => statement,
    };
    let planning = inner.settings.with(&session.properties)?.planning();
    let planner = Planner { catalog: &state.catalog, library: &inner.library, settings: &planning };
    let planned = match &**statement {
        Statement::Query(query) => planner.query(query, Purpose::Transient),
        Statement::CreateAs(s) => planner.create_as(s, text).map(|p| p.query),
        Statement::InsertInto(s) => planner.insert_into(s).map(|p| p.query),
        _ => {
            return Err(EngineError::user("bad_explain", "EXPLAIN takes a query or the id of one"));
        }
    };
    let planned = planned.map_err(|e| ddl::from_plan(e, text))?;
    let mut schema = types::Schema::default();
    for (name, data_type) in &planned.root.layout.key {
        schema = schema.with_key(name.clone(), data_type.clone());
    }
    for (name, data_type) in &planned.root.layout.value {
        schema = schema.with_value(name.clone(), data_type.clone());
    }
    Ok(Entity::Explain(QueryDescription {
        info: QueryInfo {
            id: String::new(),
            kind: "PUSH",
            sql: sql::format_statement(statement),
            sink: None,
            sink_topic: None,
            state: QueryState::Running,
            statistics: Statistics::default(),
            error: None,
        },
        schema,
        sources: planned.sources.iter().map(|s| s.name.to_string()).collect(),
        plan: plan::explain(&planned.root),
        overrides: vec![],
    }))
}

fn assert_topic(
    inner: &Inner,
    name: &str,
    exists: bool,
    properties: &[sql::Property],
    timeout_ms: i64,
) -> Result<Entity> {
    let wanted = properties.iter().find(|p| p.name.text.eq_ignore_ascii_case("PARTITIONS")).and_then(|p| {
        match &p.value {
            sql::PropertyValue::Integer(n) => Some(*n),
            sql::PropertyValue::Text(t) => t.parse().ok(),
            _ => None,
        }
    });
    let deadline = std::time::Instant::now()
        + std::time::Duration::from_millis(timeout_ms.clamp(0, ASSERT_MAX_MS) as u64);
    loop {
        let found = inner.log.describe_topic(name).ok();
        let holds = match &found {
            Some(topic) => exists && wanted.is_none_or(|w| w == i64::from(topic.partitions)),
            None => !exists,
        };
        if holds {
            return Ok(Entity::AssertTopic { topic: name.to_owned(), exists });
        }
        if std::time::Instant::now() >= deadline {
            let message = match (exists, found, wanted) {
                (true, Some(t), Some(w)) => {
                    format!("topic \"{name}\" has {} partitions, not {w}", t.partitions)
                }
                (true, ..) => format!("topic \"{name}\" does not exist"),
                _ => format!("topic \"{name}\" exists"),
            };
            return Err(EngineError::user("assertion_failed", message));
        }
        std::thread::sleep(ASSERT_EVERY);
    }
}
