//! Answers to DESCRIBE and EXPLAIN.

use serde_json::Value;

use super::{list, one_line, plain, query_row, schema_text, text};
use crate::{
    table::ListTable,
    terminal::{neutralise, neutralise_lines},
};

/// Returns a stream or table with its columns; more of it when that was asked for.
pub fn source(source: &Value) -> String {
    let is_table = text(source, "type").eq_ignore_ascii_case("TABLE");
    let window = text(source, "windowType");
    let is_extended = source["extended"].as_bool() == Some(true);
    let mut out = String::new();
    push_pair(&mut out, "Name", text(source, "name"));
    if is_extended {
        push_pair(&mut out, "Type", text(source, "type"));
        push_pair(&mut out, "Timestamp field", or(text(source, "timestamp"), "Not set - using <ROWTIME>"));
        push_pair(&mut out, "Key format", text(source, "keyFormat"));
        push_pair(&mut out, "Value format", text(source, "valueFormat"));
        let partitions = plain(&source["partitions"]);
        let replication = plain(&source["replication"]);
        let topic =
            format!("{} (partitions: {partitions}, replication: {replication})", text(source, "topic"));
        push_pair(&mut out, "Kafka topic", &topic);
        push_pair(&mut out, "Statement", &one_line(text(source, "statement")));
        out.push('\n');
    }
    out.push_str(&fields(source, is_table, window));
    if !is_extended {
        out.push_str("For runtime statistics and query details run: DESCRIBE <Stream,Table> EXTENDED;\n");
        return out;
    }
    let constraints: Vec<String> = list(source, "sourceConstraints").iter().map(plain).collect();
    push_section(&mut out, "Sources that have a DROP constraint on this source", &constraints);
    push_section(&mut out, "Queries that read from this SOURCE", &query_lines(source, "readQueries"));
    push_section(&mut out, "Queries that write from this SOURCE", &query_lines(source, "writeQueries"));
    out.push_str("\nLocal runtime statistics\n------------------------\n");
    let start = out.len();
    for name in ["statistics", "errorStats"] {
        let statistics = neutralise_lines(text(source, name)).trim().to_owned();
        if !statistics.is_empty() {
            out.push_str(&format!("{statistics}\n"));
        }
    }
    if out.len() == start {
        out.push_str("No query reads or writes it.\n");
    }
    let topic = neutralise(text(source, "topic"));
    out.push_str(&format!("(Statistics of the queries of this server with the Kafka topic {topic})\n"));
    for summary in list(source, "queryOffsetSummaries") {
        out.push_str(&format!(
            "\nConsumer Groups summary:\n\nConsumer Group       : {}\n",
            neutralise(text(summary, "groupId"))
        ));
        for topic in list(summary, "topicSummaries") {
            out.push_str(&format!("\nKafka topic          : {}\n", neutralise(text(topic, "kafkaTopic"))));
            let mut table = ListTable::new(["Partition", "Start Offset", "End Offset", "Offset", "Lag"]);
            for offsets in list(topic, "offsets") {
                let number = |name: &str| offsets[name].as_i64().unwrap_or(0);
                let lag = number("logEndOffset") - number("consumerOffset");
                table.row(
                    [
                        number("partition"),
                        number("logStartOffset"),
                        number("logEndOffset"),
                        number("consumerOffset"),
                        lag,
                    ]
                    .map(|n| n.to_string()),
                );
            }
            out.push_str(&table.render());
        }
    }
    out
}

/// Returns a query with its plan.
pub fn query(query: &Value) -> String {
    let mut out = String::new();
    push_pair(&mut out, "ID", text(query, "id"));
    push_pair(&mut out, "Query Type", text(query, "queryType"));
    push_pair(&mut out, "SQL", &one_line(text(query, "statementText")));
    let state = text(query, "state");
    if !state.is_empty() {
        push_pair(&mut out, "Status", state);
    }
    out.push('\n');
    out.push_str(&fields(query, false, text(query, "windowType")));
    push_section(&mut out, "Sources that this query reads from", &texts(query, "sources"));
    push_section(
        &mut out,
        "For source description please run: DESCRIBE [EXTENDED] <SourceId>\n\nSinks that this query writes to",
        &texts(query, "sinks"),
    );
    for (title, name) in [("Execution plan", "executionPlan"), ("Processing topology", "topology")] {
        let plan = text(query, name);
        if !plan.trim().is_empty() {
            push_section(&mut out, title, &[plan.trim_end().to_owned()]);
        }
    }
    let overridden = query["overriddenProperties"].as_object();
    if let Some(properties) = overridden.filter(|properties| !properties.is_empty()) {
        out.push_str("\nOverridden Properties\n---------------------\n");
        let mut table = ListTable::new(["Property", "Value"]);
        for (name, value) in properties {
            table.row([name.clone(), plain(value)]);
        }
        out.push_str(&table.render());
    }
    for error in list(query, "queryErrors") {
        push_section(&mut out, "Error", &[text(error, "errorMessage").to_owned()]);
    }
    out
}

/// Returns a function with its variations.
pub fn function(function: &Value) -> String {
    let mut out = String::new();
    push_pair(&mut out, "Name", text(function, "name"));
    for (title, name) in
        [("Author", "author"), ("Version", "version"), ("Overview", "description"), ("Type", "type")]
    {
        let value = text(function, name);
        if !value.is_empty() {
            push_pair(&mut out, title, value);
        }
    }
    out.push_str("Variations           : \n");
    for variation in list(function, "functions") {
        let argument = |argument: &Value| {
            let dots = if argument["isVariadic"].as_bool() == Some(true) { "..." } else { "" };
            let type_text = plain(&argument["type"]);
            match text(argument, "name") {
                "" => format!("{type_text}{dots}"),
                name => format!("{name} {type_text}{dots}"),
            }
        };
        let arguments: Vec<String> = list(variation, "arguments").iter().map(argument).collect();
        out.push('\n');
        let call = format!("{}({})", text(function, "name"), arguments.join(", "));
        out.push_str(&format!("\tVariation   : {}\n", neutralise(&call)));
        out.push_str(&format!("\tReturns     : {}\n", neutralise(text(variation, "returnType"))));
        let description = text(variation, "description");
        if !description.is_empty() {
            out.push_str(&format!("\tDescription : {}\n", neutralise(description)));
        }
        for argument in
            list(variation, "arguments").iter().filter(|each| !text(each, "description").is_empty())
        {
            let line = format!("{} - {}", text(argument, "name"), text(argument, "description"));
            out.push_str(&format!("\t              {}\n", neutralise(&line)));
        }
    }
    out
}

fn fields(of: &Value, is_table: bool, window: &str) -> String {
    let mut table = ListTable::new(["Field", "Type"]);
    for field in list(of, "fields") {
        let mut type_text = schema_text(&field["schema"]);
        match text(field, "type") {
            "KEY" => {
                type_text.push_str(if is_table { "  (primary key)" } else { "  (key)" });
                if !window.is_empty() {
                    type_text.push_str(&format!(" (Window type: {window})"));
                }
            }
            "HEADER" => type_text.push_str("  (headers)"),
            _ => {}
        }
        table.row([text(field, "name"), &type_text]);
    }
    table.render()
}

fn texts(of: &Value, name: &str) -> Vec<String> {
    list(of, name).iter().map(plain).collect()
}

fn query_lines(source: &Value, name: &str) -> Vec<String> {
    list(source, name)
        .iter()
        .map(|query| {
            let [id, _, state, _, _, sql] = query_row(query);
            format!("{id} ({state}) : {sql}")
        })
        .collect()
}

fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

fn push_pair(out: &mut String, name: &str, value: &str) {
    out.push_str(&format!("{name:<20} : {}\n", neutralise_lines(value)));
}

fn push_section(out: &mut String, title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    let width = title.lines().last().map_or(0, str::len);
    out.push_str(&format!("\n{title}\n{}\n", "-".repeat(width)));
    for line in lines {
        out.push_str(&format!("{}\n", neutralise_lines(line)));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn described_table_shows_its_key() {
        let described = source(&json!({"name": "T", "type": "TABLE", "windowType": null, "fields": [
            {"name": "K", "schema": {"type": "STRING"}, "type": "KEY"},
            {"name": "N", "schema": {"type": "BIGINT"}},
        ]}));
        let expect = concat!(
            "Name                 : T\n",
            " Field | Type                           \n",
            "----------------------------------------\n",
            " K     | VARCHAR(STRING)  (primary key) \n",
            " N     | BIGINT                         \n",
            "----------------------------------------\n",
            "For runtime statistics and query details run: DESCRIBE <Stream,Table> EXTENDED;\n",
        );
        assert_eq!(described, expect);
    }
}
