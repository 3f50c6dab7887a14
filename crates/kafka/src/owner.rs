//! Who else uses the log: what clients must not pull away from under it, nor write in its place.

/// Says what of the log is somebody else's in this process.
pub trait Owner: Send + Sync + 'static {
    /// Returns what a topic is used for, `None` when clients may delete it.
    fn holds_topic(&self, topic: &str) -> Option<String>;

    /// Returns what a group is used for, `None` when clients may move and delete it.
    fn holds_group(&self, group: &str) -> Option<String>;

    /// Decides whether only the owner makes, changes and writes a topic of this name, there or not; clients may read it.
    fn reserves_topic(&self, topic: &str) -> bool;

    /// Decides whether only the owner sets positions of a group of this name, there or not.
    fn reserves_group(&self, group: &str) -> bool;

    /// Decides whether only the owner writes transactions under an id, in use or not.
    fn reserves_transaction(&self, transactional_id: &str) -> bool;
}

/// Nobody else uses the log.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoOwner;

impl Owner for NoOwner {
    fn holds_topic(&self, _topic: &str) -> Option<String> {
        None
    }

    fn holds_group(&self, _group: &str) -> Option<String> {
        None
    }

    fn reserves_topic(&self, _topic: &str) -> bool {
        false
    }

    fn reserves_group(&self, _group: &str) -> bool {
        false
    }

    fn reserves_transaction(&self, _transactional_id: &str) -> bool {
        false
    }
}
