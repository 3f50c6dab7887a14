//! A scenario's way through a real server: statements and queries as HTTP requests on loopback.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use engine::{Engine, Session};
use scenario::Door;
use serde_json::{Map, Value, json};
use server::{Running, Server, ServerConfig};
use sql::Statement;
use tokio::runtime::Runtime;

use crate::http::{Client, Endpoint};
use crate::json_text;

/// A server over the scenario's engine, and a connection to it.
pub(super) struct HttpDoor {
    runtime: Runtime,
    endpoint: Endpoint,
    running: Option<Running>,
}

impl HttpDoor {
    /// Starts a server on a free port.
    pub fn open(engine: &Engine) -> Result<Box<dyn Door>> {
        let listen = ("listeners".to_owned(), "http://127.0.0.1:0".to_owned(), "scenario".to_owned());
        let running = Server::start(engine.clone(), ServerConfig::from_settings(&[listen])?)?;
        let address = running.addresses.first().context("the server listens nowhere")?;
        let endpoint = Endpoint::parse(&format!("http://{address}"))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Box::new(Self { runtime, endpoint, running: Some(running) }))
    }

    fn statements(&self, sql: &str, session: &Session) -> Result<Value> {
        let body = json!({ "ksql": sql, "streamsProperties": session.properties, "sessionVariables": session.variables });
        self.runtime.block_on(async {
            let mut client = Client::new(self.endpoint.clone());
            client.post_json("/ksql", &body).await?.checked().await?.json().await
        })
    }

    fn query(&self, sql: &str, session: &Session, rows_max: usize, timeout: Duration) -> Result<Vec<Value>> {
        let body =
            json!({ "sql": sql, "properties": session.properties, "sessionVariables": session.variables });
        let deadline = Instant::now() + timeout;
        self.runtime.block_on(async {
            let mut client = Client::new(self.endpoint.clone());
            let mut answer = client.post_json("/query-stream", &body).await?.checked().await?;
            let mut columns: Vec<String> = Vec::new();
            let mut rows = Vec::new();
            while rows.len() < rows_max {
                let left = deadline.saturating_duration_since(Instant::now());
                let Ok(line) = tokio::time::timeout(left, answer.next_line()).await else { break };
                let Some(line) = line? else { break };
                match json_text::read(&line).with_context(|| format!("not JSON: {line:?}"))? {
                    Value::Array(values) => {
                        rows.push(Value::Object(columns.iter().cloned().zip(values).collect::<Map<_, _>>()));
                    }
                    Value::Object(mut head) if head.contains_key("columnNames") => {
                        columns = serde_json::from_value(head["columnNames"].take())?;
                    }
                    Value::Object(error) if error.contains_key("error_code") => {
                        bail!("{}", error["message"].as_str().unwrap_or_default());
                    }
                    _ => {}
                }
            }
            Ok(rows)
        })
    }
}

impl Door for HttpDoor {
    fn execute(&self, sql: &str, session: &mut Session) -> Result<String, String> {
        if let Some(said) = kept(sql, session) {
            return Ok(said);
        }
        let answer = self.statements(sql, session).map_err(|e| format!("{e:#}"))?;
        let mut said = Vec::new();
        for entity in answer.as_array().into_iter().flatten() {
            let messages = [&entity["commandStatus"]["message"], &entity["message"]];
            said.extend(messages.iter().filter_map(|m| m.as_str()).map(str::to_owned));
            let warnings = entity["warnings"].as_array().into_iter().flatten();
            said.extend(warnings.filter_map(|w| w["message"].as_str()).map(str::to_owned));
        }
        Ok(said.join("\n"))
    }

    fn rows(
        &self,
        sql: &str,
        session: &Session,
        rows_max: usize,
        timeout: Duration,
    ) -> Result<Vec<Value>, String> {
        self.query(sql, session, rows_max, timeout).map_err(|e| format!("{e:#}"))
    }
}

impl Drop for HttpDoor {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.shutdown();
        }
    }
}

/// Takes a statement that a client keeps for itself; returns what to say, or `None` for the server's statements.
fn kept(sql: &str, session: &mut Session) -> Option<String> {
    Some(match sql::parse_one(sql).ok()?.statement {
        Statement::Set { name, value } => {
            let said = format!("Successfully changed local property '{name}' to '{value}'.");
            session.properties.insert(name, value);
            said
        }
        Statement::Unset { name } => {
            session.properties.remove(&name);
            format!("Successfully unset local property '{name}'.")
        }
        Statement::Define { name, value } => {
            session.variables.insert(name.text.to_string(), value);
            String::new()
        }
        Statement::Undefine { name } => {
            session.variables.remove(&*name.text);
            String::new()
        }
        _ => return None,
    })
}
