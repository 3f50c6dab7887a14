//! The documentation is true: every SQL block in README.md and `docs/` is run, lists that come from the code are
//! compared with it, scenarios pass, links lead somewhere.
//!
//! A document is run against an engine of its own, block by block, in one session, as a reader would. Blocks are
//! told apart by the words behind the backquotes:
//!
//! ```text
//! console      not run, as sh, json and text
//! sql          each statement succeeds; a query that does not end by itself is only started
//! sql error    each statement is refused
//! json TOPIC   each line is a record of the topic, its time in `ts`, as `tripline replay` sends it
//! scenario     a scenario file, run as `tripline test --ways one` does
//! text         not run; if its first line is `-- rows`, the other lines are the rows of the last query of the
//!              SQL block before it, in any order, columns divided by ` | `
//! ```
//!
//! A list between `<!-- generated -->` and `<!-- end -->` is made from the code. It is written anew with
//! `TRIPLINE_UPDATE_DOCS=1 cargo test -p cli --test documents`.

#![allow(clippy::unwrap_used, reason = "tests; the lint does not see helpers of test files as such")]

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use engine::{Engine, EngineConfig, Entity, RowEvent, Session};
use types::Value;

/// How long a query that ends may take, and a persistent one to have read everything.
const PATIENCE: Duration = Duration::from_secs(30);
/// Where a generated list begins and ends.
const BEGIN: &str = "<!-- generated -->\n";
const END: &str = "<!-- end -->";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// README.md and all pages below `docs`, in order.
fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "md") {
                found.push(path);
            }
        }
    }
    let readme = root().join("README.md");
    found.extend(readme.exists().then_some(readme));
    found.sort();
    found
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// A block between backquotes.
struct Block {
    kind: String,
    text: String,
    /// The line of its first line, from 1.
    line: usize,
    /// Whether there are only blank lines between it and the block before.
    follows: bool,
}

impl Block {
    /// Whether it says which rows the query before it gives.
    fn has_rows(&self) -> bool {
        self.kind == "text" && self.follows && self.text.starts_with("-- rows")
    }
}

fn blocks(document: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open: Option<(Block, String)> = None;
    let mut follows = false;
    for (number, line) in (1..).zip(document.lines()) {
        let text = line.trim_start();
        match &mut open {
            Some((block, fence)) if text.trim_end() == *fence => {
                blocks.push(std::mem::replace(
                    block,
                    Block { kind: String::new(), text: String::new(), line: 0, follows: false },
                ));
                open = None;
                follows = true;
            }
            Some((block, _)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            None if text.starts_with("```") => {
                let kind = text.trim_start_matches('`');
                let fence = text[..text.len() - kind.len()].to_owned();
                let kind = kind.trim().to_owned();
                open = Some((Block { kind, text: String::new(), line: number + 1, follows }, fence));
            }
            None if text.is_empty() => {}
            None => follows = false,
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

/// Runs the blocks of one document; what is wrong, in words.
struct Reader {
    engine: Engine,
    session: Session,
    /// The rows of the last query, if it ended.
    rows: Option<Vec<String>>,
    faults: Vec<String>,
}

impl Reader {
    fn statement(&mut self, text: &str, wants_rows: bool) -> Result<(), String> {
        self.rows = None;
        let first = text.split_whitespace().next().unwrap_or("").to_ascii_uppercase();
        match first.as_str() {
            "SELECT" => {
                if !self.engine.wait_until_still(PATIENCE).map_err(|e| e.render())? {
                    return Err("the queries did not come to rest".into());
                }
                let query = self.engine.query(text, &self.session).map_err(|e| e.render())?;
                // The engine closes the query when its rows are dropped.
                let mut rows = query.rows;
                if query.is_push && !wants_rows {
                    return Ok(());
                }
                let deadline = Instant::now() + PATIENCE;
                let mut all = Vec::new();
                loop {
                    match rows.next(Duration::from_millis(100)) {
                        Some(RowEvent::Rows(rows)) => all.extend(rows.iter().map(|r| row(&r.values))),
                        Some(RowEvent::End { .. }) => break,
                        Some(RowEvent::Failed(error)) => return Err(error.render()),
                        None if Instant::now() > deadline => {
                            return Err(format!("only {} rows came: {all:?}", all.len()));
                        }
                        None => {}
                    }
                }
                all.sort();
                self.rows = Some(all);
                Ok(())
            }
            "PRINT" => self.engine.print(text, &self.session).map(|_| ()).map_err(|e| e.render()),
            _ => self
                .engine
                .execute(&format!("{text};"), &mut self.session, &mut Vec::new())
                .map_err(|e| e.render()),
        }
    }

    fn block(&mut self, document: &str, block: &Block, wants_rows: bool) {
        let (statements, rest) = sql::split(&block.text);
        let mut fault = |line: usize, text: String| self.faults.push(format!("{document}:{line}: {text}"));
        if let Some(rest) = &rest {
            fault(block.line, format!("no \";\" behind: {rest}"));
        }
        if statements.is_empty() {
            fault(block.line, "the block has no statement".into());
        }
        let must_fail = block.kind == "sql error";
        let last = statements.len().saturating_sub(1);
        for (number, statement) in statements.into_iter().enumerate() {
            let before = &block.text[..statement.span.start as usize];
            let line = block.line + before.matches('\n').count();
            let text = &statement.text;
            match (self.statement(text, wants_rows && number == last), must_fail) {
                (Err(error), false) => self.faults.push(format!("{document}:{line}: {error}\n{text}")),
                (Ok(()), true) => self.faults.push(format!("{document}:{line}: is not refused\n{text}")),
                _ => {}
            }
        }
    }

    fn records(&mut self, document: &str, block: &Block, topic: &str) {
        let records: Vec<_> = block
            .text
            .lines()
            .map(|line| {
                let seconds =
                    serde_json::from_str::<serde_json::Value>(line).ok().and_then(|v| v["ts"].as_f64());
                (seconds.map(|s| (s * 1000.0) as i64), None, Some(line.as_bytes().to_vec()))
            })
            .collect();
        if let Err(error) = self.engine.produce(topic, None, &records) {
            self.faults.push(format!("{document}:{}: {}", block.line, error.render()));
        }
    }

    fn expect_rows(&mut self, document: &str, block: &Block) {
        let mut expected: Vec<String> = block
            .text
            .lines()
            .skip(1)
            .filter(|l| !l.trim().is_empty())
            .map(|l| l.trim().to_owned())
            .collect();
        expected.sort();
        let fault = match &self.rows {
            None => "there is no query with an end before these rows".to_owned(),
            Some(rows) if *rows == expected => return,
            Some(rows) => {
                format!(
                    "the query gives other rows:\n  {}\nnot\n  {}",
                    rows.join("\n  "),
                    expected.join("\n  ")
                )
            }
        };
        self.faults.push(format!("{document}:{}: {fault}", block.line));
    }
}

fn row(values: &[Value]) -> String {
    values.iter().map(cell).collect::<Vec<_>>().join(" | ")
}

fn cell(value: &Value) -> String {
    let list = |values: &mut dyn Iterator<Item = String>| values.collect::<Vec<_>>().join(", ");
    match value {
        Value::Null => "null".into(),
        Value::Boolean(v) => v.to_string(),
        Value::Int(v) | Value::Date(v) | Value::Time(v) => v.to_string(),
        Value::BigInt(v) | Value::Timestamp(v) => v.to_string(),
        Value::Double(v) => v.to_string(),
        Value::Decimal(v) => v.to_string(),
        Value::String(v) => v.to_string(),
        Value::Bytes(v) => format!("{v:?}"),
        Value::Array(v) => format!("[{}]", list(&mut v.iter().map(cell))),
        Value::Struct(v) => format!("{{{}}}", list(&mut v.iter().map(cell))),
        Value::Map(v) => {
            format!("{{{}}}", list(&mut v.iter().map(|(k, v)| format!("{}={}", cell(k), cell(v)))))
        }
    }
}

fn scenario(document: &str, block: &Block, faults: &mut Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("example.scenario");
    std::fs::write(&file, &block.text).unwrap();
    let mut out = Vec::new();
    let summary = scenario::run_file(&file, scenario::Ways::only(scenario::Way::One), &mut out).unwrap();
    if summary.failed > 0 || summary.passed == 0 {
        faults.push(format!("{document}:{}: {}", block.line, String::from_utf8_lossy(&out)));
    }
}

#[test]
fn sql_in_the_documents_does_what_they_say() {
    let mut faults = Vec::new();
    for path in documents() {
        let document = shown(&path);
        let text = std::fs::read_to_string(&path).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let config = EngineConfig { data_dir: folder.path().to_owned(), properties: vec![] };
        let engine = Engine::open(config).unwrap();
        let mut reader =
            Reader { engine: engine.clone(), session: Session::default(), rows: None, faults: Vec::new() };
        let blocks = blocks(&text);
        for (number, block) in blocks.iter().enumerate() {
            let wants_rows = blocks.get(number + 1).is_some_and(Block::has_rows);
            match block.kind.as_str() {
                "sql" | "sql error" => reader.block(&document, block, wants_rows),
                "text" if block.has_rows() => {
                    reader.expect_rows(&document, block);
                }
                kind if kind.starts_with("json ") => {
                    reader.records(&document, block, kind["json ".len()..].trim());
                }
                "scenario" => scenario(&document, block, &mut faults),
                "text" | "sh" | "console" | "json" | "properties" | "toml" | "yaml" | "python" => {}
                other => faults.push(format!("{document}:{}: unknown kind of block {other:?}", block.line)),
            }
        }
        faults.append(&mut reader.faults);
        drop(reader);
        engine.close();
    }
    assert!(faults.is_empty(), "{} faults\n\n{}", faults.len(), faults.join("\n\n"));
}

#[test]
fn links_in_the_documents_lead_to_files() {
    let mut faults = Vec::new();
    for path in documents() {
        let text = std::fs::read_to_string(&path).unwrap();
        for part in text.split("](").skip(1) {
            let link = part.split(')').next().unwrap_or("");
            let file = link.split('#').next().unwrap_or("");
            if file.is_empty() || file.contains("://") {
                continue;
            }
            if !path.parent().unwrap().join(file).exists() {
                faults.push(format!("{}: {link}", shown(&path)));
            }
        }
    }
    assert!(faults.is_empty(), "links to nothing:\n{}", faults.join("\n"));
}

/// Compares the generated list of a page with what it must be, or writes it.
fn check_generated(page: &str, list: &str) {
    let path = root().join(page);
    let text = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = text.split_once(BEGIN).unwrap_or_else(|| panic!("{page} has no {BEGIN:?}"));
    let (found, tail) = rest.split_once(END).unwrap_or_else(|| panic!("{page} has no {END:?}"));
    if found.trim() == list.trim() {
        return;
    }
    if std::env::var_os("TRIPLINE_UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{head}{BEGIN}\n{}\n\n{END}{tail}", list.trim())).unwrap();
        return;
    }
    let missing = list.lines().filter(|line| !found.contains(line));
    let extra = found.lines().filter(|line| !list.contains(line));
    let lines: Vec<_> = missing.map(|l| format!("+ {l}")).chain(extra.map(|l| format!("- {l}"))).collect();
    panic!(
        "{page} is not what the code says; TRIPLINE_UPDATE_DOCS=1 cargo test -p cli --test documents writes it\n{}",
        lines.join("\n")
    );
}

/// Text for the cell of a table.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

fn opened(folder: &Path) -> Engine {
    Engine::open(EngineConfig { data_dir: folder.to_owned(), properties: vec![] }).unwrap()
}

fn answered(engine: &Engine, sql: &str) -> Entity {
    let mut answered = Vec::new();
    engine.execute(sql, &mut Session::default(), &mut answered).unwrap();
    answered.remove(0)
}

#[test]
fn every_function_is_in_its_page() {
    let folder = tempfile::tempdir().unwrap();
    let engine = opened(folder.path());
    let Entity::Functions(names) = answered(&engine, "SHOW FUNCTIONS;") else { panic!() };
    let mut lists: Vec<(String, Vec<String>)> = Vec::new();
    for name in names {
        let Entity::Function(doc) = answered(&engine, &format!("DESCRIBE FUNCTION {};", name.name)) else {
            panic!("{}", name.name)
        };
        let forms: Vec<String> =
            doc.signatures.iter().map(|s| format!("`{}`", s.replace('|', "\\|"))).collect();
        let line = format!("| `{}` | {} | {} |", doc.name, escaped(doc.description), forms.join("<br>"));
        let title = match doc.kind {
            "SCALAR" => format!("Scalar: {}", doc.category.to_lowercase()),
            "AGGREGATE" => "Aggregate".into(),
            _ => "Table".into(),
        };
        match lists.iter_mut().find(|(t, _)| *t == title) {
            Some((_, lines)) => lines.push(line),
            None => lists.push((title, vec![line])),
        }
    }
    engine.close();
    lists.sort_by_key(|(title, _)| (!title.starts_with("Scalar"), title.clone()));
    let mut text = String::new();
    for (title, lines) in lists {
        let _ = write!(text, "## {title}\n\n| function | what it gives | forms |\n|---|---|---|\n");
        lines.iter().for_each(|line| text.push_str(&format!("{line}\n")));
        text.push('\n');
    }
    check_generated("docs/reference/functions.md", &text);
}

#[test]
fn every_setting_is_in_its_page() {
    let folder = tempfile::tempdir().unwrap();
    let engine = opened(folder.path());
    let mut text = String::from("| setting | default | SET | meaning |\n|---|---|---|---|\n");
    for setting in engine.properties(&Session::default()) {
        assert_eq!(setting.origin, "default");
        let set = format!("SET '{}'='{}';", setting.name, setting.value);
        let per_session = engine.execute(&set, &mut Session::default(), &mut Vec::new()).is_ok();
        let default = if setting.value.is_empty() { String::new() } else { format!("`{}`", setting.value) };
        let mark = if per_session { "yes" } else { "" };
        let _ =
            writeln!(text, "| `{}` | {default} | {mark} | {} |", setting.name, escaped(setting.description));
    }
    engine.close();
    for name in server::ServerConfig::SETTINGS {
        if !text.contains(&format!("| `{name}` |")) {
            let page = std::fs::read_to_string(root().join("docs/reference/settings.md")).unwrap();
            assert!(page.contains(&format!("`{name}`")), "setting {name} of the server is not in the page");
        }
    }
    check_generated("docs/reference/settings.md", &text);
}

#[test]
fn every_setting_of_the_broker_is_in_its_page() {
    let mut text = String::from("| setting | default | meaning |\n|---|---|---|\n");
    for (name, value, _, description) in kafka::KafkaConfig::default().describe() {
        let default = if value.is_empty() { String::new() } else { format!("`{value}`") };
        let _ = writeln!(text, "| `{name}` | {default} | {} |", escaped(description));
    }
    check_generated("docs/reference/kafka-settings.md", &text);
}

#[test]
fn every_metric_is_in_its_page() {
    let folder = tempfile::tempdir().unwrap();
    let engine = opened(folder.path());
    let create = "CREATE STREAM s (a INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');
                  CREATE TABLE t AS SELECT a, COUNT(*) FROM s GROUP BY a;";
    engine.execute(create, &mut Session::default(), &mut Vec::new()).unwrap();
    let listeners = vec!["127.0.0.1:0".parse().unwrap()];
    let config = server::ServerConfig { listeners, ..server::ServerConfig::default() };
    let running = server::Server::start(engine.clone(), config).unwrap();
    // The second answer counts the first.
    get(running.addresses[0], "/metrics");
    let answer = get(running.addresses[0], "/metrics");
    running.shutdown();
    engine.close();
    let mut metrics: Vec<(String, String, String, String)> = Vec::new();
    for line in answer.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(name), Some(help)) => {
                metrics.push((name.into(), help.into(), String::new(), String::new()));
            }
            (Some("#"), Some("TYPE"), Some(_), Some(kind)) => metrics.last_mut().unwrap().2 = kind.into(),
            _ => {
                if let (Some((name, labels)), Some(last)) = (line.split_once('{'), metrics.last_mut())
                    && last.0 == name
                {
                    let names = labels.split("=\"").map(|part| part.rsplit([',', '{']).next().unwrap_or(""));
                    let count = labels.matches("=\"").count();
                    last.3 = names.take(count).map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
                }
            }
        }
    }
    metrics.sort();
    let mut text = String::from("| metric | kind | labels | meaning |\n|---|---|---|---|\n");
    for (name, help, kind, labels) in metrics {
        let _ = writeln!(text, "| `{name}` | {kind} | {labels} | {} |", escaped(&help));
    }
    check_generated("docs/reference/metrics.md", &text);
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(socket, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}
