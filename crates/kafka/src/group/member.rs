//! A member of a classic group.

use bytes::Bytes;
use tokio::sync::oneshot;

use super::classic::{Joined, Synced};

/// A protocol a member can, with what it wants to tell the leader.
pub(crate) type Protocol = (String, Bytes);

pub(crate) struct Member {
    pub id: String,
    pub instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub session_timeout_ms: i64,
    pub rebalance_timeout_ms: i64,
    pub protocols: Vec<Protocol>,
    pub assignment: Bytes,
    /// The session ends then, unless a heartbeat comes or the member waits for an answer.
    pub deadline_ms: i64,
    /// It has not been in a finished generation yet.
    pub is_new: bool,
    pub join: Option<oneshot::Sender<Joined>>,
    pub sync: Option<oneshot::Sender<Synced>>,
}

impl Member {
    pub(crate) fn heartbeat(&mut self, now_ms: i64) {
        self.deadline_ms = now_ms.saturating_add(self.session_timeout_ms);
    }

    pub(crate) fn can(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|(name, _)| name == protocol)
    }

    pub(crate) fn metadata(&self, protocol: &str) -> Bytes {
        let found = self.protocols.iter().find(|(name, _)| name == protocol);
        found.map(|(_, metadata)| metadata.clone()).unwrap_or_default()
    }

    pub(crate) fn answer_join(&mut self, joined: Joined) {
        if let Some(join) = self.join.take() {
            // Nobody to tell is a client that went away: its session will end.
            let _ = join.send(joined);
        }
    }

    pub(crate) fn answer_sync(&mut self, synced: Synced) {
        if let Some(sync) = self.sync.take() {
            let _ = sync.send(synced);
        }
    }
}
