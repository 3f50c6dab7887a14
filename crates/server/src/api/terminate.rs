//! `POST /ksql/terminate`: ends all queries and deletes the topics that are named.
//!
//! Unlike ksqlDB, the server stays up afterwards, and topics are named exactly, not by patterns.

use engine::Session;
use serde::Deserialize;

use crate::body::ok_json;
use crate::call::{Answer, Call};
use crate::error::ApiError;
use crate::json;

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Request {
    delete_topic_list: Vec<String>,
}

/// `POST /ksql/terminate`.
pub async fn post(call: Call) -> Answer {
    let state = call.state.clone();
    let bytes = call.whole().await?;
    let request: Request = match bytes.iter().all(u8::is_ascii_whitespace) {
        true => Request::default(),
        false => crate::request_body::parse_json(&bytes)?,
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if let Some(pattern) = request.delete_topic_list.iter().find(|name| !name.chars().all(is_name)) {
        return Err(ApiError::bad_request("bad_topic", format!("\"{pattern}\" is not a topic's name"))
            .hint("name each topic exactly"));
    }
    let topics = request.delete_topic_list;
    state
        .call(move |backend| {
            backend.execute("TERMINATE ALL;", &mut Session::default(), &mut Vec::new())?;
            topics.iter().try_for_each(|topic| backend.delete_topic(topic))
        })
        .await??;
    Ok(ok_json(json::object(|o| o.text("message", "all queries are terminated"))))
}
