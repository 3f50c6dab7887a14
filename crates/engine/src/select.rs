//! SELECT: push queries, pull queries on tables, and reads of streams up to their present end.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use commitlog::Partition;
use plan::expr::{ColumnRef, ExprKind};
use plan::pull::{self, PullPlan};
use plan::query::Purpose;
use plan::statement::Planner;
use plan::step::{QueryPlan, StepKind};
use runtime::{Columns, Compiled, Row, ViewRow, compile};
use sql::{SourceKind, Statement};
use types::{ErrorKind, Value};

use crate::RunningQuery;
use crate::core::{Inner, PushQuery};
use crate::ddl;
use crate::entity::{ResultRow, ResultSchema};
use crate::error::{EngineError, Result};
use crate::last_rows::LastRows;
use crate::query::{self, Setup};
use crate::rows::{Channel, OfTombstone, RowClient, Rows};
use crate::session::Session;
use crate::settings::Settings;
use crate::worker::{Command, Sink};

/// Rows a pull query may give; more is an error that says so.
const PULL_ROWS_MAX: usize = 10_000_000;
/// How long a pull query waits for a worker.
const PULL_TIME: Duration = Duration::from_secs(60);

/// Starts the one SELECT of a text.
pub(crate) fn start(inner: &Arc<Inner>, text: &str, session: &Session) -> Result<RunningQuery> {
    let text = crate::statement::substituted(inner, text, session)?;
    let parsed = sql::parse_one(&text).map_err(|e| crate::statement::from_sql(&e, &text))?;
    let Statement::Query(query) = &parsed.statement else {
        return Err(EngineError::user("not_a_query", "the statement is not a SELECT")
            .hint("other statements go to \"/ksql\""));
    };
    let settings = inner.settings.with(&session.properties)?;
    let mut query = query.clone();
    if query.emit.is_none() && settings.boolean("tripline.legacy.queries") {
        query.emit = Some(sql::Emit::Changes);
    }
    let query = &query;
    let planning = settings.planning();
    let catalog = inner.state().catalog.clone();
    let planner = Planner { catalog: &catalog, library: &inner.library, settings: &planning };
    let at = |e: plan::PlanError| ddl::from_plan(e, &text);
    let first = planner.source(&query.from.source.name).map_err(at)?;
    if query.emit.is_none() && pull::is_simple(query) && first.kind == SourceKind::Table {
        let fold = |expr: &plan::expr::Expr| compile(expr).eval(&NO_ROW).ok();
        let plan = planner.pull(query, &fold).map_err(at)?;
        check_scan(&plan, &settings)?;
        return pull_table(inner, plan);
    }
    let planned = planner.query(query, Purpose::Transient).map_err(at)?;
    let columns = planned.root.layout.value.clone();
    let text_schema =
        columns.iter().map(|(n, t)| format!("`{}` {t}", n.replace('`', "``"))).collect::<Vec<_>>().join(", ");
    let schema = ResultSchema { columns, text: text_schema };
    let is_push = query.emit.is_some();
    let reads_latest = is_push && settings.text("auto.offset.reset").eq_ignore_ascii_case("latest");
    let plan = QueryPlan { root: planned.root, sink: None, limit: planned.limit };
    let id = format!("transient_{}_{}", planned.sources[0].name, inner.next_id());
    let rows = stream(inner, &id, &plan, &parsed.text, is_push, reads_latest, &schema)?;
    let notice = reads_latest.then(|| {
        "reads new records only; SET 'auto.offset.reset'='earliest'; shows the records already there"
            .to_owned()
    });
    Ok(RunningQuery { id, schema, is_push, is_lookup: false, notice, rows })
}

/// What an expression without columns is computed on.
const NO_ROW: Row<'static> =
    Row { key: &[], columns: Columns::Values(&[]), rowtime: 0, partition: 0, offset: 0, window: None };

/// Whether the settings allow a pull query to go through as many rows as this one does.
fn check_scan(plan: &PullPlan, settings: &Settings) -> Result<()> {
    let is_range = plan.has_key_range && settings.boolean("ksql.query.pull.range.scan.enabled");
    if plan.keys.is_some() || is_range || settings.boolean("ksql.query.pull.table.scan.enabled") {
        return Ok(());
    }
    Err(EngineError::user("scan_disabled", "the query would go through the whole table")
        .hint("look up by key, or set ksql.query.pull.table.scan.enabled to true"))
}

/// Rows of a plan as they come; until the present end unless it is a push query.
fn stream(
    inner: &Arc<Inner>,
    id: &str,
    plan: &QueryPlan,
    text: &str,
    is_push: bool,
    reads_latest: bool,
    schema: &ResultSchema,
) -> Result<Rows> {
    for source in plan.root.sources() {
        inner.ensure_topic(&source.topic, &Default::default(), inner.default_partitions(), false)?;
    }
    let channel = Arc::new(Channel::default());
    let mut state = inner.state();
    if is_push {
        let limit = inner.settings.integer("ksql.max.push.queries");
        if state.pushes.len() as i64 >= limit {
            return Err(EngineError::user(
                "too_many_push_queries",
                format!("there are {limit} push queries already"),
            )
            .hint("close some, or raise ksql.max.push.queries"));
        }
    }
    let kinds: BTreeMap<String, SourceKind> =
        plan.root.sources().iter().map(|s| (s.topic.to_string(), s.kind)).collect();
    let start = |partition: &Partition| {
        let is_table = kinds.get(partition.topic()) == Some(&SourceKind::Table);
        if reads_latest && !is_table { partition.offsets().last_stable } else { 0 }
    };
    let failing = channel.clone();
    let tasks = query::build(
        plan,
        &mut Setup {
            log: &inner.log,
            workers: inner.workers.len(),
            query_id: id.into(),
            group: String::new(),
            changelog: None,
            start: &start,
            until: &|partition| (!is_push).then(|| partition.offsets().last_stable),
            next_id: &mut || inner.next_id(),
            on_error: Arc::new(move |message| {
                failing.fail(EngineError::new(ErrorKind::Internal, "query_failed", message));
            }),
            fails_on_malformed: false,
            fails_on_bad_time: false,
            idle_max: Duration::ZERO,
            state: inner.state_setup(),
            holds_back: false,
        },
        || {
            let is_table = plan.root.output == SourceKind::Table;
            if is_table && !is_push {
                return Ok(Sink::Client(Box::new(LastRows::new(channel.clone()))));
            }
            Ok(Sink::Client(Box::new(RowClient {
                channel: channel.clone(),
                rows: vec![],
                of_tombstone: of_tombstone(plan, schema.columns.len()),
                is_table,
            })))
        },
        false,
    )?;
    for task in tasks {
        inner.send(task.worker, Command::Add(Box::new(task.unit)))?;
    }
    state.pushes.insert(id.to_owned(), PushQuery { sql: text.to_owned(), channel: channel.clone() });
    drop(state);
    let (weak, id) = (Arc::downgrade(inner), id.to_owned());
    let forget = Box::new(move || {
        if let Some(inner) = weak.upgrade() {
            inner.state().pushes.remove(&id);
            inner.log.notifier().nudge();
        }
    });
    Ok(Rows::new(channel, plan.limit, Some(forget)))
}

/// What is known of each column of a plan's result when its row is deleted: what it takes from the key.
fn of_tombstone(plan: &QueryPlan, columns: usize) -> Vec<OfTombstone> {
    let mut known = vec![OfTombstone::Nothing; columns];
    if let StepKind::Map { key: None, value, .. } = &plan.root.kind {
        for (known, expr) in known.iter_mut().zip(value) {
            *known = match expr.kind {
                ExprKind::Column(ColumnRef::Key(n)) => OfTombstone::Key(n),
                ExprKind::Column(ColumnRef::WindowStart) => OfTombstone::WindowStart,
                ExprKind::Column(ColumnRef::WindowEnd) => OfTombstone::WindowEnd,
                _ => OfTombstone::Nothing,
            };
        }
    }
    known
}

/// What is computed for each row found.
struct Lookup {
    keys: Option<Vec<Vec<Value>>>,
    window_start: (i64, i64),
    filter: Option<Compiled>,
    columns: Vec<Compiled>,
    limit: Option<usize>,
}

fn pull_table(inner: &Arc<Inner>, plan: PullPlan) -> Result<RunningQuery> {
    let state = inner.state();
    let keeper = state.queries.values().find(|q| match &q.sink {
        Some((name, _)) => *name == plan.source.name && plan.source.created_by.as_deref() == Some(&*q.id),
        None => plan.source.is_source && q.reads == [plan.source.name.clone()],
    });
    let Some(keeper) = keeper else {
        return Err(EngineError::user(
            "not_materialized",
            format!("\"{}\" cannot be looked into: it is not kept as a table", plan.source.name),
        )
        .hint(format!(
            "add EMIT CHANGES, or make CREATE TABLE copy AS SELECT * FROM {}, or declare it CREATE SOURCE TABLE",
            sql::quote(&plan.source.name)
        )));
    };
    let tasks: Vec<_> = keeper.tasks.clone();
    drop(state);
    let windowed = plan.source.window.is_some();
    let schema = pull_schema(&plan);
    let rows_channel = Arc::new(Channel::default());
    let limit = plan.limit;
    let (sender, receiver) = channel();
    let count = tasks.len();
    for task in tasks {
        let lookup = Lookup {
            keys: plan.keys.clone(),
            window_start: plan.window_start,
            filter: plan.filter.as_ref().map(compile),
            columns: plan.columns.iter().map(|c| compile(&c.expr)).collect(),
            limit: limit.map(|n| n as usize),
        };
        let sender = sender.clone();
        inner.send(
            task.worker,
            Command::Visit(
                task.id,
                Box::new(move |task| {
                    let _ = sender.send(look_up(task, &lookup, windowed));
                }),
            ),
        )?;
    }
    drop(sender);
    let mut all = Vec::new();
    for _ in 0..count {
        match receiver.recv_timeout(PULL_TIME) {
            Ok(Ok(rows)) => all.extend(rows),
            Ok(Err(message)) => return Err(EngineError::new(ErrorKind::Data, "pull_failed", message)),
            Err(_) => {
                return Err(EngineError::new(
                    ErrorKind::External,
                    "pull_timeout",
                    "the table's worker did not answer in time",
                ));
            }
        }
    }
    all.sort_unstable();
    all.truncate(limit.map_or(usize::MAX, |n| n as usize));
    rows_channel.push(all.into_iter().map(|found: Found| found.row));
    rows_channel.end();
    Ok(RunningQuery {
        id: format!("pull_{}", inner.next_id()),
        schema,
        is_push: false,
        is_lookup: true,
        notice: None,
        rows: Rows::new(rows_channel, None, None),
    })
}

fn pull_schema(plan: &PullPlan) -> ResultSchema {
    let columns: Vec<_> = plan
        .columns
        .iter()
        .map(|c| (c.name.clone(), c.expr.data_type.clone().unwrap_or(types::DataType::String)))
        .collect();
    let text = plan
        .columns
        .iter()
        .zip(&columns)
        .map(|(c, (name, data_type))| {
            let is_key = c.is_key
                || matches!(c.expr.kind, ExprKind::Column(ColumnRef::WindowStart | ColumnRef::WindowEnd));
            format!("`{}` {data_type}{}", name.replace('`', "``"), if is_key { " KEY" } else { "" })
        })
        .collect::<Vec<_>>()
        .join(", ");
    ResultSchema { columns, text }
}

/// A row found, with where it stands in the table.
struct Found {
    place: (Vec<Value>, Option<(i64, i64)>),
    row: ResultRow,
}

impl Ord for Found {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place.cmp(&other.place)
    }
}

impl PartialOrd for Found {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Found {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place
    }
}

impl Eq for Found {}

/// The first rows of a table in the order of their keys, and of the windows of a key.
struct FirstRows<'a> {
    lookup: &'a Lookup,
    /// The last one on top.
    rows: BinaryHeap<Found>,
    failed: Option<String>,
}

impl FirstRows<'_> {
    /// Takes a row if it is among the first; false when something failed.
    fn take(&mut self, found: ViewRow) -> bool {
        let limit = self.lookup.limit.unwrap_or(usize::MAX);
        match result_row(&found, self.lookup) {
            Ok(Some(row)) => {
                self.rows.push(Found { place: (found.key, found.window), row });
                if self.rows.len() > limit {
                    self.rows.pop();
                }
                if self.rows.len() > PULL_ROWS_MAX {
                    self.failed = Some(format!(
                        "the result has more than {PULL_ROWS_MAX} rows; add LIMIT or a condition"
                    ));
                }
            }
            Ok(None) => {}
            Err(error) => self.failed = Some(error),
        }
        self.failed.is_none()
    }
}

fn look_up(task: &mut runtime::Task, lookup: &Lookup, windowed: bool) -> Result<Vec<Found>, String> {
    let mut first = FirstRows { lookup, rows: BinaryHeap::new(), failed: None };
    let Some(mut view) = task.materialized() else { return Err("the query keeps no table".into()) };
    let (from, to) = lookup.window_start;
    let all = i64::MIN..=i64::MAX;
    match &lookup.keys {
        None => view
            .for_each(&mut |row| {
                let outside = row.window.is_some_and(|(start, _)| start < from || start > to);
                outside || first.take(row)
            })
            .map_err(|e| e.to_string())?,
        Some(keys) => {
            for key in keys {
                let found = match windowed {
                    true => view.windows(key, from..=to, all.clone()),
                    false => view.get(key).map(|row| row.into_iter().collect()),
                };
                if !found.map_err(|e| e.to_string())?.into_iter().all(|row| first.take(row)) {
                    break;
                }
            }
        }
    }
    match first.failed {
        Some(error) => Err(error),
        None => Ok(first.rows.into_vec()),
    }
}

fn result_row(found: &ViewRow, lookup: &Lookup) -> Result<Option<ResultRow>, String> {
    let row = Row {
        key: &found.key,
        columns: Columns::Values(&found.value),
        rowtime: found.timestamp,
        partition: 0,
        offset: 0,
        window: found.window,
    };
    if let Some(filter) = &lookup.filter
        && !filter.test(&row).map_err(|e| e.to_string())?
    {
        return Ok(None);
    }
    let values =
        lookup.columns.iter().map(|c| c.eval(&row).map_err(|e| e.to_string())).collect::<Result<_, _>>()?;
    Ok(Some(ResultRow { values, is_tombstone: false }))
}
