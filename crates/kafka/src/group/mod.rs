//! Consumer groups: who is in them, what each member reads.
//!
//! A group's members live in memory: after a restart they are unknown and join again. Its offsets are the log's.

pub(crate) mod classic;
mod member;

use std::sync::{Arc, Mutex, MutexGuard};

use hashbrown::HashMap;

use classic::ClassicGroup;

/// What groups are bounded by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub session_timeout_ms_min: i64,
    pub session_timeout_ms_max: i64,
    pub members_max: usize,
    pub initial_delay_ms: i64,
}

/// A group, locked for each step.
pub(crate) type Shared = Arc<Mutex<ClassicGroup>>;

/// All groups with members, and those that had some.
pub(crate) struct Groups {
    by_id: Mutex<HashMap<String, Shared>>,
    pub limits: Limits,
}

impl Groups {
    pub(crate) fn new(limits: Limits) -> Groups {
        Groups { by_id: Mutex::default(), limits }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Shared>> {
        self.by_id.lock().expect("no holder panics")
    }

    /// Returns a group that has or had members.
    pub(crate) fn find(&self, id: &str) -> Option<Shared> {
        self.lock().get(id).cloned()
    }

    /// Returns a group, making it if there is none.
    pub(crate) fn find_or_make(&self, id: &str) -> Shared {
        let make = || Arc::new(Mutex::new(ClassicGroup::new(id, self.limits)));
        self.lock().entry(id.to_owned()).or_insert_with(make).clone()
    }

    /// Returns all groups by id.
    pub(crate) fn all(&self) -> Vec<(String, Shared)> {
        let mut all: Vec<_> = self.lock().iter().map(|(id, group)| (id.clone(), group.clone())).collect();
        all.sort_by(|left, right| left.0.cmp(&right.0));
        all
    }

    /// Forgets a group without members; false if it has some.
    pub(crate) fn remove_empty(&self, id: &str) -> bool {
        let mut groups = self.lock();
        if let Some(group) = groups.get(id) {
            if !group.lock().expect("no holder panics").retire() {
                return false;
            }
            groups.remove(id);
        }
        true
    }

    /// Lets deadlines pass, and forgets groups that nobody is in.
    pub(crate) fn tick(&self, now_ms: i64) {
        let mut empty = Vec::new();
        for (id, group) in self.all() {
            let mut group = group.lock().expect("no holder panics");
            group.pass(now_ms);
            if group.is_forgettable(now_ms) {
                empty.push(id);
            }
        }
        for id in empty {
            self.remove_empty(&id);
        }
    }
}
