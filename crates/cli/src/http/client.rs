//! Requests to one server over one kept connection.
//!
//! A connection that was closed while idle is opened anew and the request sent again, but only if none of it
//! was sent: a statement is never run twice. Dropping an unfinished [`Response`] closes its connection, which is
//! how a query is ended.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, body::Incoming, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::Endpoint;
use crate::json_text;

/// Longest line of a streamed answer.
const LINE_BYTES_MAX: usize = 256 << 20;
/// Longest answer that is taken as a whole.
const ANSWER_BYTES_MAX: usize = 256 << 20;
/// How long opening a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// An error that a server told.
#[derive(Debug)]
pub struct ServerError {
    /// ksqlDB's code, or the status × 100.
    pub code: u64,
    /// What is wrong, perhaps with the place on lines of its own.
    pub message: String,
    /// Answers to the statements before the failed one.
    pub entities: Vec<Value>,
}

impl std::fmt::Display for ServerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ServerError {}

impl ServerError {
    /// Takes ksqlDB's error object.
    pub fn from_json(mut error: Value) -> Self {
        let mut message = error["message"].as_str().unwrap_or("the server told no reason").to_owned();
        // What the engine refuses has its hint in the message, what the server itself refuses beside it.
        if let Some(hint) = error["hint"].as_str().filter(|hint| !message.contains(hint)) {
            message.push_str(&format!("\n  hint: {hint}"));
        }
        Self {
            code: error["error_code"].as_u64().unwrap_or(0),
            message,
            entities: match error["entities"].take() {
                Value::Array(entities) => entities,
                _ => Vec::new(),
            },
        }
    }
}

/// Sends requests to a server.
pub struct Client {
    endpoint: Endpoint,
    connection: Option<http1::SendRequest<Full<Bytes>>>,
}

impl Client {
    /// Takes the server's place; nothing is opened yet.
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, connection: None }
    }

    /// Returns where the server is.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Asks for a path.
    pub async fn get(&mut self, path: &str) -> Result<Response> {
        self.send(Method::GET, path, "", Bytes::new()).await
    }

    /// Posts JSON.
    pub async fn post_json(&mut self, path: &str, body: &Value) -> Result<Response> {
        self.send(Method::POST, path, "application/json", body.to_string().into()).await
    }

    /// Sends a request; any status is a response, only a broken connection is an error.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Bytes,
    ) -> Result<Response> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.endpoint.authority())
            .header(header::USER_AGENT, concat!("tripline/", env!("CARGO_PKG_VERSION")));
        if !content_type.is_empty() {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        if let Some(authorization) = &self.endpoint.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let mut request = request.body(Full::new(body)).context("cannot form the request")?;
        for is_last in [false, true] {
            let mut connection = self.connect().await?;
            match connection.try_send_request(request).await {
                Ok(response) => {
                    self.connection = Some(connection);
                    return Ok(Response { response, buffer: Vec::new(), place: 0, is_done: false });
                }
                Err(mut error) => match error.take_message() {
                    Some(unsent) if !is_last => request = unsent,
                    _ => {
                        return Err(error.into_error())
                            .with_context(|| format!("lost the connection to {}", self.endpoint.url()));
                    }
                },
            }
        }
        bail!("cannot reach {}", self.endpoint.url())
    }

    async fn connect(&mut self) -> Result<http1::SendRequest<Full<Bytes>>> {
        if let Some(mut connection) = self.connection.take()
            && connection.ready().await.is_ok()
        {
            return Ok(connection);
        }
        let url = self.endpoint.url();
        let opened = TcpStream::connect((self.endpoint.host.as_str(), self.endpoint.port));
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, opened)
            .await
            .with_context(|| format!("cannot connect to {url}: no answer"))?
            .with_context(|| format!("cannot connect to {url}; is the server running?"))?;
        let _ = stream.set_nodelay(true);
        let (sender, driver) =
            http1::handshake(TokioIo::new(stream)).await.with_context(|| format!("cannot talk to {url}"))?;
        // Ends by itself when the sender and the response are dropped.
        tokio::spawn(async move {
            let _ = driver.await;
        });
        Ok(sender)
    }
}

/// An answer, read as it comes.
pub struct Response {
    response: hyper::Response<Incoming>,
    buffer: Vec<u8>,
    place: usize,
    is_done: bool,
}

impl Response {
    /// Returns the status.
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// Returns the answer itself when the status says success, and else the error it tells.
    pub async fn checked(self) -> Result<Self> {
        if self.response.status().is_success() {
            return Ok(self);
        }
        let status = self.status();
        let text = self.text().await?;
        match json_text::read(&text) {
            Some(error) if error["message"].is_string() => Err(ServerError::from_json(error).into()),
            _ => bail!(
                "the server answered with status {status}: {}",
                text.chars().take(500).collect::<String>()
            ),
        }
    }

    /// Returns the whole answer.
    pub async fn text(mut self) -> Result<String> {
        while !self.is_done {
            self.read_more().await?;
            if self.buffer.len() > ANSWER_BYTES_MAX {
                bail!("the server's answer is longer than {ANSWER_BYTES_MAX} bytes");
            }
        }
        Ok(String::from_utf8_lossy(&self.buffer).into_owned())
    }

    /// Returns the whole answer as JSON.
    pub async fn json(self) -> Result<Value> {
        let text = self.text().await?;
        json_text::read(&text).context("the server's answer is not JSON")
    }

    /// Returns the next line without its end, `None` after the last; blank lines count.
    ///
    /// Nothing is lost when the call is given up while it waits.
    pub async fn next_line(&mut self) -> Result<Option<String>> {
        let mut searched = self.place;
        loop {
            if let Some(length) = self.buffer[searched..].iter().position(|byte| *byte == b'\n') {
                let end = searched + length;
                let line = String::from_utf8_lossy(&self.buffer[self.place..end]).into_owned();
                self.place = end + 1;
                return Ok(Some(line));
            }
            if self.is_done {
                let rest = String::from_utf8_lossy(&self.buffer[self.place..]).into_owned();
                self.place = self.buffer.len();
                return Ok((!rest.is_empty()).then_some(rest));
            }
            self.buffer.drain(..self.place);
            self.place = 0;
            searched = self.buffer.len();
            if searched > LINE_BYTES_MAX {
                bail!("a line of the server's answer is longer than {LINE_BYTES_MAX} bytes");
            }
            self.read_more().await?;
        }
    }

    /// Tells whether a line is there without waiting.
    pub fn has_line(&self) -> bool {
        self.buffer[self.place..].contains(&b'\n')
    }

    async fn read_more(&mut self) -> Result<()> {
        match self.response.body_mut().frame().await {
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    self.buffer.extend_from_slice(&data);
                }
            }
            Some(Err(error)) => return Err(error).context("the server broke its answer off"),
            None => self.is_done = true,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::fake::FakeServer, *};

    fn client(server: &FakeServer) -> Client {
        Client::new(Endpoint::parse(&server.url()).unwrap())
    }

    #[test]
    fn lines_come_one_by_one_and_the_connection_is_kept() {
        let server = FakeServer::start(|request| match request.path.as_str() {
            "/lines" => (200, "a\n\nb".to_owned()),
            _ => (200, request.connection.to_string()),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut client = client(&server);
            let mut lines = client.get("/lines").await.unwrap();
            let mut found = Vec::new();
            while let Some(line) = lines.next_line().await.unwrap() {
                found.push(line);
            }
            assert_eq!(found, ["a", "", "b"]);
            let first = client.get("/n").await.unwrap().text().await.unwrap();
            let second = client.get("/n").await.unwrap().text().await.unwrap();
            assert_eq!(first, second);
        });
    }

    #[test]
    fn error_object_becomes_an_error_with_its_message() {
        let server = FakeServer::start(|_| {
            (
                400,
                r#"{"@type":"generic_error","error_code":40001,"message":"no \"x\"   line 1:1"}"#.to_owned(),
            )
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let answer = client(&server).get("/").await.unwrap();
            let error = answer.checked().await.err().unwrap();
            assert_eq!(error.to_string(), "no \"x\"   line 1:1");
            assert_eq!(error.downcast_ref::<ServerError>().unwrap().code, 40001);
        });
    }

    #[test]
    fn nobody_there_is_an_error_with_the_address() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut client = Client::new(Endpoint::parse(&address.to_string()).unwrap());
            let error = client.get("/").await.err().unwrap();
            assert!(error.to_string().contains(&address.to_string()), "{error}");
        });
    }
}
