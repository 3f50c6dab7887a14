//! What a statement needs, checked and made before it is written to the command log.
//!
//! What stands there is executed at every start. A statement that failed only while it is carried out would be refused
//! now and take effect then; so all that may fail comes first. What is left of a statement that did not get as far as the
//! command log is an empty topic.

use std::sync::Arc;

use commitlog::{LogError, PARTITIONS_MAX, TopicConfig, check_topic_name};
use plan::catalog::Source;
use plan::statement::{PlannedPersistent, PlannedSource, TopicSpec};
use plan::step::QueryPlan;
use sql::{SourceKind, Span, Statement};

use super::{Change, changelog, ensure_changelog, group, is_kept, keeper_plan, names};
use crate::core::{Inner, State};
use crate::error::{EngineError, Result};
use crate::positions::hand_over;
use crate::query::{self, log_error};
use crate::recovery::WantedTopic;
use crate::settings::Settings;

/// Characters of a name that an error shows.
const SHOWN_MAX: usize = 249;

/// What carrying out a change takes.
#[derive(Default)]
pub(super) struct Needs {
    topic: Option<(Arc<str>, WantedTopic)>,
    query: Option<NewQuery>,
}

/// A query that is about to be started.
struct NewQuery {
    id: String,
    plan: QueryPlan,
    /// The query whose place it takes.
    replaces: Option<String>,
}

impl Needs {
    pub fn of(inner: &Inner, state: &State, change: &Change, query_id: Option<&str>, sequence: i64) -> Self {
        match change {
            Change::Source { planned } => {
                let source = &planned.source;
                let keeper = is_kept(source).then(|| NewQuery {
                    id: names::keeper(state, &source.name, sequence),
                    plan: keeper_plan(source),
                    replaces: None,
                });
                Self { topic: Some((source.topic.clone(), source_topic(inner, planned))), query: keeper }
            }
            Change::Persistent { planned, or_replace, .. } => {
                let topic = match (&planned.creates, &planned.plan.sink) {
                    (Some(source), _) => Some((source.topic.clone(), sink_topic(inner, planned, source))),
                    // That of a stream may have been deleted.
                    (None, Some(sink)) => Some((sink.topic.clone(), usual_topic(inner))),
                    (None, None) => None,
                };
                let replaces = planned.creates.as_ref().filter(|_| *or_replace).and_then(|source| {
                    state.catalog.source(&source.name).and_then(|old| old.created_by.clone())
                });
                let id = query_id.unwrap_or_default().to_owned();
                Self { topic, query: Some(NewQuery { id, plan: planned.plan.clone(), replaces }) }
            }
            _ => Self::default(),
        }
    }
}

/// The topic of CREATE STREAM or TABLE with columns.
pub(super) fn source_topic(inner: &Inner, planned: &PlannedSource) -> WantedTopic {
    WantedTopic { spec: planned.topic.clone(), ..usual_topic(inner) }
}

/// The topic of CREATE … AS SELECT: with as many partitions as what it reads first.
pub(super) fn sink_topic(inner: &Inner, planned: &PlannedPersistent, sink: &Source) -> WantedTopic {
    let first = planned.query.sources.first();
    let inherited = first.and_then(|source| inner.log.describe_topic(&source.topic).ok());
    WantedTopic {
        spec: planned.topic.clone(),
        partitions: inherited.map_or(inner.default_partitions(), |topic| topic.partitions),
        compact: sink.kind == SourceKind::Table && sink.window.is_none(),
    }
}

fn usual_topic(inner: &Inner) -> WantedTopic {
    WantedTopic { spec: TopicSpec::default(), partitions: inner.default_partitions(), compact: false }
}

/// Checks what can be known without making anything.
pub(super) fn check(
    inner: &Inner,
    needs: &Needs,
    settings: &Settings,
    (statement, text): (&Statement, &str),
) -> Result<()> {
    let at = |error: EngineError, property| error.at(text, property_span(statement, property));
    if let Some((name, wanted)) = &needs.topic {
        check_topic(inner, name, wanted, settings).map_err(|(error, property)| at(error, property))?;
    }
    if let Some(new) = &needs.query {
        check_id(inner, &new.id, property_span(statement, "QUERY_ID").is_some())
            .map_err(|error| at(error, "QUERY_ID"))?;
        query::check(&new.plan, inner.state_setup(), new.plan.root.output == SourceKind::Table)?;
    }
    Ok(())
}

/// Whether a topic can be made, if it is not there; an error goes with the property that it is about.
fn check_topic(
    inner: &Inner,
    name: &str,
    wanted: &WantedTopic,
    settings: &Settings,
) -> Result<(), (EngineError, &'static str)> {
    inner.check_topic(name, &wanted.spec).map_err(|error| (error, "PARTITIONS"))?;
    if inner.log.describe_topic(name).is_ok() {
        return Ok(());
    }
    check_topic_name(name)
        .map_err(|error| (log_error(error).hint("name the topic with KAFKA_TOPIC"), "KAFKA_TOPIC"))?;
    let partitions = wanted.spec.partitions.unwrap_or(wanted.partitions);
    if !(1..=PARTITIONS_MAX).contains(&partitions) {
        let message = format!("topic \"{name}\" cannot have {partitions} partitions");
        let of = match settings.text("ksql.sink.partitions") {
            given if given.parse() == Ok(partitions) => "PARTITIONS and \"ksql.sink.partitions\" are",
            _ => "PARTITIONS is",
        };
        let error = EngineError::user("bad_topic_setting", message);
        return Err((error.hint(format!("{of} from 1 to {PARTITIONS_MAX}")), "PARTITIONS"));
    }
    TopicConfig::from_settings(&inner.settings_of(&wanted.spec, wanted.compact)).map(drop).map_err(|error| {
        let property = match &error {
            LogError::Config { name, .. } if name == "cleanup.policy" => "CLEANUP_POLICY",
            _ => "RETENTION_MS",
        };
        (log_error(error), property)
    })
}

/// Whether a query's id can be part of a topic's name.
fn check_id(inner: &Inner, id: &str, is_given: bool) -> Result<()> {
    let refused = |reason: String| {
        let shown: String = id.chars().take(SHOWN_MAX).collect();
        EngineError::user("bad_query_id", format!("query id \"{shown}\" cannot be used: {reason}"))
    };
    if id.is_empty() {
        return Err(refused("it is empty".to_owned()).hint("leave QUERY_ID out, or give one"));
    }
    check_topic_name(&changelog(&group(inner, id))).map_err(|error| {
        refused(error.to_string()).hint(match is_given {
            true => "leave QUERY_ID out, or give one that can be part of that name",
            false => "give the stream or table a shorter name",
        })
    })
}

/// Where a property of the WITH clause stands.
fn property_span(statement: &Statement, name: &str) -> Option<Span> {
    let properties = match statement {
        Statement::CreateSource(s) => &s.properties,
        Statement::CreateAs(s) => &s.properties,
        Statement::InsertInto(s) => &s.properties,
        _ => return None,
    };
    properties.iter().find(|property| property.name.text.eq_ignore_ascii_case(name)).map(|found| found.span)
}

/// Makes the topics, and gives a query the positions of the one that it replaces and that has stopped.
pub(super) fn make(inner: &Inner, needs: &Needs) -> Result<()> {
    if let Some((name, wanted)) = &needs.topic {
        inner.ensure_topic(name, &wanted.spec, wanted.partitions, wanted.compact)?;
    }
    // Without a command log the statements, and what their queries keep, are those of the last start.
    let Some(new) = needs.query.as_ref().filter(|_| inner.commands.is_some()) else { return Ok(()) };
    forget_remains(inner, &new.id)?;
    if let Some(old) = &new.replaces {
        hand_over(inner, old, &new.id)?;
    }
    ensure_changelog(inner, &new.plan, &group(inner, &new.id)).map(drop)
}

/// Forgets what is left under a query's id: of a query that could not be forgotten, or of a statement that did not get
/// into the command log.
pub(super) fn forget_remains(inner: &Inner, id: &str) -> Result<()> {
    let group = group(inner, id);
    if !inner.log.committed_offsets(&group).is_empty() {
        inner.log.delete_group(&group).map_err(log_error)?;
    }
    let changelog = changelog(&group);
    if inner.log.describe_topic(&changelog).is_ok() {
        inner.log.delete_topic(&changelog).map_err(log_error)?;
    }
    Ok(())
}
