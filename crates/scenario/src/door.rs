//! Through which door statements and queries go: straight into the engine, or through a server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{Engine, Entity, RowEvent, Session};
use formats::json::ObjectEncoder;
use serde_json::Value;

/// Where statements and queries are sent.
pub trait Door {
    /// Executes statements that give no rows; answers what was said, or the error as a person reads it.
    fn execute(&self, sql: &str, session: &mut Session) -> Result<String, String>;

    /// The rows of a query as JSON objects: all of a pull query, else up to LIMIT or `rows_max`.
    fn rows(
        &self,
        sql: &str,
        session: &Session,
        rows_max: usize,
        timeout: Duration,
    ) -> Result<Vec<Value>, String>;
}

/// Opens the door of [`crate::Way::Server`]: a server over the engine.
pub type ServerDoor = Arc<dyn Fn(&Engine) -> Result<Box<dyn Door>, String> + Send + Sync>;

/// How long to wait for rows at a time.
const ROWS_WAIT: Duration = Duration::from_millis(20);

/// Straight into the engine.
pub(crate) struct EngineDoor(pub Engine);

impl Door for EngineDoor {
    fn execute(&self, sql: &str, session: &mut Session) -> Result<String, String> {
        let mut answered = Vec::new();
        self.0.execute(sql, session, &mut answered).map_err(|e| e.render())?;
        Ok(answered.into_iter().map(said).collect::<Vec<_>>().join("\n"))
    }

    fn rows(
        &self,
        sql: &str,
        session: &Session,
        rows_max: usize,
        timeout: Duration,
    ) -> Result<Vec<Value>, String> {
        let mut query = self.0.query(sql, session).map_err(|e| e.render())?;
        let encoder = ObjectEncoder::new(&query.schema.columns);
        let deadline = Instant::now() + timeout;
        let mut rows = Vec::new();
        while !query.is_push || rows.len() < rows_max {
            match query.rows.next(ROWS_WAIT) {
                Some(RowEvent::Rows(more)) => {
                    for row in more {
                        let mut text = Vec::new();
                        encoder.write_row(&row.values, &mut text);
                        rows.push(serde_json::from_slice(&text).map_err(|e| e.to_string())?);
                    }
                }
                Some(RowEvent::End { .. }) => break,
                Some(RowEvent::Failed(error)) => return Err(error.render()),
                None if Instant::now() >= deadline => break,
                None => {}
            }
        }
        Ok(rows)
    }
}

fn said(entity: Entity) -> String {
    match entity {
        Entity::Status(status) => [vec![status.message], status.warnings].concat().join("\n"),
        Entity::QueryStatus { message, .. } | Entity::Warning(message) => message,
        _ => String::new(),
    }
}
