//! Topics, and the journal that remembers them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use crate::config::{TopicConfig, TopicSettings};
use crate::partition::Partition;
use crate::wire::{Reader, put, put_bytes};

/// What is known about a topic.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicInfo {
    /// The name.
    pub name: String,
    /// The id, Kafka's topic UUID; never used again, unlike the name.
    pub id: u128,
    /// The number of partitions.
    pub partitions: u32,
    /// What was set when it was created or altered.
    pub settings: TopicSettings,
    /// The settings in effect.
    pub config: TopicConfig,
    /// When it was created, by the caller's clock.
    pub created_ms: i64,
}

/// A topic with its open partitions.
pub(crate) struct Topic {
    pub name: Arc<str>,
    pub id: u128,
    pub dir: PathBuf,
    pub created_ms: i64,
    pub settings: RwLock<TopicSettings>,
    pub config: Arc<RwLock<Arc<TopicConfig>>>,
    pub partitions: RwLock<Arc<Vec<Arc<Partition>>>>,
}

impl Topic {
    pub(crate) fn partitions(&self) -> Arc<Vec<Arc<Partition>>> {
        self.partitions.read().expect("no holder panics").clone()
    }

    pub(crate) fn info(&self) -> TopicInfo {
        TopicInfo {
            name: self.name.to_string(),
            id: self.id,
            partitions: self.partitions().len() as u32,
            settings: self.settings.read().expect("no holder panics").clone(),
            config: self.config.read().expect("no holder panics").as_ref().clone(),
            created_ms: self.created_ms,
        }
    }
}

/// The longest part of a topic's name in its directory's name; with the id it stays below 255 bytes.
const NAME_IN_DIR_LEN_MAX: usize = 200;

/// Returns the id in the name of a topic's directory.
pub(crate) fn topic_id_of(dir_name: &str) -> Option<u128> {
    let (_, id) = dir_name.rsplit_once('.')?;
    (id.len() == 32).then(|| u128::from_str_radix(id, 16).ok()).flatten()
}

/// Returns a topic's directory: readable, and never the same for two topics of one name.
pub(crate) fn topic_dir(topics: &Path, name: &str, id: u128) -> PathBuf {
    // Topic names are ASCII.
    topics.join(format!("{}.{id:032x}", &name[..name.len().min(NAME_IN_DIR_LEN_MAX)]))
}

/// A change to the topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TopicEntry {
    Created { name: String, id: u128, partitions: u32, created_ms: i64, settings: TopicSettings },
    Deleted { id: u128 },
    Altered { id: u128, settings: TopicSettings },
    Grown { id: u128, partitions: u32 },
}

impl TopicEntry {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            TopicEntry::Created { name, id, partitions, created_ms, settings } => {
                out.push(1);
                put_bytes(&mut out, name.as_bytes());
                put!(out, id);
                put!(out, partitions);
                put!(out, created_ms);
                put_settings(&mut out, settings);
            }
            TopicEntry::Deleted { id } => {
                out.push(2);
                put!(out, id);
            }
            TopicEntry::Altered { id, settings } => {
                out.push(3);
                put!(out, id);
                put_settings(&mut out, settings);
            }
            TopicEntry::Grown { id, partitions } => {
                out.push(4);
                put!(out, id);
                put!(out, partitions);
            }
        }
        out
    }

    pub(crate) fn decode(payload: &[u8]) -> Option<TopicEntry> {
        let mut r = Reader::new(payload);
        let entry = match r.u8()? {
            1 => TopicEntry::Created {
                name: r.text()?.to_owned(),
                id: r.u128()?,
                partitions: r.u32()?,
                created_ms: r.i64()?,
                settings: take_settings(&mut r)?,
            },
            2 => TopicEntry::Deleted { id: r.u128()? },
            3 => TopicEntry::Altered { id: r.u128()?, settings: take_settings(&mut r)? },
            4 => TopicEntry::Grown { id: r.u128()?, partitions: r.u32()? },
            _ => return None,
        };
        r.is_empty().then_some(entry)
    }
}

fn put_settings(out: &mut Vec<u8>, settings: &TopicSettings) {
    put!(out, (settings.len() as u32));
    for (name, value) in settings {
        put_bytes(out, name.as_bytes());
        put_bytes(out, value.as_bytes());
    }
}

fn take_settings(r: &mut Reader<'_>) -> Option<TopicSettings> {
    let mut settings = TopicSettings::new();
    for _ in 0..r.count(8)? {
        settings.insert(r.text()?.to_owned(), r.text()?.to_owned());
    }
    Some(settings)
}

/// A topic as the journal describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicRecord {
    pub name: String,
    pub id: u128,
    pub partitions: u32,
    pub created_ms: i64,
    pub settings: TopicSettings,
}

impl TopicRecord {
    pub(crate) fn created(&self) -> TopicEntry {
        TopicEntry::Created {
            name: self.name.clone(),
            id: self.id,
            partitions: self.partitions,
            created_ms: self.created_ms,
            settings: self.settings.clone(),
        }
    }
}

/// Applies a change to the list of topics.
pub(crate) fn apply_topic_entry(topics: &mut Vec<TopicRecord>, entry: TopicEntry) {
    match entry {
        TopicEntry::Created { name, id, partitions, created_ms, settings } => {
            topics.push(TopicRecord { name, id, partitions, created_ms, settings });
        }
        TopicEntry::Deleted { id } => topics.retain(|topic| topic.id != id),
        TopicEntry::Altered { id, settings } => {
            topics
                .iter_mut()
                .filter(|topic| topic.id == id)
                .for_each(|topic| topic.settings = settings.clone());
        }
        TopicEntry::Grown { id, partitions } => {
            topics.iter_mut().filter(|topic| topic.id == id).for_each(|topic| topic.partitions = partitions);
        }
    }
}
