//! `POST /query`: one SELECT as ksqlDB's array, or one PRINT as lines of text.

use hyper::StatusCode;

use crate::backend::QueryRows;
use crate::body::{FromTask, JSON, KSQL_JSON, PLAIN, Reply, respond};
use crate::call::{Answer, Call, StatementRequest};
use crate::error::ApiError;
use crate::json;
use crate::print_stream;
use crate::row_stream::{Layout, RowStream};
use crate::state::State;
use std::sync::Arc;

/// `POST /query`.
pub async fn post(call: Call) -> Answer {
    let content_type = if call.accepts(KSQL_JSON) { KSQL_JSON } else { JSON };
    start(call, Layout::Array, content_type).await
}

/// Starts the SELECT or PRINT of a request; also for `/query-stream`.
pub async fn start(call: Call, layout: Layout, content_type: &'static str) -> Answer {
    let state = call.state.clone();
    let mut request: StatementRequest = call.json().await?;
    let (sql, session) = (request.sql()?, request.session());
    if is_print(&sql) {
        let place = state.query_place()?;
        let text = sql.clone();
        let printer = state.call(move |backend| backend.print(&text, &session)).await?;
        let printer = printer.map_err(|error| ApiError::of_statement(error, &sql))?;
        let lines = FromTask(print_stream::print(printer, state));
        return Ok(respond(StatusCode::OK, PLAIN, Reply::made(lines).holding_also(place)));
    }
    let text = sql.clone();
    let query = state.call(move |backend| backend.query(&text, &session)).await?;
    let query = query.map_err(|error| ApiError::of_statement(error, &sql))?;
    let rows = rows_of(query, layout, &state)?;
    Ok(respond(StatusCode::OK, content_type, Reply::made(rows)))
}

fn rows_of(query: QueryRows, layout: Layout, state: &Arc<State>) -> Result<RowStream, ApiError> {
    // Pull queries end by themselves; only what stays open needs a place.
    let place = if query.is_push { Some(state.query_place()?) } else { None };
    // As ksqlDB: lookups in tables end without a word, pull queries on streams say that they are completed.
    let says_completed = !query.is_push && !query.is_lookup;
    let head = head(&query, layout);
    let types = query.schema.columns.into_iter().map(|(_, data_type)| data_type).collect();
    Ok(RowStream::new(query.rows, types, layout, head, says_completed, state.stopping.clone(), place))
}

fn is_print(sql: &str) -> bool {
    let (statements, rest) = sql::split(sql);
    let first = statements.first().map(|statement| &*statement.text).or(rest.as_deref()).unwrap_or("");
    let word: String = first.chars().take_while(char::is_ascii_alphabetic).collect();
    word.eq_ignore_ascii_case("PRINT")
}

fn head(query: &QueryRows, layout: Layout) -> Vec<u8> {
    let mut out = Vec::new();
    match layout {
        Layout::Array => {
            out.push(b'[');
            json::push_object(&mut out, |o| {
                o.object("header", |o| {
                    o.text("queryId", &query.id);
                    o.text("schema", &query.schema.text);
                    if let Some(notice) = &query.notice {
                        o.text("notice", notice);
                    }
                });
            });
        }
        Layout::Delimited | Layout::PlainArray => {
            if layout == Layout::PlainArray {
                out.push(b'[');
            }
            json::push_object(&mut out, |o| {
                o.text("queryId", &query.id);
                o.texts("columnNames", query.schema.columns.iter().map(|(name, _)| name));
                o.texts("columnTypes", query.schema.columns.iter().map(|(_, t)| t.to_string()));
                if let Some(notice) = &query.notice {
                    o.text("notice", notice);
                }
            });
            if layout == Layout::Delimited {
                out.push(b'\n');
            }
        }
    }
    out
}
