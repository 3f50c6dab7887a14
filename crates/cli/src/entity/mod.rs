//! Answers to statements as text: one function for each of ksqlDB's kinds.

mod description;

use serde_json::Value;

use crate::{
    table::ListTable,
    terminal::{neutralise, neutralise_json, neutralise_lines},
};

/// Returns an answer as ksqlDB's shell prints it; a kind that is not known is shown as JSON.
pub fn render(entity: &Value) -> String {
    let mut out = match text(entity, "@type") {
        "currentStatus" => status(entity),
        "streams" => sources(entity, "streams", "Stream Name"),
        "tables" => sources(entity, "tables", "Table Name"),
        "kafka_topics" => topics(entity, false),
        "kafka_topics_extended" => topics(entity, true),
        "queries" => queries(entity),
        "properties" => properties(entity),
        "variables" => pairs(entity, "variables", ["Variable Name", "Value"], ["name", "value"]),
        "function_names" => pairs(entity, "functions", ["Function Name", "Category"], ["name", "category"]),
        "type_list" => types(entity),
        "sourceDescription" => description::source(&entity["sourceDescription"]),
        "source_descriptions" => all(entity, "sourceDescriptions", description::source),
        "queryDescription" => description::query(&entity["queryDescription"]),
        "query_descriptions" => all(entity, "queryDescriptions", description::query),
        "describe_function" => description::function(entity),
        "terminate_query" => {
            message(text_or(entity, "message", &format!("Terminated query {}", text(entity, "queryId"))))
        }
        "assert_topic" => message(&format!("Topic {}{}.", text(entity, "topicName"), existence(entity))),
        "assert_schema" => message(&format!("Schema{}.", existence(entity))),
        _ if entity["message"].is_string() => message(text(entity, "message")),
        _ => json(entity),
    };
    for warning in list(entity, "warnings") {
        out.push_str(&format!(
            "WARNING: {}\n",
            neutralise_lines(text_or(warning, "message", as_text(warning)))
        ));
    }
    out
}

/// Returns an answer as JSON on several lines.
pub fn json(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    format!("{}\n", neutralise_json(&text))
}

fn as_text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    as_text(&value[name])
}

fn text_or<'a>(value: &'a Value, name: &str, or: &'a str) -> &'a str {
    value[name].as_str().unwrap_or(or)
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

/// A value for a cell: texts bare, nothing for null.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn all(entity: &Value, name: &str, one: impl Fn(&Value) -> String) -> String {
    list(entity, name).iter().map(|item| format!("\n{}", one(item))).collect()
}

fn message(text: &str) -> String {
    let mut table = ListTable::new(["Message"]);
    table.row([text]);
    table.render()
}

fn existence(entity: &Value) -> &'static str {
    if entity["exists"].as_bool() == Some(false) { " does not exist" } else { " exists" }
}

fn status(entity: &Value) -> String {
    message(text(&entity["commandStatus"], "message"))
}

fn sources(entity: &Value, name: &str, header: &str) -> String {
    let mut table = ListTable::new([header, "Kafka Topic", "Key Format", "Value Format", "Windowed"]);
    for source in list(entity, name) {
        table.row([
            text(source, "name"),
            text(source, "topic"),
            text(source, "keyFormat"),
            text(source, "valueFormat"),
            if source["isWindowed"].as_bool() == Some(true) { "true" } else { "false" },
        ]);
    }
    table.render()
}

fn topics(entity: &Value, is_extended: bool) -> String {
    let mut headers = vec!["Kafka Topic", "Partitions", "Partition Replicas"];
    if is_extended {
        headers.extend(["Consumers", "ConsumerGroups"]);
    }
    let mut table = ListTable::new(headers);
    for topic in list(entity, "topics") {
        let replicas: Vec<String> = list(topic, "replicaInfo").iter().map(plain).collect();
        let shown = match replicas.split_first() {
            Some((first, rest)) if rest.iter().all(|other| other == first) => first.clone(),
            _ => replicas.join(", "),
        };
        table.row(
            [
                text(topic, "name").to_owned(),
                replicas.len().to_string(),
                shown,
                plain(&topic["consumerCount"]),
                plain(&topic["consumerGroupCount"]),
            ]
            .into_iter()
            .take(if is_extended { 5 } else { 3 }),
        );
    }
    table.render()
}

fn queries(entity: &Value) -> String {
    let mut table =
        ListTable::new(["Query ID", "Query Type", "Status", "Sink Name", "Sink Kafka Topic", "Query String"]);
    for query in list(entity, "queries") {
        table.row(query_row(query));
    }
    let mut out = table.render() + "For detailed information on a Query run: EXPLAIN <Query ID>;\n";
    for query in list(entity, "queries") {
        let errors = query["metrics"]["errors"].as_u64().unwrap_or(0);
        if errors > 0 {
            let id = neutralise_lines(text(query, "id"));
            out.push_str(&format!("{id}: {errors} errors, see KSQL_PROCESSING_LOG\n"));
        }
    }
    out
}

fn query_row(query: &Value) -> [String; 6] {
    let joined = |name: &str| list(query, name).iter().map(plain).collect::<Vec<_>>().join(",");
    let counts: Vec<String> = match query["statusCount"].as_object() {
        Some(counts) => counts.iter().map(|(state, count)| format!("{state}:{count}")).collect(),
        None => vec![text(query, "state").to_owned()],
    };
    [
        text(query, "id").to_owned(),
        text(query, "queryType").to_owned(),
        counts.join(","),
        joined("sinks"),
        joined("sinkKafkaTopics"),
        one_line(text(query, "queryString")),
    ]
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn properties(entity: &Value) -> String {
    let mut table = ListTable::new(["Property", "Scope", "Default override", "Effective Value"]);
    let overridden: Vec<&str> = list(entity, "overwrittenProperties").iter().map(as_text).collect();
    for property in list(entity, "properties") {
        let name = text(property, "name");
        let origin = match property["origin"].as_str() {
            Some("default") | None if overridden.contains(&name) => "SESSION",
            Some("default") | None => "",
            Some(origin) => origin,
        };
        table.row([name, text(property, "scope"), origin, &plain(&property["value"])]);
    }
    table.render()
}

fn pairs(entity: &Value, name: &str, headers: [&str; 2], members: [&str; 2]) -> String {
    let mut table = ListTable::new(headers);
    for item in list(entity, name) {
        table.row(members.map(|member| plain(&item[member])));
    }
    table.render()
}

fn types(entity: &Value) -> String {
    let mut table = ListTable::new(["Type Name", "Schema"]);
    if let Some(types) = entity["types"].as_object() {
        for (name, schema) in types {
            table.row([name.clone(), schema_text(schema)]);
        }
    }
    table.render()
}

/// Most levels of a type that are written out.
const TYPE_LEVELS_MAX: usize = 64;

/// Returns a type as ksqlDB writes it, from its JSON.
fn schema_text(schema: &Value) -> String {
    schema_level(schema, 0)
}

fn schema_level(schema: &Value, level: usize) -> String {
    if level > TYPE_LEVELS_MAX {
        return "…".to_owned();
    }
    let below = |schema: &Value| schema_level(schema, level + 1);
    match schema.as_str().unwrap_or(text(schema, "type")) {
        "STRUCT" => {
            let field = |field: &Value| format!("{} {}", text(field, "name"), below(&field["schema"]));
            let fields: Vec<String> = list(schema, "fields").iter().map(field).collect();
            format!("STRUCT<{}>", fields.join(", "))
        }
        "ARRAY" => format!("ARRAY<{}>", below(&schema["memberSchema"])),
        "MAP" => {
            let key = text_or(schema, "keyType", "STRING");
            format!("MAP<{key}, {}>", below(&schema["memberSchema"]))
        }
        "DECIMAL" => {
            let parameters = &schema["parameters"];
            match parameters.is_object() {
                true => {
                    format!("DECIMAL({}, {})", plain(&parameters["precision"]), plain(&parameters["scale"]))
                }
                false => "DECIMAL".to_owned(),
            }
        }
        "STRING" if level == 0 => "VARCHAR(STRING)".to_owned(),
        "STRING" => "VARCHAR".to_owned(),
        other => neutralise(other).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn created_stream_looks_as_in_the_tutorials() {
        let entity = json!({"@type": "currentStatus", "commandStatus": {"status": "SUCCESS", "message": "Stream created"}});
        let expect = " Message        \n----------------\n Stream created \n----------------\n";
        assert_eq!(render(&entity), expect);
    }

    #[test]
    fn types_are_written_out() {
        let schema = json!({"type": "STRUCT", "fields": [
            {"name": "A", "schema": {"type": "ARRAY", "memberSchema": {"type": "STRING"}}},
            {"name": "B", "schema": {"type": "MAP", "memberSchema": {"type": "INTEGER"}}},
            {"name": "C", "schema": {"type": "DECIMAL", "parameters": {"precision": 4, "scale": 2}}},
        ]});
        assert_eq!(schema_text(&schema), "STRUCT<A ARRAY<VARCHAR>, B MAP<STRING, INTEGER>, C DECIMAL(4, 2)>");
        assert_eq!(schema_text(&json!({"type": "STRING"})), "VARCHAR(STRING)");
    }

    #[test]
    fn partitions_with_equal_replicas_show_one_number() {
        let entity = json!({"@type": "kafka_topics", "topics": [{"name": "conn", "replicaInfo": [1, 1]}]});
        assert!(render(&entity).contains(" conn        | 2          | 1                  \n"));
    }

    #[test]
    fn unknown_kind_and_missing_members_do_not_panic() {
        assert!(render(&json!({"@type": "new", "x": "\u{202e}"})).contains("\\u202e"));
        for kind in [
            "sourceDescription",
            "queryDescription",
            "describe_function",
            "queries",
            "properties",
            "type_list",
        ] {
            render(&json!({"@type": kind}));
        }
    }
}
