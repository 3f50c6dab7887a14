//! How large a record the server takes, asked once for each topic.
//!
//! A record above the limit would make the server refuse the batch it stands in. So it is told and left out before
//! it is sent, and the others go on.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::http::{Client, Endpoint, path_segment};

/// The limits of a server's topics.
pub struct Limits {
    /// `None`: nobody is asked, as in tests.
    endpoint: Option<Endpoint>,
    known: BTreeMap<String, usize>,
}

impl Limits {
    /// Takes whom to ask.
    pub fn of(endpoint: Option<Endpoint>) -> Self {
        Self { endpoint, known: BTreeMap::new() }
    }

    /// Returns the most bytes that key and value of a record may have; a server that does not say is let decide.
    pub fn record_bytes_max(&mut self, topic: &str) -> usize {
        if let Some(known) = self.known.get(topic) {
            return *known;
        }
        let asked = self.endpoint.clone().map(|endpoint| ask(endpoint, topic));
        let bytes_max = match asked {
            Some(Ok(Some(bytes_max))) => bytes_max,
            Some(Ok(None)) | None => usize::MAX,
            Some(Err(error)) => {
                tracing::debug!(topic, %error, "the server does not tell its limits");
                usize::MAX
            }
        };
        self.known.insert(topic.to_owned(), bytes_max);
        bytes_max
    }
}

fn ask(endpoint: Endpoint, topic: &str) -> Result<Option<usize>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let path = format!("/api/v1/topics/{}/limits", path_segment(topic));
        let limits = Client::new(endpoint).get(&path).await?.checked().await?.json().await?;
        Ok(limits["recordBytesMax"].as_u64().and_then(|bytes| usize::try_from(bytes).ok()))
    })
}
