//! `POST /inserts-stream`: rows in, acknowledgements out, in order, while both go on.
//!
//! The first line is `{"target":"NAME"}`, each other line one row as a JSON object. A row that is wrong is
//! answered by an error acknowledgement and the stream goes on; any other failure ends it.

use std::sync::Arc;

use bytes::Bytes;
use engine::EngineError;
use hyper::StatusCode;
use serde::Deserialize;
use tokio::sync::mpsc;
use types::ErrorKind;

use crate::backend::Backend;
use crate::body::{DELIMITED, FromTask, JSON, Reply, respond};
use crate::call::{Answer, Call};
use crate::error::ApiError;
use crate::json;
use crate::request_body::{Chunked, parse_json};
use crate::state::State;

/// Rows given to the engine in one call.
const ROWS_MAX: usize = 256;

/// Pieces of acknowledgements made ahead of the client; when they are not read, no more rows are taken.
const PIECES_MAX: usize = 4;

#[derive(Deserialize)]
struct Head {
    target: String,
}

/// `POST /inserts-stream`.
pub async fn post(call: Call) -> Answer {
    let state = call.state.clone();
    let is_array = call.accepts(JSON) && !call.accepts(DELIMITED);
    let mut lines = call.chunked();
    let head = lines.next_line().await?.ok_or_else(|| {
        ApiError::bad_request("no_target", "the first line has to name the target")
            .hint("begin with {\"target\":\"NAME\"}")
    })?;
    let Head { target } = parse_json(&head)?;
    let (tx, rx) = mpsc::channel(PIECES_MAX);
    let mut stopping = state.stopping.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = run(lines, target, is_array, &state, &tx) => {}
            _ = stopping.wait_for(|is_stopping| *is_stopping) => {}
            () = tx.closed() => {}
        }
    });
    let content_type = if is_array { JSON } else { DELIMITED };
    Ok(respond(StatusCode::OK, content_type, Reply::made(FromTask(rx))))
}

async fn run(
    mut lines: Chunked,
    target: String,
    is_array: bool,
    state: &Arc<State>,
    tx: &mpsc::Sender<Bytes>,
) {
    let target: Arc<str> = target.into();
    let mut acks = Acks { sequence: 0, is_array, out: Vec::new() };
    let mut goes_on = true;
    while goes_on {
        let mut rows = Vec::new();
        match lines.next_line().await {
            Ok(Some(row)) => rows.push(row),
            Ok(None) => break,
            Err(error) => {
                acks.push(Err(error));
                break;
            }
        }
        while rows.len() < ROWS_MAX
            && let Some(row) = lines.ready_line()
        {
            rows.push(row);
        }
        let target = Arc::clone(&target);
        match state.call(move |backend| insert(backend, &target, &rows)).await {
            Ok(results) => {
                goes_on = results.iter().all(may_go_on);
                for result in results {
                    acks.push(result.map_err(ApiError::from));
                }
            }
            Err(error) => {
                acks.push(Err(error));
                goes_on = false;
            }
        }
        if tx.send(acks.take()).await.is_err() {
            return;
        }
    }
    let _ = tx.send(acks.finish()).await;
}

/// One result for each row, up to the first failure that is not the row's.
fn insert(backend: &dyn Backend, target: &str, rows: &[Bytes]) -> Vec<Result<(), EngineError>> {
    let mut results = Vec::with_capacity(rows.len());
    for row in rows {
        let result = match std::str::from_utf8(row) {
            Ok(row) => backend.insert_json(target, row.trim()),
            Err(_) => Err(EngineError::new(ErrorKind::Data, "bad_json", "the row is not UTF-8")),
        };
        let goes_on = may_go_on(&result);
        results.push(result);
        if !goes_on {
            break;
        }
    }
    results
}

fn may_go_on(result: &Result<(), EngineError>) -> bool {
    !result.as_ref().is_err_and(|error| matches!(error.kind, ErrorKind::External | ErrorKind::Internal))
}

struct Acks {
    sequence: u64,
    is_array: bool,
    out: Vec<u8>,
}

impl Acks {
    fn push(&mut self, result: Result<(), ApiError>) {
        if self.is_array {
            self.out.extend_from_slice(if self.sequence == 0 { b"[" } else { b",\n" });
        }
        let sequence = self.sequence;
        json::push_object(&mut self.out, |o| match result {
            Ok(()) => {
                o.text("status", "ok");
                o.plain("seq", sequence);
            }
            Err(error) => {
                o.text("status", "error");
                o.plain("seq", sequence);
                error.members(o);
            }
        });
        if !self.is_array {
            self.out.push(b'\n');
        }
        self.sequence += 1;
    }

    fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.out).into()
    }

    fn finish(mut self) -> Bytes {
        if self.is_array {
            self.out.extend_from_slice(if self.sequence == 0 { b"[]" } else { b"]" });
        }
        self.out.into()
    }
}
