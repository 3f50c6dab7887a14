//! What the server asks of the engine: a trait, so that tests can put canned rows behind it.

use std::sync::Arc;
use std::time::Duration;

use engine::{
    CommandStatus, Engine, EngineError, Entity, Fetch, FetchedRecord, Metric, PrintedRecord,
    ProducerSequence, PropertyInfo, ResultSchema, RowEvent, Session, Taken, TopicDescription,
};

/// A record to append: timestamp in ms (none: now), key, value.
pub type NewRecord = (Option<i64>, Option<Vec<u8>>, Option<Vec<u8>>);

/// Rows of a query, as they come; see [`engine::Rows`].
pub trait RowSource: Send + 'static {
    /// The next event, `None` when nothing came in time.
    fn next(&mut self, timeout: Duration) -> Option<RowEvent>;
    /// Has `wake` called whenever `next` may have something.
    fn on_ready(&mut self, wake: Arc<dyn Fn() + Send + Sync>);
}

/// A PRINT in progress; see [`engine::Printing`].
pub trait Printer: Send + 'static {
    /// Some records; `Ok(None)`: nothing yet; an empty list: it has ended.
    fn next(&mut self, timeout: Duration) -> Result<Option<Vec<PrintedRecord>>, EngineError>;
    /// The guessed formats of key and value.
    fn formats(&self) -> (String, String);
}

/// A query that was started; see [`engine::RunningQuery`].
pub struct QueryRows {
    /// Its id, for `/close-query`.
    pub id: String,
    /// The columns.
    pub schema: ResultSchema,
    /// Whether it goes on until it is closed.
    pub is_push: bool,
    /// Whether it looked into a table that a query keeps.
    pub is_lookup: bool,
    /// Something the user should know.
    pub notice: Option<String>,
    /// The rows.
    pub rows: Box<dyn RowSource>,
}

/// The engine as the server sees it; the methods are those of [`Engine`].
#[allow(missing_docs, reason = "each method is Engine's of the same name")]
pub trait Backend: Send + Sync + 'static {
    fn execute(
        &self,
        sql: &str,
        session: &mut Session,
        answered: &mut Vec<Entity>,
    ) -> Result<(), EngineError>;
    fn query(&self, sql: &str, session: &Session) -> Result<QueryRows, EngineError>;
    fn print(&self, sql: &str, session: &Session) -> Result<Box<dyn Printer>, EngineError>;
    fn fetch(&self, topic: &str, fetch: Fetch) -> Result<Vec<FetchedRecord>, EngineError>;
    fn close_query(&self, id: &str) -> bool;
    fn insert_json(&self, target: &str, row: &str) -> Result<(), EngineError>;
    fn produce(&self, topic: &str, partition: Option<u32>, records: &[NewRecord]) -> Result<(), EngineError>;
    fn produce_once(
        &self,
        topic: &str,
        partition: Option<u32>,
        records: &[NewRecord],
        sequence: &ProducerSequence,
    ) -> Result<Taken, EngineError>;
    fn create_topic(
        &self,
        name: &str,
        partitions: Option<u32>,
        settings: &[(String, String)],
    ) -> Result<(), EngineError>;
    fn alter_topic(&self, name: &str, changes: &[(String, Option<String>)]) -> Result<(), EngineError>;
    fn delete_topic(&self, name: &str) -> Result<(), EngineError>;
    fn describe_topic(&self, name: &str) -> Result<TopicDescription, EngineError>;
    fn properties(&self, session: &Session) -> Vec<PropertyInfo>;
    fn check_session_property(&self, name: &str, value: Option<&str>) -> Result<(), EngineError>;
    fn service_id(&self) -> String;
    fn health(&self) -> Vec<(&'static str, bool, Option<String>)>;
    fn metrics(&self) -> Vec<Metric>;
    fn command_status(&self, command_id: &str) -> Option<CommandStatus>;
    fn names(&self) -> Vec<String>;
}

impl Backend for Engine {
    fn execute(
        &self,
        sql: &str,
        session: &mut Session,
        answered: &mut Vec<Entity>,
    ) -> Result<(), EngineError> {
        Engine::execute(self, sql, session, answered)
    }

    fn query(&self, sql: &str, session: &Session) -> Result<QueryRows, EngineError> {
        let query = Engine::query(self, sql, session)?;
        Ok(QueryRows {
            id: query.id,
            schema: query.schema,
            is_push: query.is_push,
            is_lookup: query.is_lookup,
            notice: query.notice,
            rows: Box::new(query.rows),
        })
    }

    fn print(&self, sql: &str, session: &Session) -> Result<Box<dyn Printer>, EngineError> {
        Ok(Box::new(Engine::print(self, sql, session)?))
    }

    fn fetch(&self, topic: &str, fetch: Fetch) -> Result<Vec<FetchedRecord>, EngineError> {
        Engine::fetch(self, topic, fetch)
    }

    fn close_query(&self, id: &str) -> bool {
        Engine::close_query(self, id)
    }

    fn insert_json(&self, target: &str, row: &str) -> Result<(), EngineError> {
        Engine::insert_json(self, target, row)
    }

    fn produce(&self, topic: &str, partition: Option<u32>, records: &[NewRecord]) -> Result<(), EngineError> {
        Engine::produce(self, topic, partition, records)
    }

    fn produce_once(
        &self,
        topic: &str,
        partition: Option<u32>,
        records: &[NewRecord],
        sequence: &ProducerSequence,
    ) -> Result<Taken, EngineError> {
        Engine::produce_once(self, topic, partition, records, sequence)
    }

    fn create_topic(
        &self,
        name: &str,
        partitions: Option<u32>,
        settings: &[(String, String)],
    ) -> Result<(), EngineError> {
        Engine::create_topic(self, name, partitions, settings)
    }

    fn alter_topic(&self, name: &str, changes: &[(String, Option<String>)]) -> Result<(), EngineError> {
        Engine::alter_topic(self, name, changes)
    }

    fn delete_topic(&self, name: &str) -> Result<(), EngineError> {
        Engine::delete_topic(self, name)
    }

    fn describe_topic(&self, name: &str) -> Result<TopicDescription, EngineError> {
        Engine::describe_topic(self, name)
    }

    fn properties(&self, session: &Session) -> Vec<PropertyInfo> {
        Engine::properties(self, session)
    }

    fn check_session_property(&self, name: &str, value: Option<&str>) -> Result<(), EngineError> {
        Engine::check_session_property(name, value)
    }

    fn service_id(&self) -> String {
        Engine::service_id(self)
    }

    fn health(&self) -> Vec<(&'static str, bool, Option<String>)> {
        Engine::health(self)
    }

    fn metrics(&self) -> Vec<Metric> {
        Engine::metrics(self)
    }

    fn command_status(&self, command_id: &str) -> Option<CommandStatus> {
        Engine::command_status(self, command_id)
    }

    fn names(&self) -> Vec<String> {
        Engine::names(self)
    }
}

impl RowSource for engine::Rows {
    fn next(&mut self, timeout: Duration) -> Option<RowEvent> {
        engine::Rows::next(self, timeout)
    }

    fn on_ready(&mut self, wake: Arc<dyn Fn() + Send + Sync>) {
        engine::Rows::on_ready(self, wake);
    }
}

impl Printer for engine::Printing {
    fn next(&mut self, timeout: Duration) -> Result<Option<Vec<PrintedRecord>>, EngineError> {
        engine::Printing::next(self, timeout)
    }

    fn formats(&self) -> (String, String) {
        engine::Printing::formats(self)
    }
}
