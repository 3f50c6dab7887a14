//! Who else uses the log: topics and groups that clients must not pull away from under it.

/// Says what of the log is somebody else's in this process.
pub trait Owner: Send + Sync + 'static {
    /// Returns what a topic is used for, `None` when clients may delete it.
    fn holds_topic(&self, topic: &str) -> Option<String>;

    /// Returns what a group is used for, `None` when clients may move and delete it.
    fn holds_group(&self, group: &str) -> Option<String>;
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
}
