//! Answers to statements as ksqlDB's REST entities.

use engine::{CommandStatus, Entity, QueryDescription, QueryInfo, QueryState, SourceDescription, Statistics};
use plan::catalog::Source;
use plan::step::WindowInfo;
use sql::{SourceKind, TypeName};
use types::DataType;
use types::java_time::format_iso_timestamp;

use crate::json::{self, Members};
use crate::type_json;

/// The entity of one answer; `statement` is already masked.
pub fn entity(entity: &Entity, statement: &str) -> Vec<u8> {
    json::object(|o| {
        o.text("@type", type_tag(entity));
        o.text("statementText", statement);
        content(o, entity);
        match entity {
            Entity::Status(status) => warnings(o, &status.warnings),
            _ => warnings(o, &[]),
        }
    })
}

fn type_tag(entity: &Entity) -> &'static str {
    match entity {
        Entity::Status(_) => "currentStatus",
        Entity::Sources(list) => match list.kind {
            SourceKind::Stream => "streams",
            SourceKind::Table => "tables",
        },
        Entity::Topics { extended: false, .. } => "kafka_topics",
        Entity::Topics { extended: true, .. } => "kafka_topics_extended",
        Entity::Queries(_) => "queries",
        Entity::QueryDescriptions(_) => "query_descriptions",
        Entity::Explain(_) => "queryDescription",
        Entity::Description(_) => "sourceDescription",
        Entity::Descriptions(_) => "source_descriptions",
        Entity::Functions(_) => "function_names",
        Entity::Function(_) => "describe_function",
        Entity::Types(_) => "type_list",
        Entity::Properties(_) => "properties",
        Entity::Variables(_) => "variables",
        Entity::AssertTopic { .. } => "assert_topic",
        Entity::QueryStatus { .. } => "terminate_query",
        Entity::Warning(_) => "warning_entity",
    }
}

fn content(o: &mut Members<'_>, entity: &Entity) {
    match entity {
        Entity::Status(status) => {
            o.text("commandId", &status.command_id);
            o.object("commandStatus", |o| command_status(o, status));
            o.plain("commandSequenceNumber", status.sequence);
        }
        Entity::Sources(list) => {
            let (name, kind) = match list.kind {
                SourceKind::Stream => ("streams", "STREAM"),
                SourceKind::Table => ("tables", "TABLE"),
            };
            o.objects(name, &list.sources, |o, source| {
                o.text("type", kind);
                o.text("name", &source.name);
                o.text("topic", &source.topic);
                o.text("keyFormat", &source.key_format);
                o.text("valueFormat", &source.value_format);
                o.plain("isWindowed", source.is_windowed);
            });
        }
        Entity::Topics { extended, topics } => o.objects("topics", topics, |o, topic| {
            o.text("name", &topic.name);
            json::push_list(o.name("replicaInfo"), &topic.replicas, json::push_display);
            if *extended {
                o.plain("consumerCount", topic.consumers);
                o.plain("consumerGroupCount", topic.groups);
            }
        }),
        Entity::Queries(queries) => o.objects("queries", queries, query),
        Entity::QueryDescriptions(queries) => o.objects("queryDescriptions", queries, query_description),
        Entity::Explain(query) => o.object("queryDescription", |o| query_description(o, query)),
        Entity::Description(source) => o.object("sourceDescription", |o| source_description(o, source)),
        Entity::Descriptions(sources) => o.objects("sourceDescriptions", sources, source_description),
        Entity::Functions(functions) => o.objects("functions", functions, |o, function| {
            o.text("name", &function.name);
            o.text("type", &function.kind);
            o.text("category", &function.category);
        }),
        Entity::Function(function) => function_description(o, function),
        Entity::Types(types) => o.object("types", |o| {
            for (name, text) in types {
                push_type_text(o.name(name), text);
            }
        }),
        Entity::Properties(properties) => {
            o.objects("properties", properties, |o, property| {
                o.text("name", &property.name);
                o.text("scope", property.scope);
                o.text("value", &property.value);
                o.text("level", if property.origin == "session" { "QUERY" } else { "SERVER" });
                o.text("origin", &property.origin);
                o.text("description", property.description);
            });
            let named = |origin: &'static str| {
                properties.iter().filter(move |p| p.origin == origin).map(|p| p.name.as_str())
            };
            o.texts("overwrittenProperties", named("session"));
            o.texts("defaultProperties", named("default"));
        }
        Entity::Variables(variables) => o.objects("variables", variables, |o, (name, value)| {
            o.text("name", name);
            o.text("value", value);
        }),
        Entity::AssertTopic { topic, exists } => {
            o.text("topicName", topic);
            o.plain("exists", exists);
        }
        Entity::QueryStatus { query_id, message } => {
            o.text("queryId", query_id);
            o.plain("wasTerminated", true);
            o.text("message", message);
        }
        Entity::Warning(message) => o.text("message", message),
    }
}

/// `{status, message, queryId}`, also of `/status`.
pub fn command_status(o: &mut Members<'_>, status: &CommandStatus) {
    o.text("status", "SUCCESS");
    o.text("message", &status.message);
    o.text_or_null("queryId", status.query_id.as_deref());
}

fn warnings(o: &mut Members<'_>, warnings: &[String]) {
    o.objects("warnings", warnings, |o, warning| o.text("message", warning));
}

fn state_name(state: QueryState) -> &'static str {
    match state {
        QueryState::Running => "RUNNING",
        QueryState::Paused => "PAUSED",
        QueryState::Error => "ERROR",
    }
}

fn query(o: &mut Members<'_>, query: &QueryInfo) {
    let state = state_name(query.state);
    o.text("queryString", &sql::mask(&query.sql));
    o.texts("sinks", &query.sink);
    o.texts("sinkKafkaTopics", &query.sink_topic);
    o.text("id", &query.id);
    o.object("statusCount", |o| o.plain(state, 1));
    o.text("queryType", query.kind);
    o.text("state", state);
    if let Some(error) = &query.error {
        o.text("error", error);
    }
    o.object("metrics", |o| statistics(o, &query.statistics));
}

/// Unlike ksqlDB, which has a text here only, the numbers are there as numbers too.
fn statistics(o: &mut Members<'_>, statistics: &Statistics) {
    o.plain("consumed", statistics.consumed);
    o.plain("produced", statistics.produced);
    o.plain("errors", statistics.errors);
    o.plain("late", statistics.late);
    match statistics.last_message_ms {
        Some(ms) => o.plain("lastMessageMs", ms),
        None => o.null("lastMessageMs"),
    }
    for (name, rate) in [
        ("consumedPerSecond", statistics.consumed_per_second),
        ("producedPerSecond", statistics.produced_per_second),
    ] {
        json::push_value(o.name(name), &types::Value::Double(rate), &DataType::Double);
    }
    o.plain("stateBytes", statistics.state_bytes);
}

fn query_description(o: &mut Members<'_>, description: &QueryDescription) {
    let info = &description.info;
    let state = state_name(info.state);
    o.text("id", &info.id);
    o.text("statementText", &sql::mask(&info.sql));
    o.null("windowType");
    o.objects("fields", &description.schema.columns, type_json::column);
    o.texts("sources", &description.sources);
    o.texts("sinks", &info.sink);
    o.text("topology", "");
    o.text("executionPlan", &description.plan);
    o.object("overriddenProperties", |o| {
        for (name, value) in &description.overrides {
            o.text(name, value);
        }
    });
    o.object("ksqlHostQueryStatus", |_| {});
    o.text("queryType", info.kind);
    o.objects("queryErrors", &info.error, |o, error| {
        o.text("errorMessage", error);
        o.text("type", "SYSTEM");
    });
    o.objects("tasksMetadata", None::<()>, |_, ()| {});
    o.text("state", state);
    o.object("metrics", |o| statistics(o, &info.statistics));
}

fn source_description(o: &mut Members<'_>, description: &SourceDescription) {
    let source: &Source = &description.source;
    o.text("name", &source.name);
    let window = source.window.map(|window| match window {
        WindowInfo::Time { .. } => "TUMBLING",
        WindowInfo::Session => "SESSION",
    });
    o.text_or_null("windowType", window);
    o.objects("readQueries", &description.readers, query);
    o.objects("writeQueries", &description.writers, query);
    o.objects("fields", &source.schema.columns, type_json::column);
    o.text(
        "type",
        match source.kind {
            SourceKind::Stream => "STREAM",
            SourceKind::Table => "TABLE",
        },
    );
    o.text("timestamp", source.timestamp.as_ref().map_or("", |timestamp| &timestamp.column));
    o.text("statistics", &statistics_text(description));
    o.text("errorStats", &errors_text(&description.statistics));
    o.plain("extended", description.extended);
    o.text("keyFormat", &source.key_format.name);
    o.text("valueFormat", &source.value_format.name);
    o.text("topic", &source.topic);
    o.plain("partitions", description.partitions);
    o.plain("replication", 1);
    o.text("statement", &sql::mask(&source.sql));
    o.objects("queryOffsetSummaries", &description.groups, |o, group| {
        o.text("groupId", &group.group);
        o.objects("topicSummaries", [()], |o, ()| {
            o.text("kafkaTopic", &source.topic);
            o.objects("offsets", &group.offsets, |o, (partition, start, end, consumed)| {
                o.plain("partition", partition);
                o.plain("logStartOffset", start);
                o.plain("logEndOffset", end);
                o.plain("consumerOffset", consumed);
            });
        });
    });
    o.texts("sourceConstraints", &description.constraints);
    o.objects("clusterStatistics", None::<()>, |_, ()| {});
    o.objects("clusterErrorStats", None::<()>, |_, ()| {});
    o.object("metrics", |o| statistics(o, &description.statistics));
}

/// ksqlDB's own line of text, for clients that show it: of a result what was written, else what was read.
fn statistics_text(description: &SourceDescription) -> String {
    let statistics = &description.statistics;
    if description.writers.is_empty() && description.readers.is_empty() {
        return String::new();
    }
    let last = statistics.last_message_ms.map_or("n/a".into(), format_iso_timestamp);
    if description.writers.is_empty() {
        return format!(
            "consumer-messages-per-sec: {:9.2} consumer-total-messages: {:9}     last-message: {last}",
            statistics.consumed_per_second, statistics.consumed
        );
    }
    format!(
        "messages-per-sec: {:9.2}   total-messages: {:9}     last-message: {last}",
        statistics.produced_per_second, statistics.produced
    )
}

fn errors_text(statistics: &Statistics) -> String {
    let mut text = Vec::new();
    if statistics.errors > 0 {
        text.push(format!("total-errors: {:9}", statistics.errors));
    }
    if statistics.late > 0 {
        text.push(format!("total-late: {:9}", statistics.late));
    }
    text.join("   ")
}

fn function_description(o: &mut Members<'_>, function: &functions::FunctionDoc) {
    o.text("name", function.name);
    o.text("description", function.description);
    o.text("author", "");
    o.text("version", "");
    o.text("path", "internal");
    o.objects("functions", &function.signatures, |o, signature| {
        let (arguments, returns) = signature.rsplit_once('→').unwrap_or((signature, ""));
        let arguments = arguments.trim();
        let arguments = arguments.strip_prefix('(').unwrap_or(arguments);
        let arguments = arguments.strip_suffix(')').unwrap_or(arguments);
        o.objects("argumentTypes", None::<()>, |_, ()| {});
        o.objects("arguments", split_arguments(arguments), |o, argument| {
            o.text("name", "");
            o.text("type", argument);
            o.text("description", "");
        });
        o.text("returnType", returns.trim());
        o.text("description", "");
        o.text("signature", signature);
    });
    o.text("type", function.kind);
    o.text("category", function.category);
}

/// Cuts at the commas outside of brackets.
fn split_arguments(text: &str) -> Vec<&str> {
    let mut arguments = Vec::new();
    let (mut depth, mut start) = (0_i32, 0);
    for (i, c) in text.char_indices() {
        match c {
            '<' | '(' => depth += 1,
            '>' | ')' => depth -= 1,
            ',' if depth == 0 => {
                arguments.push(text[start..i].trim());
                start = i + 1;
            }
            _ => {}
        }
    }
    arguments.push(text[start..].trim());
    arguments.retain(|argument| !argument.is_empty());
    arguments
}

/// A type given as SQL text; what does not read as a type is given as its text.
fn push_type_text(out: &mut Vec<u8>, text: &str) {
    match sql::parse_type(text).ok().as_ref().and_then(plain_type) {
        Some(data_type) => type_json::push_type(out, &data_type),
        None => json::push_object(out, |o| {
            o.text("type", text);
            o.null("fields");
            o.null("memberSchema");
        }),
    }
}

fn plain_type(name: &TypeName) -> Option<DataType> {
    Some(match name {
        TypeName::Builtin(data_type) => data_type.clone(),
        TypeName::Array(item) => DataType::array(plain_type(item)?),
        TypeName::Map(key, value) => DataType::map(plain_type(key)?, plain_type(value)?),
        TypeName::Struct(fields) => {
            let fields = fields.iter().map(|(name, field)| Some((name.text.clone(), plain_type(field)?)));
            DataType::structure(fields.collect::<Option<Vec<_>>>()?)
        }
        TypeName::Custom(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(answer: &Entity) -> serde_json::Value {
        serde_json::from_slice(&entity(answer, "X;")).unwrap()
    }

    #[test]
    fn status_is_ksqldbs_current_status() {
        let status = CommandStatus {
            command_id: "stream/`S`/create".into(),
            sequence: 4,
            message: "Stream created".into(),
            query_id: None,
            warnings: vec!["w".into()],
        };
        let json = String::from_utf8(entity(&Entity::Status(status), "CREATE STREAM S;")).unwrap();
        assert_eq!(
            json,
            r#"{"@type":"currentStatus","statementText":"CREATE STREAM S;","commandId":"stream/`S`/create","commandStatus":{"status":"SUCCESS","message":"Stream created","queryId":null},"commandSequenceNumber":4,"warnings":[{"message":"w"}]}"#
        );
    }

    #[test]
    fn types_are_described_by_their_parts() {
        let types = vec![("ADDRESS".into(), "STRUCT<A INT, B ARRAY<STRING>>".into())];
        let json = written(&Entity::Types(types));
        let fields = &json["types"]["ADDRESS"]["fields"];
        assert_eq!(fields[1]["schema"]["memberSchema"]["type"], "STRING");
    }

    #[test]
    fn function_signatures_are_taken_apart() {
        let doc = functions::FunctionDoc {
            name: "F",
            kind: "SCALAR",
            category: "MAP",
            description: "d",
            signatures: vec!["(MAP<K, V>, K) → BOOLEAN".into(), "() → INT".into()],
        };
        let json = written(&Entity::Function(doc));
        assert_eq!(json["functions"][0]["arguments"][0]["type"], "MAP<K, V>");
        assert_eq!(json["functions"][0]["returnType"], "BOOLEAN");
        assert_eq!(json["functions"][1]["arguments"].as_array().unwrap().len(), 0);
    }

    #[test]
    fn every_list_has_its_member_and_tag() {
        for (answer, tag, member) in [
            (Entity::Topics { extended: false, topics: vec![] }, "kafka_topics", "topics"),
            (Entity::Topics { extended: true, topics: vec![] }, "kafka_topics_extended", "topics"),
            (Entity::Queries(vec![]), "queries", "queries"),
            (Entity::QueryDescriptions(vec![]), "query_descriptions", "queryDescriptions"),
            (Entity::Descriptions(vec![]), "source_descriptions", "sourceDescriptions"),
            (Entity::Functions(vec![]), "function_names", "functions"),
            (Entity::Properties(vec![]), "properties", "properties"),
            (Entity::Variables(vec![]), "variables", "variables"),
        ] {
            let json = written(&answer);
            assert_eq!(json["@type"], tag);
            assert!(json[member].is_array(), "{tag}");
            assert!(json["warnings"].is_array());
        }
        let warning = written(&Entity::Warning("w".into()));
        assert_eq!((&warning["@type"], &warning["message"]), (&"warning_entity".into(), &"w".into()));
    }
}
