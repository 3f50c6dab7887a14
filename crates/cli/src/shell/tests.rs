//! The shell against a server that answers what the test says.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::sync::Notify;

use super::*;
use crate::http::fake::{FakeRequest, FakeServer, KEEP_OPEN};

#[derive(Clone, Default)]
struct Screen(Arc<Mutex<Vec<u8>>>);

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Screen {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

/// A shell, what it shows, and the requests that the server got.
struct Stage {
    shell: Shell,
    screen: Screen,
    errors: Screen,
    requests: Arc<Mutex<Vec<FakeRequest>>>,
    runtime: tokio::runtime::Runtime,
    interrupt: Arc<Notify>,
}

impl Stage {
    fn new(answer: impl Fn(&FakeRequest) -> (u16, String) + Send + Sync + 'static) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = requests.clone();
        let server = FakeServer::start(move |request| {
            kept.lock().unwrap().push(request.clone());
            answer(request)
        });
        let (screen, errors) = (Screen::default(), Screen::default());
        let mut output = Output::new(Box::new(screen.clone()), Box::new(errors.clone()));
        output.width = 21;
        let interrupt = Arc::new(Notify::new());
        let endpoint = Endpoint::parse(&server.url()).unwrap();
        let shell = Shell::new(endpoint, output, Interrupt::Notified(interrupt.clone()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { shell, screen, errors, requests, runtime, interrupt }
    }

    /// Types lines and returns what is shown, errors behind it.
    fn types(&mut self, lines: &[&str]) -> String {
        for line in lines {
            self.runtime.block_on(self.shell.feed(line)).unwrap();
        }
        self.screen.take() + &self.errors.take()
    }

    fn bodies(&self) -> Vec<Value> {
        let requests = self.requests.lock().unwrap();
        requests
            .iter()
            .filter(|r| !r.body.is_empty())
            .map(|r| serde_json::from_str(&r.body).unwrap())
            .collect()
    }
}

fn created(_: &FakeRequest) -> (u16, String) {
    (200, json!([{"@type": "currentStatus", "commandStatus": {"message": "Stream created"}}]).to_string())
}

const CREATED: &str = "\n Message        \n----------------\n Stream created \n----------------\n";
const ROWS: &str = "{\"queryId\":\"q\",\"columnNames\":[\"A\",\"B\"],\"columnTypes\":[\"STRING\",\"INT\"]}\n[\"x\\u001b\",1]\n[null,2]\n";
const TABLE: &str = "+---------+---------+\n|A        |B        |\n+---------+---------+\n|x\\x1b    |1        |\n|null     |2        |\n";

#[test]
fn pasted_tutorial_creates_its_stream() {
    let mut stage = Stage::new(created);
    let shown = stage.types(&["ksql> CREATE STREAM a AS \\", ">SELECT * FROM b;"]);
    assert_eq!(shown, CREATED);
    assert_eq!(stage.bodies()[0]["ksql"], "CREATE STREAM a AS \nSELECT * FROM b;");
}

#[test]
fn prompt_tells_whether_a_statement_goes_on() {
    let mut stage = Stage::new(created);
    assert_eq!(stage.shell.prompt(), "ksql> ");
    stage.types(&["SHOW"]);
    assert_eq!(stage.shell.prompt(), ">");
    stage.shell.abandon();
    assert_eq!(stage.shell.prompt(), "ksql> ");
}

#[test]
fn set_is_checked_and_sent_with_later_statements() {
    let mut stage = Stage::new(|request| match request.path.as_str() {
        "/is_valid_property/auto.offset.reset?value=earliest" => (200, "true".to_owned()),
        path if path.starts_with("/is_valid_property/") => {
            (400, r#"{"error_code":40000,"message":"unknown property \"auto.ofset.reset\""}"#.to_owned())
        }
        _ => created(request),
    });
    let shown = stage.types(&["SET 'auto.offset.reset'='earliest';", "DEFINE t = 'conn';", "DROP STREAM a;"]);
    assert!(
        shown.starts_with("Successfully changed local property 'auto.offset.reset' to 'earliest'."),
        "{shown}"
    );
    let body = &stage.bodies()[0];
    assert_eq!(body["streamsProperties"], json!({"auto.offset.reset": "earliest"}));
    assert_eq!(body["sessionVariables"], json!({"T": "conn"}));
    assert!(stage.types(&["SET 'auto.ofset.reset'='earliest';"]).contains("unknown property"));
    assert_eq!(stage.types(&["SHOW VARIABLES;"]).lines().nth(3), Some(" T             | conn  "));
    assert!(stage.types(&["UNSET 'auto.offset.reset';"]).contains("(value was 'earliest')"));
    assert!(stage.types(&["UNSET 'auto.offset.reset';"]).contains("never set"));
    assert_eq!(stage.types(&["UNDEFINE T;", "SHOW VARIABLES;"]).lines().count(), 4);
}

#[test]
fn select_shows_rows_and_its_end() {
    let mut stage = Stage::new(|_| (200, ROWS.to_owned()));
    let shown = stage.types(&["SELECT * FROM a EMIT CHANGES LIMIT 2;"]);
    assert_eq!(shown, format!("{TABLE}Limit Reached\nQuery terminated\n"));
    assert_eq!(stage.types(&["SELECT * FROM a;"]), format!("{TABLE}Query terminated\n"));
    let requests = stage.requests.lock().unwrap();
    assert_eq!(requests[0].path, "/query-stream");
}

#[test]
fn json_output_is_one_line_a_row_and_escaped() {
    let mut stage = Stage::new(|_| (200, ROWS.replace("\\u001b", "\u{202e}")));
    let shown = stage.types(&["output JSON;", "SELECT * FROM a;"]);
    assert!(shown.contains("\n[\"x\\u202e\",1]\n[null,2]\n"), "{shown}");
}

#[test]
fn interrupt_ends_the_query_and_not_the_shell() {
    let mut stage = Stage::new(|_| (KEEP_OPEN, ROWS.to_owned()));
    let (interrupt, screen) = (stage.interrupt.clone(), stage.screen.clone());
    std::thread::spawn(move || {
        while !String::from_utf8_lossy(&screen.0.lock().unwrap()).contains("null") {
            std::thread::yield_now();
        }
        interrupt.notify_one();
    });
    let shown = stage.types(&["SELECT * FROM a EMIT CHANGES;"]);
    assert_eq!(shown, format!("{TABLE}Query terminated\n"));
    assert_eq!(stage.types(&["version"]), format!("Version: {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn bounds_end_a_query() {
    let mut stage = Stage::new(|_| (KEEP_OPEN, ROWS.to_owned()));
    stage.shell.bounds.rows_max = Some(2);
    assert_eq!(
        stage.types(&["SELECT * FROM a EMIT CHANGES;"]),
        format!("{TABLE}Limit Reached\nQuery terminated\n")
    );
    stage.shell.bounds = QueryBounds { timeout: Some(Duration::from_millis(50)), ..QueryBounds::default() };
    assert!(
        stage.types(&["SELECT * FROM a EMIT CHANGES;"]).ends_with("Time limit reached\nQuery terminated\n")
    );
}

#[test]
fn quiet_query_gives_the_servers_notice_once() {
    let head =
        r#"{"queryId":"q","columnNames":["A"],"columnTypes":["INT"],"notice":"reads new records only"}"#;
    let mut stage = Stage::new(move |_| (KEEP_OPEN, format!("{head}\n")));
    stage.shell.bounds.timeout = Some(Duration::from_millis(300));
    stage.shell.bounds.notice_after = Duration::from_millis(20);
    let shown = stage.types(&["SELECT * FROM a EMIT CHANGES;"]);
    assert_eq!(shown.matches("reads new records only").count(), 1, "{shown}");
}

#[test]
fn error_among_rows_and_error_with_earlier_answers_are_told() {
    let mut stage = Stage::new(|request| match request.path.as_str() {
        "/query-stream" => (
            200,
            format!("{ROWS}{}", r#"{"@type":"generic_error","error_code":50000,"message":"disk is full"}"#),
        ),
        _ => {
            let entities =
                json!([{"@type": "currentStatus", "commandStatus": {"message": "Stream created"}}]);
            (
                400,
                json!({"error_code": 40001, "message": "no\x1b   line 1:3", "entities": entities})
                    .to_string(),
            )
        }
    });
    assert_eq!(stage.types(&["SELECT * FROM a;"]), format!("{TABLE}disk is full\n"));
    assert_eq!(stage.types(&["CREATE X;"]), format!("{CREATED}no\\x1b   line 1:3\n"));
}

#[test]
fn keys_of_an_event_do_not_end_the_answer() {
    let row = r#"[{"$serde_json::private::Number":"x"},1]"#;
    let mut stage = Stage::new(move |_| (200, ROWS.replace("[\"x\\u001b\",1]", row)));
    let shown = stage.types(&["set cli wrap off", "SELECT * FROM a;"]);
    assert!(shown.contains("|{$serd...|1") && shown.contains("|null     |2"), "{shown}");
}

#[test]
fn print_shows_lines_as_they_are_but_harmless() {
    let mut stage = Stage::new(|_| (200, "Key format: JSON\nrowtime: 1, key: \u{1b}]0;x\u{7}\n".to_owned()));
    let shown = stage.types(&["PRINT 'conn' FROM BEGINNING LIMIT 1;"]);
    assert_eq!(shown, "Key format: JSON\nrowtime: 1, key: \\x1b]0;x\\x07\n");
    assert_eq!(stage.requests.lock().unwrap()[0].path, "/query");
}

#[test]
fn script_is_run_and_stops_at_its_first_error() {
    let mut stage = Stage::new(|request| match request.body.contains("BAD") {
        true => (400, r#"{"error_code":40001,"message":"bad"}"#.to_owned()),
        false => created(request),
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a b.sql");
    std::fs::write(&path, "-- comment; here\nCREATE STREAM a;\nset cli wrap off\nBAD;\nCREATE STREAM c")
        .unwrap();
    let shown = stage.types(&[&format!("RUN SCRIPT '{}';", path.display())]);
    assert!(shown.starts_with(CREATED) && shown.contains("a b.sql") && shown.contains("bad"), "{shown}");
    assert_eq!(stage.bodies().len(), 2);
    assert!(!stage.shell.output.is_wrapped);
    std::fs::write(&path, format!("RUN SCRIPT '{}';", path.display())).unwrap();
    let shown = stage.types(&[&format!("run script '{}'", path.display())]);
    assert!(shown.contains("one inside of the other"), "{shown}");
    assert!(stage.types(&["run script /nowhere.sql"]).contains("cannot open script"));
}

#[test]
fn spool_file_has_what_was_typed_and_shown() {
    let mut stage = Stage::new(created);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spool.log");
    stage.types(&[&format!("spool '{}'", path.display()), "CREATE STREAM", "a;", "spool off", "version"]);
    let spooled = std::fs::read_to_string(&path).unwrap();
    assert!(spooled.contains(&format!("ksql> CREATE STREAM\n>a;\n{CREATED}ksql> spool off\n")), "{spooled}");
    assert!(!spooled.contains("Version"));
}

#[test]
fn failed_text_is_an_error_for_the_caller_and_exit_leaves() {
    let mut stage = Stage::new(|_| (400, r#"{"error_code":40001,"message":"bad"}"#.to_owned()));
    let done = stage.runtime.block_on(stage.shell.run_text("CREATE STREAM a; CREATE STREAM b;"));
    assert_eq!(done.unwrap_err().to_string(), "bad");
    assert_eq!(stage.bodies().len(), 1);
    assert_eq!(stage.runtime.block_on(stage.shell.feed("ksql> exit;")).unwrap(), Flow::Exit);
}

#[test]
fn history_keeps_what_was_typed() {
    let mut stage = Stage::new(created);
    stage.types(&["version", "SHOW", "TOPICS;"]);
    assert_eq!(stage.types(&["history"]), "    1: version\n    2: SHOW\n    3: TOPICS;\n    4: history\n");
}
