//! The SQL shell: lines in, tables out. Knows no terminal, so tests feed it lines and read what it writes.

mod editor;
mod help;
mod input;
mod output;
mod query;
mod session;
mod word;

#[cfg(test)]
mod tests;

pub use editor::{history_path, interact};
pub use output::{Format, Output};
pub use query::Interrupt;
pub use session::Session;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use sql::StatementText;

use crate::{
    entity,
    http::{Client, Endpoint, Response, ServerError, path_segment},
    table::ListTable,
    terminal::neutralise,
};
use input::{Input, expand};
use word::Command;

/// Scripts that run scripts, at most so deep.
const SCRIPT_DEPTH_MAX: usize = 8;
/// Largest script.
const SCRIPT_BYTES_MAX: u64 = 64 << 20;
/// Commands remembered for `history`.
const HISTORY_LINES_MAX: usize = 1000;

/// What the caller does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Reads the next line.
    Continue,
    /// Leaves the shell.
    Exit,
}

/// Bounds on queries, as given on the command line.
#[derive(Clone, Copy, Debug)]
pub struct QueryBounds {
    /// Most rows a query shows.
    pub rows_max: Option<u64>,
    /// Longest time a query runs.
    pub timeout: Option<Duration>,
    /// After so long without a row, the reason is given if the server told one.
    pub notice_after: Duration,
}

impl Default for QueryBounds {
    fn default() -> Self {
        Self { rows_max: None, timeout: None, notice_after: Duration::from_secs(2) }
    }
}

/// A shell connected to one server.
pub struct Shell {
    client: Client,
    /// Where everything is printed.
    pub output: Output,
    /// What SET and DEFINE have set.
    pub session: Session,
    /// Bounds on queries.
    pub bounds: QueryBounds,
    interrupt: Interrupt,
    input: Input,
    history: Vec<String>,
}

impl Shell {
    /// Creates a shell; nothing is asked of the server yet.
    pub fn new(endpoint: Endpoint, output: Output, interrupt: Interrupt) -> Self {
        Self {
            client: Client::new(endpoint),
            output,
            session: Session::default(),
            bounds: QueryBounds::default(),
            interrupt,
            input: Input::default(),
            history: Vec::new(),
        }
    }

    /// Returns the prompt for the next line.
    pub fn prompt(&self) -> &'static str {
        if self.input.is_pending() { ">" } else { "ksql> " }
    }

    /// Forgets the statement that was begun.
    pub fn abandon(&mut self) {
        self.input.clear();
    }

    /// Greets, and says which server answers.
    pub async fn greet(&mut self) -> Result<()> {
        let version = env!("CARGO_PKG_VERSION");
        let url = self.client.endpoint().url();
        let served = match self.server_info().await {
            Ok(info) => format!("Server v{} located at {url}", info["version"].as_str().unwrap_or("?")),
            Err(error) => format!("Server at {url} does not answer: {error:#}"),
        };
        self.output.print(&format!(
            "Tripline SQL, CLI v{version}, {}\n\nHaving trouble? Type 'help' (case-insensitive) for a rundown of how things work!\n\n",
            neutralise(&served)
        ))
    }

    async fn server_info(&mut self) -> Result<Value> {
        let mut info = self.client.get("/info").await?.checked().await?.json().await?;
        Ok(info["KsqlServerInfo"].take())
    }

    /// Takes a typed line. Errors are printed, the shell goes on.
    pub async fn feed(&mut self, line: &str) -> Result<Flow> {
        self.output.echo(self.prompt(), line)?;
        if !line.trim().is_empty() {
            self.history.push(line.to_owned());
            if self.history.len() > HISTORY_LINES_MAX {
                self.history.remove(0);
            }
        }
        if !self.input.is_pending() {
            let command = self.input.strip_prompt(line).to_owned();
            if let Some(command) = word::parse(&command) {
                let done = match command {
                    Ok(command) => self.command(command).await,
                    Err(message) => Err(anyhow::anyhow!(message)),
                };
                return match done {
                    Ok(flow) => Ok(flow),
                    Err(error) => self.output.error(&error).map(|()| Flow::Continue),
                };
            }
        }
        for statement in self.input.feed(line) {
            if let Err(error) = self.statement(&statement.text).await {
                self.output.error(&error)?;
                // What was pasted behind a failed statement may build on it.
                break;
            }
        }
        Ok(Flow::Continue)
    }

    /// Runs a text with statements and commands, for `-e` and `-f`; stops at the first error.
    pub async fn run_text(&mut self, text: &str) -> Result<()> {
        let mut input = Input::default();
        let mut first_line = 1;
        for (number, line) in (1_usize..).zip(text.lines()) {
            if !input.is_pending() {
                first_line = number;
                if let Some(command) = word::parse(input.strip_prompt(line)) {
                    let command = command.map_err(anyhow::Error::msg);
                    let command = command.with_context(|| format!("line {number}"))?;
                    if self.command(command).await? == Flow::Exit {
                        return Ok(());
                    }
                    continue;
                }
            }
            let statements = input.feed(line);
            let done = self.all(statements).await;
            done.map_err(|error| placed(error, first_line))?;
        }
        let last = input.finish();
        self.all(last).await.map_err(|error| placed(error, first_line))
    }

    async fn all(&mut self, statements: impl IntoIterator<Item = StatementText>) -> Result<()> {
        for statement in statements {
            // `-e "exit;"` and the like stand among statements of one line.
            match word::parse(&statement.text) {
                Some(command) => {
                    self.command(command.map_err(anyhow::Error::msg)?).await?;
                }
                None => self.statement(&statement.text).await?,
            }
        }
        Ok(())
    }

    async fn command(&mut self, command: Command) -> Result<Flow> {
        match command {
            Command::Exit => {
                self.output.print("Exiting Tripline.\n")?;
                return Ok(Flow::Exit);
            }
            Command::Help(topic) => self.output.print(&help::text(&topic)),
            Command::Clear => self.output.clear(),
            Command::History => {
                let lines = self.history.iter().enumerate();
                let text: String =
                    lines.map(|(n, line)| format!("{:>5}: {}\n", n + 1, neutralise(line))).collect();
                self.output.print(&text)
            }
            Command::Version => self.output.print(&format!("Version: {}\n", env!("CARGO_PKG_VERSION"))),
            Command::Output(None) => {
                let format = self.output.format;
                self.output.print(&format!("Current output format: {format}\n"))
            }
            Command::Output(Some(name)) => {
                self.output.format = name.parse().map_err(anyhow::Error::msg)?;
                let format = self.output.format;
                self.output.print(&format!("Output format set to {format}\n"))
            }
            Command::Server(None) => {
                let url = self.client.endpoint().url();
                self.output.print(&format!("{url}\n"))
            }
            Command::Server(Some(url)) => self.change_server(&url).await,
            Command::RunScript(file) => self.script(&file).await,
            Command::Spool(Some(file)) => {
                self.output.start_spool(&file)?;
                self.output.print(&format!(
                    "Session will be spooled to {}\nEnter SPOOL OFF to disable\n",
                    neutralise(&file)
                ))
            }
            Command::Spool(None) => match self.output.end_spool()? {
                true => self.output.print("Spool file closed\n"),
                false => self.output.print("No running spool!\n"),
            },
            Command::Wrap(is_wrapped) => {
                self.output.is_wrapped = is_wrapped;
                Ok(())
            }
            Command::ColumnWidth(width) => {
                self.output.column_width = width;
                Ok(())
            }
            Command::RequestPipelining => {
                self.output.print("Statements are always sent one after the other.\n")
            }
        }?;
        Ok(Flow::Continue)
    }

    async fn change_server(&mut self, url: &str) -> Result<()> {
        let endpoint = Endpoint::parse(url)?;
        let mut client = Client::new(endpoint);
        client.get("/info").await?.checked().await?.text().await?;
        self.client = client;
        // What was set belonged to the other server's names.
        self.session = Session::default();
        self.output.print("Server now: ")?;
        let url = self.client.endpoint().url();
        self.output.print(&format!("{url}\n"))
    }

    async fn script(&mut self, file: &str) -> Result<()> {
        let text = read_script(file)?;
        if self.session.script_depth >= SCRIPT_DEPTH_MAX {
            bail!("script {file:?} is run by {SCRIPT_DEPTH_MAX} scripts, one inside of the other");
        }
        self.session.script_depth += 1;
        let done = Box::pin(self.run_text(&text)).await;
        self.session.script_depth = self.session.script_depth.saturating_sub(1);
        done.with_context(|| format!("script {file:?}"))
    }

    /// Runs one statement.
    pub async fn statement(&mut self, text: &str) -> Result<()> {
        let text = expand(text.trim());
        match first_words(&text) {
            [first, _] if first == "SELECT" => self.select(&text).await,
            [first, _] if first == "PRINT" => self.print_topic(&text).await,
            [first, _] if ["SET", "UNSET", "DEFINE", "UNDEFINE"].contains(&first.as_str()) => {
                self.set(&text).await
            }
            [first, second] if second == "VARIABLES" && ["SHOW", "LIST"].contains(&first.as_str()) => {
                self.show_variables()
            }
            [first, second] if first == "RUN" && second == "SCRIPT" => match word::parse(&text) {
                Some(Ok(Command::RunScript(file))) => self.script(&file).await,
                _ => bail!("RUN SCRIPT names no file"),
            },
            _ => self.execute(&text).await,
        }
    }

    async fn set(&mut self, text: &str) -> Result<()> {
        use sql::Statement;
        let parsed = sql::parse_one(text).map_err(|error| anyhow::anyhow!(error.render(text)))?;
        match parsed.statement {
            Statement::Set { name, value } => {
                let value = self.session.substituted(&value)?;
                let path =
                    format!("/is_valid_property/{}?value={}", path_segment(&name), path_segment(&value));
                self.client.get(&path).await?.checked().await?.text().await?;
                let old = self.session.properties.insert(name.clone(), value.clone());
                let (old, value) = (old.map(|old| shown(&name, old)), shown(&name, value));
                let message = match old {
                    Some(old) => {
                        format!("Successfully changed local property '{name}' from '{old}' to '{value}'.\n")
                    }
                    None => format!(
                        "Successfully changed local property '{name}' to '{value}'. Use the UNSET command to revert your change.\n"
                    ),
                };
                self.output.say(&message)
            }
            Statement::Unset { name } => match self.session.properties.remove(&name) {
                Some(value) => {
                    let value = shown(&name, value);
                    self.output
                        .say(&format!("Successfully unset local property '{name}' (value was '{value}').\n"))
                }
                None => bail!("cannot unset local property '{name}': it was never set"),
            },
            Statement::Define { name, value } => {
                let value = self.session.substituted(&value)?;
                self.session.variables.insert(name.text.to_string(), value);
                Ok(())
            }
            Statement::Undefine { name } => {
                let is_same = |other: &String| other.eq_ignore_ascii_case(&name.text);
                match self.session.variables.keys().find(|other| is_same(other)).cloned() {
                    Some(found) => {
                        self.session.variables.remove(&found);
                        Ok(())
                    }
                    None => bail!("cannot undefine variable '{}': it was never defined", name.text),
                }
            }
            _ => Box::pin(self.execute(text)).await,
        }
    }

    fn show_variables(&mut self) -> Result<()> {
        if self.output.format == Format::Json {
            let variables: Vec<Value> = self
                .session
                .variables
                .iter()
                .map(|(name, value)| json!({"name": name, "value": shown(name, value.clone())}))
                .collect();
            return self
                .output
                .print(&entity::json(&json!([{"@type": "variables", "variables": variables}])));
        }
        let mut table = ListTable::new(["Variable Name", "Value"]);
        for (name, value) in &self.session.variables {
            table.row([name, &shown(name, value.clone())]);
        }
        self.output.print(&format!("\n{}", table.render()))
    }

    async fn execute(&mut self, text: &str) -> Result<()> {
        let body = self.session.request("ksql", text);
        let answer = tokio::select! {
            answer = self.client.post_json("/ksql", &body) => answer?,
            () = self.interrupt.wait() => bail!("the statement was sent, its answer was not waited for"),
        };
        let entities = match Self::entities(answer).await {
            Ok(entities) => entities,
            Err(error) => {
                if let Some(error) = error.downcast_ref::<ServerError>() {
                    self.show(&error.entities)?;
                }
                return Err(error);
            }
        };
        self.show(&entities)
    }

    async fn entities(answer: Response) -> Result<Vec<Value>> {
        Ok(match answer.checked().await?.json().await? {
            Value::Array(entities) => entities,
            other => vec![other],
        })
    }

    fn show(&mut self, entities: &[Value]) -> Result<()> {
        if entities.is_empty() {
            return Ok(());
        }
        if self.output.format == Format::Json {
            return self.output.print(&entity::json(&Value::Array(entities.to_vec())));
        }
        for each in entities {
            self.output.print(&format!("\n{}", entity::render(each)))?;
        }
        Ok(())
    }
}

/// The value as it may be shown: not if its name says that it is a secret.
fn shown(name: &str, value: String) -> String {
    if sql::is_secret_name(name) { "[hidden]".to_owned() } else { value }
}

/// The server counts lines from the statement's own first; says where that is.
fn placed(error: anyhow::Error, first_line: usize) -> anyhow::Error {
    match first_line {
        1 => error,
        _ => error.context(format!("statement at line {first_line}")),
    }
}

/// Reads a script with a bound on its size.
pub fn read_script(file: &str) -> Result<String> {
    use std::io::Read;
    let opened = std::fs::File::open(file).with_context(|| format!("cannot open script {file:?}"))?;
    let mut bytes = Vec::new();
    opened
        .take(SCRIPT_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read script {file:?}"))?;
    if bytes.len() as u64 > SCRIPT_BYTES_MAX {
        bail!("script {file:?} is larger than {SCRIPT_BYTES_MAX} bytes");
    }
    String::from_utf8(bytes).with_context(|| format!("script {file:?} is not UTF-8"))
}

/// Returns the first two words of a statement in upper case.
fn first_words(text: &str) -> [String; 2] {
    let word = |text: &str| text.chars().take_while(char::is_ascii_alphabetic).collect::<String>();
    let first = word(text);
    let second = word(text[first.len()..].trim_start());
    [first.to_ascii_uppercase(), second.to_ascii_uppercase()]
}
