//! The shell's own commands, which need no `;` and never reach the server as statements.

/// A command of the shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `help [topic]`
    Help(String),
    /// `clear`
    Clear,
    /// `exit`, `quit`
    Exit,
    /// `history`
    History,
    /// `version`
    Version,
    /// `output [TABULAR|JSON]`
    Output(Option<String>),
    /// `server [address]`
    Server(Option<String>),
    /// `run script 'file'`
    RunScript(String),
    /// `spool 'file'`, `spool off`
    Spool(Option<String>),
    /// `set cli wrap on|off`
    Wrap(bool),
    /// `set cli column-width n`
    ColumnWidth(usize),
    /// `request-pipelining [on|off]`: accepted without effect.
    RequestPipelining,
}

/// Reads a line as a command; `None`: it is none, an error: it is one that is not understood.
pub fn parse(line: &str) -> Option<Result<Command, String>> {
    let line = line.trim();
    let line = line.strip_suffix(';').unwrap_or(line).trim_end();
    let words: Vec<&str> = line.split_whitespace().collect();
    let lower: Vec<String> = words.iter().map(|word| word.to_ascii_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    let after = |count: usize| rest_after(line, count);
    Some(Ok(match lower.as_slice() {
        ["help", ..] => Command::Help(after(1).to_owned()),
        ["clear"] => Command::Clear,
        ["exit" | "quit"] => Command::Exit,
        ["history"] => Command::History,
        ["version"] => Command::Version,
        ["output"] => Command::Output(None),
        ["output", format] => Command::Output(Some((*format).to_owned())),
        ["server"] => Command::Server(None),
        ["server", _] => Command::Server(Some(unquoted(after(1)))),
        ["run", "script", _, ..] => Command::RunScript(unquoted(after(2))),
        ["run", "script"] => return Some(Err("RUN SCRIPT names no file".to_owned())),
        ["spool", "off"] => Command::Spool(None),
        ["spool", _, ..] => Command::Spool(Some(unquoted(after(1)))),
        ["spool"] => return Some(Err("SPOOL names no file; SPOOL OFF ends it".to_owned())),
        ["set", "cli", name, value] => match (*name, unquoted(value)) {
            ("wrap", value) if value == "on" => Command::Wrap(true),
            ("wrap", value) if value == "off" => Command::Wrap(false),
            ("wrap", value) => return Some(Err(format!("WRAP is ON or OFF, not {value:?}"))),
            ("column-width", value) => match value.parse() {
                Ok(width) if width <= 10_000 => Command::ColumnWidth(width),
                _ => return Some(Err(format!("COLUMN-WIDTH is 0 (automatic) to 10000, not {value:?}"))),
            },
            (name, _) => return Some(Err(format!("SET CLI knows WRAP and COLUMN-WIDTH, not {name:?}"))),
        },
        ["set", "cli", ..] => return Some(Err("SET CLI takes a name and a value".to_owned())),
        ["request-pipelining", ..] => Command::RequestPipelining,
        _ => return None,
    }))
}

fn rest_after(line: &str, words: usize) -> &str {
    let mut rest = line;
    for _ in 0..words {
        let start = rest.trim_start();
        rest = start.find(char::is_whitespace).map_or("", |end| &start[end..]);
    }
    rest.trim()
}

/// Takes quotes of either kind away; a doubled quote inside stands for one.
fn unquoted(text: &str) -> String {
    for quote in ['\'', '"'] {
        let inside = text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
        if let Some(inside) = inside {
            return inside.replace(&format!("{quote}{quote}"), &quote.to_string());
        }
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_known_in_any_case_and_with_semicolon() {
        for (line, command) in [
            ("exit", Command::Exit),
            ("QUIT;", Command::Exit),
            (
                "RUN SCRIPT /ksqldb_scripts/create_bro_dns_stream.sql;",
                Command::RunScript("/ksqldb_scripts/create_bro_dns_stream.sql".into()),
            ),
            ("run script '/tmp/it''s here.sql';", Command::RunScript("/tmp/it's here.sql".into())),
            ("spool 'a b.log'", Command::Spool(Some("a b.log".into()))),
            ("SPOOL OFF;", Command::Spool(None)),
            ("set cli WRAP OFF", Command::Wrap(false)),
            ("SET CLI COLUMN-WIDTH 30;", Command::ColumnWidth(30)),
            ("output json", Command::Output(Some("json".into()))),
            ("server http://h:1", Command::Server(Some("http://h:1".into()))),
            ("help run script", Command::Help("run script".into())),
        ] {
            assert_eq!(parse(line), Some(Ok(command)), "{line}");
        }
    }

    #[test]
    fn statements_are_no_commands() {
        for line in ["SELECT 1;", "SET 'a'='b';", "", "historyx", "exit now", "SHOW TOPICS;"] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    #[test]
    fn half_commands_say_what_is_missing() {
        for line in ["run script", "spool", "set cli wrap maybe", "set cli column-width x", "set cli x y"] {
            assert!(matches!(parse(line), Some(Err(_))), "{line}");
        }
    }
}
