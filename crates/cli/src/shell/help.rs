//! What `help` says.

const OVERVIEW: &str = "
Description:
  Tripline's SQL shell speaks ksqlDB's language. Statements end with ';' and may span lines.

Shell commands (no ';' needed):
  help [topic]               this text, or one about a topic: set, query, script, output
  clear                      empties the screen
  exit                       leaves (also Ctrl-D)
  history                    shows what was typed
  version                    shows the shell's version
  output [TABULAR|JSON]      shows or sets how results are printed
  server [address]           shows or changes the server
  run script 'file'          runs the statements of a file
  spool 'file' | off         writes everything into a file as well
  set cli wrap on|off        whether long cells go on in the next line
  set cli column-width n     width of every column, 0 fits the terminal

Statements to begin with:
  SHOW TOPICS;  PRINT 'topic' FROM BEGINNING LIMIT 3;  SHOW STREAMS;  DESCRIBE name;
  SET 'auto.offset.reset'='earliest';  SELECT * FROM name EMIT CHANGES LIMIT 5;

Ctrl-C ends a running query, not the shell. Tab completes; cs, ct, csas, ctas and ii are short for
CREATE STREAM, CREATE TABLE, CREATE STREAM … AS SELECT, CREATE TABLE … AS SELECT, INSERT INTO.
";

const TOPICS: [(&str, &str); 4] = [
    (
        "set",
        "
SET 'name'='value';     sets a property for this session, for example 'auto.offset.reset'='earliest'
UNSET 'name';           takes it back
SHOW PROPERTIES;        lists all properties and where each was set
DEFINE name = 'value';  sets a variable, used as ${name} in statements
UNDEFINE name;          takes it back
SHOW VARIABLES;         lists variables
",
    ),
    (
        "query",
        "
SELECT … FROM source EMIT CHANGES;   goes on until LIMIT or Ctrl-C; reads new records only, unless
                                     'auto.offset.reset' is 'earliest'
SELECT … FROM table WHERE key = …;   answers with what is there now
PRINT 'topic' FROM BEGINNING;        shows records as they are
",
    ),
    (
        "script",
        "
RUN SCRIPT 'file';      runs the statements of a file one after the other and stops at the first error.
                        Properties and variables set in it stay set.
",
    ),
    (
        "output",
        "
output TABULAR;         tables
output JSON;            JSON: a line for each row of a query
",
    ),
];

/// Returns the text about a topic, the overview where there is none.
pub fn text(topic: &str) -> String {
    let topic = topic.trim().trim_end_matches(';').to_ascii_lowercase();
    if topic.is_empty() {
        return OVERVIEW.to_owned();
    }
    let names = TOPICS.iter().map(|(name, _)| *name);
    let wanted = topic.split_whitespace().find_map(|word| sql::nearest(word, names.clone()));
    match TOPICS.iter().find(|(name, _)| Some(*name) == wanted) {
        Some((_, text)) => (*text).to_owned(),
        None => format!("No help on that; there is help on: {}\n", names.collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_is_found_also_when_misspelt() {
        assert!(text("").contains("Shell commands"));
        assert!(text("run script").contains("RUN SCRIPT"));
        assert!(text("quer").contains("EMIT CHANGES"));
        assert!(text("\x1b[2J").contains("No help"));
    }
}
