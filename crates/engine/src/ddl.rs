//! Statements that change the catalog, the topics or the queries.
//!
//! Each is planned against the catalog as it is; what it needs is checked and made (`ahead`); it is written to the
//! command log, then applied. At start the same statements are planned and applied again in order, see `recovery`.

mod ahead;
mod check;
mod names;
#[cfg(test)]
mod planted;
mod stop;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use commitlog::Partition;
use plan::catalog::{Catalog, Source};
use plan::statement::{PlannedPersistent, PlannedSource, Planner, TopicSpec};
use plan::step::QueryPlan;
use sql::{Parsed, SourceKind, Statement};
use types::{ErrorKind, Schema};

use crate::commands::Command as Logged;
use crate::core::{Inner, Query, Rates, State, TaskHandle, now_ms, processing_log_topic};
use crate::entity::{CommandStatus, Entity};
use crate::error::{EngineError, Result};
use crate::hold::Hold;
use crate::positions::{hand_over, keep_starts, latest};
use crate::query::{self, Setup, log_error};
use crate::recovery::WantedTopic;
use crate::settings::Settings;
use crate::worker::panics::guarded;
use crate::worker::{Command, snapshot};

pub(crate) use stop::stop;

/// Where a new query begins: topic and partition → offset.
pub(crate) type Starts = BTreeMap<(String, u32), i64>;

/// A statement that was planned and is about to take effect.
pub(crate) enum Change {
    Source {
        planned: Box<PlannedSource>,
    },
    Persistent {
        planned: Box<PlannedPersistent>,
        prefix: String,
        or_replace: bool,
    },
    Drop {
        name: Arc<str>,
        kind: SourceKind,
        delete_topic: bool,
    },
    Alter {
        source: Box<Source>,
    },
    Type {
        name: Arc<str>,
        data_type: types::DataType,
    },
    DropType {
        name: Arc<str>,
    },
    Terminate {
        query: Option<Arc<str>>,
    },
    Pause {
        query: Option<Arc<str>>,
        resume: bool,
    },
    /// IF EXISTS, IF NOT EXISTS: nothing to do.
    Nothing(String),
}

/// Executes a statement that changes something.
pub(crate) fn execute(
    inner: &Arc<Inner>,
    parsed: &Parsed,
    text: &str,
    properties: &BTreeMap<String, String>,
) -> Result<Entity> {
    let settings = inner.settings.with(properties)?;
    let mut state = inner.state();
    // What has no place of its own is about the thing that the statement names.
    let placed = |error: EngineError| match error.line_column {
        Some(_) => error,
        None => error.at(text, named(&parsed.statement)),
    };
    let change = plan_change(inner, &state.catalog, &settings, parsed, text).map_err(placed)?;
    let change = match change {
        Change::Nothing(message) => return Ok(Entity::Warning(message)),
        change => change,
    };
    check::effect(inner, &state, &change).map_err(placed)?;
    let sequence = state.next_command;
    let (id, query_id) = names::of(&change, sequence, &state);
    let needs = ahead::Needs::of(inner, &state, &change, query_id.as_deref(), sequence);
    ahead::check(inner, &needs, &settings, (&parsed.statement, text)).map_err(placed)?;
    let mut start = Starts::new();
    if let Change::Persistent { planned, .. } = &change {
        ensure_sources(inner, &planned.plan)?;
        if settings.text("auto.offset.reset").eq_ignore_ascii_case("latest") {
            start = latest(inner, &planned.plan)?;
        }
    }
    let command = Logged {
        id: id.clone(),
        statement: parsed.text.clone(),
        properties: properties.clone(),
        query_id: query_id.clone(),
        start: start.iter().map(|((t, p), o)| (t.clone(), *p, *o)).collect(),
        deletes: deleted_topic(inner, &state, &change),
    };
    let ended = stop::ended_by(&state, &change);
    stop::stop_all(inner, &mut state, &ended)?;
    let done = ahead::make(inner, &needs)
        .and_then(|()| log_and_apply(inner, &mut state, change, &command, sequence, start));
    let (sequence, message) = done.inspect_err(|_| stop::start_again(inner, &state, &ended))?;
    let status = CommandStatus {
        command_id: id.clone(),
        sequence,
        message,
        query_id,
        warnings: warnings(parsed, &settings),
    };
    state.statuses.insert(id, status.clone());
    Ok(Entity::Status(status))
}

/// Writes a command to the command log and makes its change; the queries it ends have stopped. Returns the command's
/// sequence number and the answer.
fn log_and_apply(
    inner: &Arc<Inner>,
    state: &mut State,
    change: Change,
    command: &Logged,
    sequence: i64,
    start: Starts,
) -> Result<(i64, String)> {
    let sequence = match &inner.commands {
        Some(commands) => commands.append(command, now_ms()).inspect_err(|_| {
            let _ = command.query_id.as_ref().map(|id| ahead::forget_remains(inner, id));
        })?,
        None => sequence,
    };
    state.next_command = sequence + 1;
    Ok((sequence, apply(inner, state, change, command, sequence, start, true)?))
}

pub(crate) fn plan_change(
    inner: &Arc<Inner>,
    catalog: &Catalog,
    settings: &Settings,
    parsed: &Parsed,
    text: &str,
) -> Result<Change> {
    let planning = settings.planning();
    let planner = Planner { catalog, library: &inner.library, settings: &planning };
    let at = |e: plan::PlanError| from_plan(e, text);
    Ok(match &parsed.statement {
        Statement::CreateSource(s) => {
            if let Some(change) = existing(catalog, &s.name.text, s.kind, s.if_not_exists, s.or_replace)? {
                return Ok(change);
            }
            let planned = planner.create_source(s, &parsed.text).map_err(at)?;
            if s.or_replace {
                check::replacement(catalog, &planned.source)?;
            }
            Change::Source { planned: Box::new(planned) }
        }
        Statement::CreateAs(s) => {
            if let Some(change) = existing(catalog, &s.name.text, s.kind, s.if_not_exists, s.or_replace)? {
                return Ok(change);
            }
            let mut planned = planner.create_as(s, &parsed.text).map_err(at)?;
            if planned.topic.partitions.is_none() {
                planned.topic.partitions = settings.text("ksql.sink.partitions").parse().ok();
            }
            let verb = if s.kind == SourceKind::Stream { "CSAS" } else { "CTAS" };
            if s.or_replace
                && let Some(source) = &planned.creates
            {
                check::replacement(catalog, source)?;
            }
            Change::Persistent {
                planned: Box::new(planned),
                prefix: format!("{verb}_{}", s.name.text),
                or_replace: s.or_replace,
            }
        }
        Statement::InsertInto(s) => Change::Persistent {
            planned: Box::new(planner.insert_into(s).map_err(at)?),
            prefix: "INSERTQUERY".into(),
            or_replace: false,
        },
        Statement::DropSource(s) => match catalog.source(&s.name.text) {
            None if s.if_exists => Change::Nothing(format!("{} does not exist", s.name.text)),
            None => return Err(at(planner.source(&s.name).expect_err("it is not there"))),
            Some(source) if source.kind != s.kind => {
                let (is, verb) = match source.kind {
                    SourceKind::Stream => ("a stream", "DROP STREAM"),
                    SourceKind::Table => ("a table", "DROP TABLE"),
                };
                return Err(EngineError::user("wrong_kind", format!("\"{}\" is {is}", source.name))
                    .at(text, Some(s.name.span))
                    .hint(format!("write {verb}")));
            }
            Some(source) if source.is_source && s.delete_topic => {
                return Err(EngineError::user(
                    "read_only",
                    format!("the topic of read-only \"{}\" cannot be deleted", source.name),
                )
                .at(text, Some(s.name.span)));
            }
            Some(source) => {
                Change::Drop { name: source.name.clone(), kind: source.kind, delete_topic: s.delete_topic }
            }
        },
        Statement::AlterSource(s) => {
            let source = planner.source(&s.name).map_err(at)?;
            if source.kind != s.kind || source.is_source || source.created_by.is_some() {
                return Err(EngineError::user(
                    "bad_alter",
                    format!("\"{}\" cannot be altered this way", source.name),
                )
                .at(text, Some(s.name.span))
                .hint("ALTER works on streams and tables made by CREATE with columns"));
            }
            let added = planner.columns(&s.columns, source.kind).map_err(at)?;
            let mut source = (*source).clone();
            for column in added.columns {
                if source.schema.find(&column.name).is_some() {
                    return Err(EngineError::user(
                        "duplicate_column",
                        format!("column \"{}\" exists already", column.name),
                    ));
                }
                source.schema.columns.push(column);
            }
            plan::type_size::check_columns(source.schema.columns.iter().map(|c| &c.data_type)).map_err(at)?;
            Change::Alter { source: Box::new(source) }
        }
        Statement::CreateType { name, type_name, if_not_exists } => {
            if catalog.custom_type(&name.text).is_some() {
                if *if_not_exists {
                    return Ok(Change::Nothing(format!("type {} exists already", name.text)));
                }
                return Err(EngineError::user(
                    "type_exists",
                    format!("type \"{}\" exists already", name.text),
                )
                .at(text, Some(name.span)));
            }
            let data_type =
                plan::typing::resolve_type(catalog, type_name).map_err(|e| at(e.at(name.span)))?;
            Change::Type { name: name.text.clone(), data_type }
        }
        Statement::DropType { name, if_exists } => match catalog.custom_type(&name.text) {
            Some(_) => Change::DropType { name: name.text.clone() },
            None if *if_exists => Change::Nothing(format!("type {} does not exist", name.text)),
            None => {
                return Err(EngineError::user(
                    "unknown_type",
                    format!("type \"{}\" does not exist", name.text),
                )
                .at(text, Some(name.span)));
            }
        },
        Statement::Terminate { query } => Change::Terminate { query: query.as_ref().map(|q| q.text.clone()) },
        Statement::Pause { query } => {
            Change::Pause { query: query.as_ref().map(|q| q.text.clone()), resume: false }
        }
        Statement::Resume { query } => {
            Change::Pause { query: query.as_ref().map(|q| q.text.clone()), resume: true }
        }
        _ => return Err(EngineError::user("not_a_change", "the statement cannot be executed here")),
    })
}

fn existing(
    catalog: &Catalog,
    name: &str,
    kind: SourceKind,
    if_not_exists: bool,
    or_replace: bool,
) -> Result<Option<Change>> {
    let Some(found) = catalog.source(name) else { return Ok(None) };
    if if_not_exists {
        return Ok(Some(Change::Nothing(format!("{name} exists already"))));
    }
    if or_replace && found.kind == kind && !found.is_source {
        return Ok(None);
    }
    let is = if found.kind == SourceKind::Stream { "a stream" } else { "a table" };
    Err(EngineError::user("source_exists", format!("{is} \"{name}\" exists already"))
        .hint("drop it first, or write CREATE OR REPLACE"))
}

/// The id of the topic that a statement deletes: the name may be taken again later, the id never.
fn deleted_topic(inner: &Inner, state: &State, change: &Change) -> Option<String> {
    let Change::Drop { name, delete_topic: true, .. } = change else { return None };
    let topic = &state.catalog.source(name)?.topic;
    Some(format!("{:032x}", inner.log.describe_topic(topic).ok()?.id))
}

/// Makes a change; `is_live` is false while the command log is read.
pub(crate) fn apply(
    inner: &Arc<Inner>,
    state: &mut State,
    change: Change,
    command: &Logged,
    sequence: i64,
    start: Starts,
    is_live: bool,
) -> Result<String> {
    match change {
        Change::Source { planned } => {
            let wanted = ahead::source_topic(inner, &planned);
            let PlannedSource { source, .. } = *planned;
            want_topic(inner, state, &source.topic, wanted, is_live)?;
            let text = kind_text(source.kind);
            let name = source.name.clone();
            let materialise = is_kept(&source);
            state.catalog.put_source(source);
            if materialise {
                let id: Arc<str> = names::keeper(state, &name, sequence).into();
                let source = state.catalog.source(&name).expect("just put").clone();
                let plan = keeper_plan(&source);
                let query = new_query(&id, command, plan, vec![name], None, source.schema.clone());
                insert_query(inner, state, query, start, is_live)?;
            }
            Ok(format!("{text} created"))
        }
        Change::Persistent { planned, or_replace, .. } => {
            let id: Arc<str> = command.query_id.clone().unwrap_or_default().into();
            if let Some(mut source) = planned.creates.clone() {
                if or_replace
                    && let Some(old) = state.catalog.source(&source.name).and_then(|s| s.created_by.clone())
                {
                    // The new query goes on where the old one stopped; after a crash in between, the command
                    // log comes by here again.
                    hand_over(inner, &old, &id)?;
                    remove_query(inner, state, &old, true);
                }
                let wanted = ahead::sink_topic(inner, &planned, &source);
                want_topic(inner, state, &source.topic, wanted, is_live)?;
                source.created_by = Some(id.to_string());
                state.catalog.put_source(source);
            }
            let reads = planned.query.sources.iter().map(|s| s.name.clone()).collect();
            let sink = planned.plan.sink.as_ref().map(|s| (s.name.clone(), s.topic.clone()));
            let schema = result_schema(&planned.plan);
            if is_live && inner.commands.is_none() {
                keep_starts(inner, &id, &start)?;
            }
            let query = new_query(&id, command, planned.plan.clone(), reads, sink, schema);
            insert_query(inner, state, query, start, is_live)?;
            Ok(format!("Created query with ID {id}"))
        }
        Change::Drop { name, kind, delete_topic } => {
            let own = stop::of_source(state, &name);
            let source = state.catalog.remove_source(&name);
            for id in own {
                remove_query(inner, state, &id, is_live);
            }
            if let (true, true, Some(source)) = (delete_topic, is_live, source)
                && let Err(error) = inner.log.delete_topic(&source.topic)
            {
                tracing::warn!(topic = &*source.topic, %error, "topic not deleted");
            }
            Ok(format!("Source `{name}` ({}) was dropped.", kind_text(kind).to_uppercase()))
        }
        Change::Alter { source } => {
            let name = source.name.clone();
            let text = kind_text(source.kind);
            state.catalog.put_source(*source);
            Ok(format!("{text} {name} altered"))
        }
        Change::Type { name, data_type } => {
            state.catalog.put_type(name.clone(), data_type.clone());
            Ok(format!("Registered custom type with name '{name}' and SQL type {data_type}"))
        }
        Change::DropType { name } => {
            state.catalog.remove_type(&name);
            Ok(format!("Dropped type '{name}'"))
        }
        Change::Terminate { query } => {
            let ids = chosen(state, query.as_ref());
            for id in &ids {
                remove_query(inner, state, id, is_live);
            }
            Ok("Query terminated.".into())
        }
        Change::Pause { query, resume } => {
            // So that they stop, and go on, at the same place.
            let _hold = Hold::new(inner);
            for id in chosen(state, query.as_ref()) {
                let Some(query) = state.queries.get_mut(&id) else { continue };
                query.is_paused = !resume;
                for task in &query.tasks {
                    inner.send(task.worker, Command::Pause(vec![task.id], !resume))?;
                }
            }
            Ok(if resume { "Query resumed." } else { "Query paused." }.into())
        }
        Change::Nothing(message) => Ok(message),
    }
}

/// Makes a topic if it is not there; while the command log is read, when all of it is.
fn want_topic(
    inner: &Inner,
    state: &mut State,
    topic: &str,
    wanted: WantedTopic,
    is_live: bool,
) -> Result<()> {
    if is_live {
        inner.ensure_topic(topic, &wanted.spec, wanted.partitions, wanted.compact)?;
    } else {
        state.recovery.topics.insert(topic.to_owned(), wanted);
    }
    Ok(())
}

fn kind_text(kind: SourceKind) -> &'static str {
    if kind == SourceKind::Stream { "Stream" } else { "Table" }
}

fn chosen(state: &State, query: Option<&Arc<str>>) -> Vec<Arc<str>> {
    match query {
        Some(id) => vec![id.clone()],
        None => state.queries.values().filter(|q| q.sink.is_some()).map(|q| q.id.clone()).collect(),
    }
}

fn new_query(
    id: &Arc<str>,
    command: &Logged,
    plan: QueryPlan,
    reads: Vec<Arc<str>>,
    sink: Option<(Arc<str>, Arc<str>)>,
    schema: Schema,
) -> Query {
    Query {
        id: id.clone(),
        sql: command.statement.clone(),
        plan: Arc::new(plan),
        reads,
        sink,
        schema,
        properties: command.properties.clone(),
        tasks: vec![],
        start: Starts::new(),
        is_paused: false,
        error: Arc::default(),
        rates: Rates::default(),
    }
}

/// Whether the rows of a source are kept by a query of its own.
fn is_kept(source: &Source) -> bool {
    source.is_source && source.kind == SourceKind::Table
}

/// The plan of the query that keeps the rows of a source.
fn keeper_plan(source: &Source) -> QueryPlan {
    QueryPlan { root: plan::query::source_step(source), sink: None, limit: None }
}

fn result_schema(plan: &QueryPlan) -> Schema {
    let mut schema = Schema::default();
    for (name, data_type) in &plan.root.layout.key {
        schema = schema.with_key(name.clone(), data_type.clone());
    }
    for (name, data_type) in &plan.root.layout.value {
        schema = schema.with_value(name.clone(), data_type.clone());
    }
    schema
}

fn insert_query(
    inner: &Arc<Inner>,
    state: &mut State,
    mut query: Query,
    start: Starts,
    is_live: bool,
) -> Result<()> {
    let id = query.id.clone();
    query.start.clone_from(&start);
    state.queries.insert(id.clone(), query);
    if !is_live {
        state.recovery.starts.insert(id, start);
        return Ok(());
    }
    start_tasks(inner, state, &id, &start).map_err(|error| {
        // The statement is in the command log: what is here is what the next start finds.
        cannot_start(inner, state, &id, &error);
        let message = format!("query \"{id}\" is created and could not be started: {error}");
        EngineError { message, ..error }.hint(format!(
            "SHOW QUERIES tells whether it has started since; TERMINATE {} ends it",
            sql::quote(&id)
        ))
    })
}

/// The consumer group of a query, named as ksqlDB names it.
pub(crate) fn group(inner: &Inner, query_id: &str) -> String {
    format!("_confluent-ksql-{}query_{query_id}", inner.service_id)
}

/// The changelog topic of a query's group.
fn changelog(group: &str) -> String {
    format!("{group}-changelog")
}

fn ensure_sources(inner: &Inner, plan: &QueryPlan) -> Result<()> {
    for source in plan.root.sources() {
        inner.ensure_topic(&source.topic, &TopicSpec::default(), inner.default_partitions(), false)?;
    }
    Ok(())
}

/// The changelog topic of a query that keeps state, made if it is not there.
fn ensure_changelog(inner: &Inner, plan: &QueryPlan, group: &str) -> Result<Option<String>> {
    if !query::has_state(&plan.root) {
        return Ok(None);
    }
    let topic = changelog(group);
    if inner.log.describe_topic(&topic).is_err() {
        let tasks = query::divide(&inner.log, plan, inner.workers.len(), false)?.len() as u32;
        let mut settings = inner.topic_settings();
        settings.insert("cleanup.policy".into(), "compact".into());
        settings.insert("segment.bytes".into(), (64 << 20).to_string());
        inner.log.create_topic(&topic, tasks, &settings, now_ms()).map_err(log_error)?;
    }
    Ok(Some(topic))
}

/// Notes that a query could not be started.
pub(crate) fn cannot_start(inner: &Inner, state: &State, id: &Arc<str>, error: &EngineError) {
    tracing::error!(query = &**id, %error, "query could not be started");
    if let Some(query) = state.queries.get(id)
        && let Ok(mut place) = query.error.lock()
    {
        *place = Some(error.to_string());
    }
    if error.code == query::DISK_FULL {
        inner.stalled.wait_for_space(id);
    }
}

/// Sets up a query's tasks as they were committed last, and gives them to the workers.
pub(crate) fn start_tasks(
    inner: &Arc<Inner>,
    state: &mut State,
    id: &Arc<str>,
    start: &Starts,
) -> Result<()> {
    // Who starts queries has other things to do, too.
    guarded(|| set_up_tasks(inner, state, id, start)).unwrap_or_else(|place| {
        let message = format!("setting the query up has panicked at {place}, by a fault of the program");
        Err(EngineError::new(ErrorKind::Internal, "panicked", message))
    })
}

fn set_up_tasks(inner: &Arc<Inner>, state: &mut State, id: &Arc<str>, start: &Starts) -> Result<()> {
    let Some(query) = state.queries.get_mut(id) else { return Ok(()) };
    #[cfg(test)]
    {
        crate::hold::slow::pass(id);
        planted::go_off(id)?;
    }
    let plan = query.plan.clone();
    ensure_sources(inner, &plan)?;
    let group = group(inner, id);
    let changelog = ensure_changelog(inner, &plan, &group)?;
    let error = query.error.clone();
    let on_error = Arc::new(move |message: String| {
        if let Ok(mut place) = error.lock() {
            place.get_or_insert(message);
        }
    });
    let start = |partition: &Partition| {
        let key = (partition.topic().to_owned(), partition.partition());
        start.get(&key).copied().unwrap_or(0)
    };
    let settings = inner.settings.with(&query.properties)?;
    let is_table = plan.root.output == SourceKind::Table;
    let cache_bytes = settings.integer("cache.max.bytes.buffering") as usize;
    let tasks = query::build(
        &plan,
        &mut Setup {
            log: &inner.log,
            workers: inner.workers.len(),
            query_id: id.clone(),
            group,
            changelog,
            start: &start,
            until: &|_| None,
            next_id: &mut || inner.next_id(),
            on_error,
            fails_on_malformed: settings.boolean("ksql.fail.on.deserialization.error"),
            fails_on_bad_time: settings.boolean("ksql.timestamp.throw.on.invalid"),
            idle_max: Duration::from_millis(settings.integer("max.task.idle.ms").max(0) as u64),
            state: inner.state_setup(),
            holds_back: is_table && plan.sink.is_some() && cache_bytes > 0,
        },
        || query::topic_sink(&inner.log, &plan, cache_bytes),
        is_table,
    )?;
    let is_paused = query.is_paused;
    for task in tasks {
        let slot = &task.unit.tasks[0];
        query.tasks.push(TaskHandle {
            worker: task.worker,
            id: slot.id,
            statistics: slot.statistics.clone(),
        });
        // Not paused afterwards: it must not read a single record.
        let add = if is_paused { Command::AddPaused } else { Command::Add };
        inner.send(task.worker, add(Box::new(task.unit)))?;
    }
    Ok(())
}

/// Forgets a query that has stopped, with its positions and state.
fn remove_query(inner: &Arc<Inner>, state: &mut State, id: &str, is_live: bool) {
    state.recovery.starts.remove(id);
    let Some(query) = state.queries.remove(id) else { return };
    debug_assert!(query.tasks.is_empty(), "it has stopped");
    if let Some((name, _)) = &query.sink
        && let Some(source) = state.catalog.source(name)
        && source.created_by.as_deref() == Some(id)
    {
        let mut source = (**source).clone();
        source.created_by = None;
        state.catalog.put_source(source);
    }
    if !is_live {
        state.recovery.removed.push(id.to_owned());
        return;
    }
    forget_query(inner, id);
}

/// Forgets a query's positions and state.
pub(crate) fn forget_query(inner: &Inner, id: &str) {
    let group = group(inner, id);
    if !inner.log.committed_offsets(&group).is_empty() {
        let _ = inner.log.delete_group(&group);
    }
    let _ = inner.log.delete_topic(&changelog(&group));
    forget_snapshots(inner);
}

/// Removes the snapshots of changelogs that are gone.
pub(crate) fn forget_snapshots(inner: &Inner) {
    let topics: HashSet<u128> = inner.log.topics().into_iter().map(|topic| topic.id).collect();
    snapshot::sweep(&inner.state_dir, |id| topics.contains(&id));
}

/// The stream over the processing log, as ksqlDB makes it.
pub(crate) fn make_processing_log_stream(inner: &Arc<Inner>, state: &mut State) {
    if !inner.settings.boolean("ksql.logging.processing.stream.auto.create") {
        return;
    }
    let name = inner.settings.text("ksql.logging.processing.stream.name");
    let topic = processing_log_topic(&inner.settings, &inner.service_id);
    let text = format!(
        "CREATE STREAM {} ({}) WITH (KAFKA_TOPIC='{topic}', VALUE_FORMAT='JSON');",
        sql::quote(name),
        crate::worker::PROCESSING_LOG_COLUMNS
    );
    let planning = inner.settings.planning();
    let planner = Planner { catalog: &state.catalog, library: &inner.library, settings: &planning };
    let planned = match sql::parse_one(&text) {
        Ok(Parsed { statement: Statement::CreateSource(s), text, .. }) => planner.create_source(&s, &text),
        _ => return,
    };
    match planned {
        Ok(planned) => state.catalog.put_source(planned.source),
        Err(error) => tracing::error!(%error, "no stream over the processing log"),
    }
}

/// Where the stream, table, type or query stands that a statement is about.
fn named(statement: &Statement) -> Option<sql::Span> {
    Some(match statement {
        Statement::CreateSource(s) => s.name.span,
        Statement::CreateAs(s) => s.name.span,
        Statement::InsertInto(s) => s.target.span,
        Statement::AlterSource(s) => s.name.span,
        Statement::DropSource(s) => s.name.span,
        Statement::CreateType { name, .. } | Statement::DropType { name, .. } => name.span,
        Statement::Terminate { query } | Statement::Pause { query } | Statement::Resume { query } => {
            query.as_ref()?.span
        }
        _ => return None,
    })
}

fn warnings(parsed: &Parsed, settings: &Settings) -> Vec<String> {
    let properties = match &parsed.statement {
        Statement::CreateSource(s) => &s.properties,
        Statement::CreateAs(s) => &s.properties,
        _ => return vec![],
    };
    let has = |name: &str| properties.iter().any(|p| p.name.text.eq_ignore_ascii_case(name));
    let mut warnings = Vec::new();
    if has("REPLICAS") {
        warnings.push("REPLICAS has no effect: there is one node".to_owned());
    }
    let partitions = settings.text("ksql.sink.partitions");
    if !partitions.is_empty() && !has("PARTITIONS") && matches!(parsed.statement, Statement::CreateAs(_)) {
        warnings.push(format!(
            "\"ksql.sink.partitions\" is deprecated: write WITH (PARTITIONS={partitions}) in the statement"
        ));
    }
    warnings
}

/// An error of the planner with its place in the text.
pub(crate) fn from_plan(error: plan::PlanError, text: &str) -> EngineError {
    let mut found = EngineError::new(ErrorKind::User, error.code, error.message).at(text, error.span);
    found.hint = error.hint;
    found
}
