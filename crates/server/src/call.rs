//! One request on its way to its endpoint.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use engine::Session;
use hyper::Response;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::body::Reply;
use crate::error::ApiError;
use crate::request_body::{Chunked, parse_json, read_whole};
use crate::state::State;

/// What an endpoint gives back.
pub type Answer = Result<Response<Reply>, ApiError>;
/// An endpoint at work.
pub type Working = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// A request and all that is needed to answer it.
pub struct Call {
    pub state: Arc<State>,
    pub parts: Parts,
    pub body: Incoming,
    /// The parts of the path that the pattern leaves open, decoded.
    pub params: Vec<String>,
}

impl Call {
    /// The body as JSON.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, ApiError> {
        parse_json(&self.whole().await?)
    }

    /// The body, bounded as statements are.
    pub async fn whole(self) -> Result<Bytes, ApiError> {
        let limits = &self.state.config.limits;
        read_whole(self.body, limits.statement_bytes_max, limits.body_timeout).await
    }

    /// The body piece by piece.
    pub fn chunked(self) -> Chunked {
        let limits = &self.state.config.limits;
        Chunked::new(self.body, limits.line_bytes_max, limits.stream_pause_max)
    }

    /// Whether `Accept` names the media type.
    pub fn accepts(&self, media_type: &str) -> bool {
        self.parts
            .headers
            .get_all(ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|item| item.split(';').next())
            .any(|item| item.trim().eq_ignore_ascii_case(media_type))
    }

    /// The media type of the body in lower case, without parameters.
    pub fn content_type(&self) -> Option<String> {
        let value = self.parts.headers.get(CONTENT_TYPE)?.to_str().ok()?;
        Some(value.split(';').next().unwrap_or("").trim().to_ascii_lowercase())
    }

    /// The last value of a query parameter, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        let pairs = self.parts.uri.query()?.split('&');
        pairs
            .filter_map(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                (percent_decoded(key)? == name).then_some(value)
            })
            .next_back()
            .and_then(percent_decoded)
    }

    /// A query parameter that is a number.
    pub fn query_number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, ApiError> {
        self.query(name)
            .map(|value| {
                value.parse().map_err(|_| {
                    ApiError::bad_request("bad_parameter", format!("parameter \"{name}\" is not a number"))
                })
            })
            .transpose()
    }
}

/// A path segment or query value with its `%XX` decoded; `None` if that is no text.
pub fn percent_decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                out.push((high * 16 + low) as u8);
            }
            _ => out.push(byte),
        }
    }
    String::from_utf8(out).ok()
}

/// The body of `/ksql`, `/query` and `/query-stream`; unknown members are ignored, as in ksqlDB.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatementRequest {
    /// `ksql` in `/ksql` and `/query`, `sql` in `/query-stream`; each takes both.
    #[serde(default, alias = "ksql")]
    sql: Option<String>,
    #[serde(default, alias = "streamsProperties")]
    properties: Option<BTreeMap<String, serde_json::Value>>,
    #[serde(default)]
    session_variables: Option<BTreeMap<String, serde_json::Value>>,
}

impl StatementRequest {
    /// The statements.
    pub fn sql(&mut self) -> Result<String, ApiError> {
        self.sql.take().ok_or_else(|| {
            ApiError::bad_request("no_statement", "request body has no statement")
                .hint("send {\"ksql\": \"…\"} or {\"sql\": \"…\"}")
        })
    }

    /// The client's settings and variables.
    pub fn session(&mut self) -> Session {
        let texts = |values: Option<BTreeMap<String, serde_json::Value>>| {
            values.unwrap_or_default().into_iter().map(|(name, value)| (name, plain_text(value))).collect()
        };
        Session { properties: texts(self.properties.take()), variables: texts(self.session_variables.take()) }
    }
}

fn plain_text(value: serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text,
        serde_json::Value::Null => String::new(),
        other => other.to_string(),
    }
}
