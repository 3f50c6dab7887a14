//! The story written to its topics, a minute in a few seconds.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use connect::Story;
use hyper::Method;
use serde_json::json;

use crate::{http::Client, replay::Batch};

/// The story's topics.
const TOPICS: [&str; 6] = ["conn", "dns", "http", "ssl", "x509", "winlogbeat"];
/// How many times faster than it happened.
const SPEED: u32 = 15;
/// How often what has happened is written.
const STEP: Duration = Duration::from_millis(50);

/// Creates the story's topics.
pub async fn create_topics(client: &mut Client) -> Result<()> {
    for name in TOPICS {
        let body = json!({"name": name, "partitions": 1});
        let created = client.post_json("/api/v1/topics", &body).await?.checked().await;
        created.with_context(|| format!("cannot create topic {name:?}"))?.text().await?;
    }
    Ok(())
}

/// Writes the story, record times as they happened; returns how many records.
pub async fn feed(client: &mut Client, story: Story, start_ms: i64) -> Result<u64> {
    let started = Instant::now();
    let mut events = story.peekable();
    let mut records = 0;
    while events.peek().is_some() {
        let now_ms = u64::try_from((started.elapsed() * SPEED).as_millis()).unwrap_or(u64::MAX);
        let mut batches: BTreeMap<&'static str, Batch> = BTreeMap::new();
        while let Some(event) = events.next_if(|event| event.offset_ms <= now_ms) {
            let time_ms = start_ms.saturating_add_unsigned(event.offset_ms);
            let batch = batches.entry(event.topic).or_insert_with(|| Batch::new(event.topic));
            batch.push(Some(time_ms), event.key.as_deref().map(str::as_bytes), event.json.as_bytes());
            records += 1;
        }
        for (topic, batch) in batches {
            let path = format!("/api/v1/topics/{topic}/records");
            let sent =
                client.send(Method::POST, &path, "application/octet-stream", batch.frames.into()).await?;
            sent.checked().await.with_context(|| format!("topic {topic:?}"))?.text().await?;
        }
        tokio::time::sleep(STEP).await;
    }
    Ok(records)
}
