//! SELECT and PRINT: rows shown as they come, until the end, a bound or Ctrl-C.

use std::pin::pin;
#[cfg(test)]
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use hyper::Method;
use serde_json::Value;
#[cfg(test)]
use tokio::sync::Notify;

use super::{Format, Shell};
use crate::{
    http::{Client, Response, ServerError},
    json_text,
    table::RowTable,
    terminal::{neutralise_json, neutralise_lines},
};

/// What ends a running query.
#[derive(Clone)]
pub enum Interrupt {
    /// Ctrl-C.
    Keyboard,
    /// Whoever notifies: a test.
    #[cfg(test)]
    Notified(Arc<Notify>),
}

impl Interrupt {
    /// Waits until it happens.
    pub async fn wait(&self) {
        match self {
            Self::Keyboard => {
                if tokio::signal::ctrl_c().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
            #[cfg(test)]
            Self::Notified(notify) => notify.notified().await,
        }
    }
}

/// How reading a stream of lines ended.
enum End {
    /// The server has no more.
    Done,
    /// Ctrl-C.
    Interrupted,
    /// The number of rows given on the command line.
    RowLimit,
    /// The time given on the command line.
    Timeout,
}

impl Shell {
    /// Runs a SELECT.
    pub(super) async fn select(&mut self, text: &str) -> Result<()> {
        let answer = self.start_query("/query-stream", text).await?;
        let Some(mut answer) = answer else { return self.output.print("Query terminated\n") };
        let mut rows = Rows::default();
        let end = self.lines(&mut answer, &mut rows).await?;
        let end_message = rows.final_message.as_deref().or_else(|| end_message(text, rows.seen));
        self.end_query(&end, end_message)
    }

    /// Runs a PRINT.
    pub(super) async fn print_topic(&mut self, text: &str) -> Result<()> {
        let answer = self.start_query("/query", text).await?;
        let Some(mut answer) = answer else { return self.output.print("Topic printing ceased\n") };
        let end = self.lines(&mut answer, &mut Printed).await?;
        match end {
            End::Done => self.output.flush(),
            _ => self.output.print("Topic printing ceased\n"),
        }
    }

    /// A connection of its own: leaving it ends the query, and statements are not held up by it.
    async fn start_query(&mut self, path: &str, text: &str) -> Result<Option<Response>> {
        let body = self.session.request(if path == "/query" { "ksql" } else { "sql" }, text);
        let mut client = Client::new(self.client.endpoint().clone());
        let sent = client.send(Method::POST, path, "application/json", body.to_string().into());
        tokio::select! {
            answer = sent => Ok(Some(answer?.checked().await?)),
            () = self.interrupt.wait() => Ok(None),
        }
    }

    async fn lines(&mut self, answer: &mut Response, show: &mut impl ShowLine) -> Result<End> {
        let interrupt = self.interrupt.clone();
        let mut interrupted = pin!(interrupt.wait());
        let bounds = self.bounds;
        let mut timeout = pin!(async move {
            match bounds.timeout {
                Some(timeout) => tokio::time::sleep(timeout).await,
                None => std::future::pending().await,
            }
        });
        let mut quiet = pin!(tokio::time::sleep(bounds.notice_after));
        let mut is_quiet_known = false;
        let mut seen: u64 = 0;
        loop {
            if bounds.rows_max.is_some_and(|rows_max| seen >= rows_max) {
                return Ok(End::RowLimit);
            }
            if !answer.has_line() {
                self.output.flush()?;
            }
            let line = tokio::select! {
                biased;
                () = &mut interrupted => return Ok(End::Interrupted),
                line = answer.next_line() => line?,
                () = &mut timeout => return Ok(End::Timeout),
                () = &mut quiet, if !is_quiet_known => {
                    is_quiet_known = true;
                    if seen == 0 && let Some(notice) = show.notice() {
                        self.output.print(&format!("{}\n", neutralise_lines(&notice)))?;
                    }
                    continue;
                }
            };
            let Some(line) = line else { return Ok(End::Done) };
            if !line.trim().is_empty() && show.show(self, &line)? {
                seen += 1;
            }
        }
    }

    fn end_query(&mut self, end: &End, end_message: Option<&str>) -> Result<()> {
        if self.output.format == Format::Json {
            return self.output.flush();
        }
        match (end, end_message) {
            (End::Done, Some(message)) => self.output.say(&format!("{message}\n"))?,
            (End::RowLimit, _) => self.output.print("Limit Reached\n")?,
            (End::Timeout, _) => self.output.print("Time limit reached\n")?,
            (End::Done, None) | (End::Interrupted, _) => {}
        }
        self.output.print("Query terminated\n")?;
        self.output.flush()
    }
}

/// What the end of a query's rows means, as ksqlDB's shell says it.
fn end_message(text: &str, seen: u64) -> Option<&'static str> {
    let Ok(sql::Statement::Query(query)) = sql::parse_one(text).map(|parsed| parsed.statement) else {
        return None;
    };
    // EMIT CHANGES goes on by itself, so that only LIMIT can have ended it.
    let is_limit =
        query.emit.is_some() || query.limit.is_some_and(|limit| limit >= 0 && seen >= limit as u64);
    is_limit.then_some("Limit Reached")
}

/// Shows lines of an answer.
trait ShowLine {
    /// Shows a line; true if it was a row.
    fn show(&mut self, shell: &mut Shell, line: &str) -> Result<bool>;

    /// What to tell when nothing comes.
    fn notice(&mut self) -> Option<String> {
        None
    }
}

/// PRINT's lines, shown as they are.
struct Printed;

impl ShowLine for Printed {
    fn show(&mut self, shell: &mut Shell, line: &str) -> Result<bool> {
        shell.output.print(&format!("{}\n", neutralise_lines(line)))?;
        Ok(!line.starts_with("Key format:") && !line.starts_with("Value format:"))
    }
}

/// Lines of `/query-stream`: the columns, then an array for each row.
#[derive(Default)]
struct Rows {
    table: Option<RowTable>,
    notice: Option<String>,
    final_message: Option<String>,
    seen: u64,
}

impl ShowLine for Rows {
    fn show(&mut self, shell: &mut Shell, line: &str) -> Result<bool> {
        let value: Value = json_text::read(line).context("cannot read a row of the server's answer")?;
        let is_json = shell.output.format == Format::Json;
        match value {
            Value::Array(values) => {
                let Some(table) = &self.table else { bail!("the server sent rows before their columns") };
                let text = if is_json { format!("{}\n", neutralise_json(line)) } else { table.row(&values) };
                shell.output.print(&text)?;
                self.seen += 1;
                Ok(true)
            }
            Value::Object(_) if value["columnNames"].is_array() => {
                let names = value["columnNames"].as_array().map_or(&[][..], Vec::as_slice);
                let names: Vec<String> =
                    names.iter().map(|name| name.as_str().unwrap_or("").to_owned()).collect();
                let output = &mut shell.output;
                let table = RowTable::new(&names, output.width, output.column_width, output.is_wrapped);
                let text = if is_json { format!("{}\n", neutralise_json(line)) } else { table.header() };
                output.print(&text)?;
                self.table = Some(table);
                self.notice = value["notice"].as_str().map(str::to_owned);
                Ok(false)
            }
            Value::Object(_) if value["row"].is_object() => {
                let row = &value["row"];
                let values = row["columns"].as_array().map_or(&[][..], Vec::as_slice);
                let Some(table) = &self.table else { bail!("the server sent rows before their columns") };
                let text = match row["tombstone"].as_bool() {
                    _ if is_json => format!("{}\n", neutralise_json(line)),
                    Some(true) => table.tombstone(values),
                    _ => table.row(values),
                };
                shell.output.print(&text)?;
                self.seen += 1;
                Ok(true)
            }
            Value::Object(_) if value["error_code"].is_u64() => Err(ServerError::from_json(value).into()),
            Value::Object(_) if value["errorMessage"].is_object() => {
                Err(ServerError::from_json(value["errorMessage"].clone()).into())
            }
            mut other => {
                for name in ["finalMessage", "limitMessage"] {
                    if let Value::String(message) = other[name].take() {
                        self.final_message = Some(message);
                    }
                }
                Ok(false)
            }
        }
    }

    fn notice(&mut self) -> Option<String> {
        self.notice.take()
    }
}
