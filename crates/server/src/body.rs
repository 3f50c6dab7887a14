//! Bodies of answers: whole, or made while the client reads.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::sync::mpsc;

use crate::error::ApiError;

/// JSON.
pub const JSON: &str = "application/json";
/// ksqlDB's JSON.
pub const KSQL_JSON: &str = "application/vnd.ksql.v1+json";
/// ksqlDB's lines of JSON.
pub const DELIMITED: &str = "application/vnd.ksqlapi.delimited.v1";
/// Lines for people.
pub const PLAIN: &str = "text/plain; charset=utf-8";

/// Makes pieces of a body when asked to.
pub trait Pieces: Send + 'static {
    /// The next piece, `None` at the end. Only called when the client has room for it.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>>;
}

/// The body of an answer.
pub struct Reply {
    content: Content,
    /// Dropped when the body was sent or given up.
    held: Vec<Box<dyn Send>>,
}

enum Content {
    Whole(Option<Bytes>),
    Made(Box<dyn Pieces>),
    Sent,
}

impl Reply {
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { content: Content::Whole((!bytes.is_empty()).then_some(bytes)), held: Vec::new() }
    }

    pub fn made(pieces: impl Pieces) -> Self {
        Self { content: Content::Made(Box::new(pieces)), held: Vec::new() }
    }

    /// Keeps one more thing until the body was sent or given up.
    pub fn holding_also(mut self, held: impl Send + 'static) -> Self {
        self.held.push(Box::new(held));
        self
    }

    /// Drops the content, as for HEAD.
    pub fn emptied(self) -> Self {
        Self { content: Content::Whole(None), held: self.held }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = match &mut self.content {
            Content::Whole(bytes) => Poll::Ready(bytes.take()),
            Content::Made(pieces) => pieces.poll_piece(cx),
            Content::Sent => Poll::Ready(None),
        };
        match piece {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(bytes)) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            Poll::Ready(None) => {
                self.content = Content::Sent;
                self.held.clear();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.content, Content::Whole(None) | Content::Sent)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Content::Made(_) => SizeHint::default(),
            Content::Sent => SizeHint::with_exact(0),
        }
    }
}

/// Pieces that a task makes, a bounded number ahead.
pub struct FromTask(pub mpsc::Receiver<Bytes>);

impl Pieces for FromTask {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.0.poll_recv(cx)
    }
}

/// An answer with a body of that type.
pub fn respond(status: StatusCode, content_type: &'static str, body: Reply) -> Response<Reply> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// 200 with JSON.
pub fn ok_json(json: Vec<u8>) -> Response<Reply> {
    respond(StatusCode::OK, JSON, Reply::whole(json))
}

/// The answer for an error.
pub fn respond_error(error: &ApiError) -> Response<Reply> {
    let mut response = respond(error.status, JSON, Reply::whole(error.to_json()));
    if let Some(allow) = error.allow.as_ref().and_then(|allow| HeaderValue::from_str(allow).ok()) {
        response.headers_mut().insert(hyper::header::ALLOW, allow);
    }
    response
}
