//! Creating, deleting, describing and changing topics.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, RwLock};

use crate::config::{TopicConfig, TopicSettings, check_topic_name};
use crate::error::LogError;
use crate::journal::Journal;
use crate::ledger::Entry;
use crate::log::{Log, remove_tree};
use crate::partition::Partition;
use crate::recovery::PartitionPlace;
use crate::topic::{Topic, TopicEntry, TopicInfo, TopicRecord, topic_dir};

/// More partitions than this on one machine is a mistake.
pub const PARTITIONS_MAX: u32 = 10_000;
/// The topic journal is rewritten above this size.
const TOPIC_JOURNAL_BYTES_MAX: u64 = 1 << 20;

impl Log {
    /// Creates a topic; durable when this returns.
    pub fn create_topic(
        &self,
        topic: &str,
        partitions: u32,
        settings: &TopicSettings,
        now_ms: i64,
    ) -> Result<TopicInfo, LogError> {
        self.check_open()?;
        self.shared.health.check()?;
        check_topic_name(topic)?;
        check_partition_count(topic, partitions, 0)?;
        let config = TopicConfig::from_settings(settings)?;
        let mut journal = self.topic_journal.lock().expect("no holder panics");
        if self.topic(topic).is_ok() {
            return Err(LogError::TopicExists { topic: topic.to_owned() });
        }
        if self.ledger.read().expect("no holder panics").has_positions_in(topic) {
            // Of a topic of this name that was deleted when the disk took no more.
            self.record(Entry::TopicForgotten { topic: topic.to_owned() })?.wait()?;
        }
        let record = TopicRecord {
            name: topic.to_owned(),
            id: self.new_topic_id(topic, now_ms),
            partitions,
            created_ms: now_ms,
            settings: settings.clone(),
        };
        let dir = topic_dir(&self.dir.join("topics"), topic, record.id);
        self.shared.disk.create_dir(&dir).map_err(|error| LogError::io("creating", &dir, &error))?;
        let made = self.make_topic(&mut journal, &record, &dir, config).inspect_err(|_| {
            // In a read-only log it is not known whether a restart finds the topic.
            if self.shared.health.check().is_ok() {
                self.removals.lock().expect("no holder panics").push(dir.clone());
            }
        })?;
        let info = made.info();
        self.topic_ids.write().expect("no holder panics").insert(record.id, made.name.clone());
        self.topics.write().expect("no holder panics").insert(made.name.clone(), Arc::new(made));
        self.topics_version.fetch_add(1, Ordering::AcqRel);
        Ok(info)
    }

    /// Makes a topic in a new directory, durably.
    fn make_topic(
        &self,
        journal: &mut MutexGuard<'_, Journal>,
        record: &TopicRecord,
        dir: &Path,
        config: TopicConfig,
    ) -> Result<Topic, LogError> {
        let made = Topic {
            name: record.name.as_str().into(),
            id: record.id,
            dir: dir.to_owned(),
            created_ms: record.created_ms,
            settings: RwLock::new(record.settings.clone()),
            config: Arc::new(RwLock::new(Arc::new(config))),
            partitions: RwLock::default(),
        };
        let all = self.make_partitions(&made, record.partitions)?;
        *made.partitions.write().expect("no holder panics") = Arc::new(all);
        self.sync_dir(&self.dir.join("topics"))?;
        self.write_topic_entry(journal, &record.created())?;
        Ok(made)
    }

    /// Deletes a topic and the groups' offsets in it; its files go with the next [`Log::maintain`].
    pub fn delete_topic(&self, topic: &str) -> Result<(), LogError> {
        self.check_open()?;
        self.shared.health.check()?;
        let mut journal = self.topic_journal.lock().expect("no holder panics");
        let found = self.topic(topic)?;
        let deleted = TopicEntry::Deleted { id: found.id };
        self.ballast.with(&*self.shared.disk, || self.write_topic_entry(&mut journal, &deleted))?;
        self.topics.write().expect("no holder panics").remove(topic);
        self.topic_ids.write().expect("no holder panics").remove(&found.id);
        self.topics_version.fetch_add(1, Ordering::AcqRel);
        for partition in found.partitions().iter() {
            // Under its lock, so that no append is half way.
            let _state = partition.lock();
            partition.deleted.store(true, Ordering::Release);
        }
        self.removals.lock().expect("no holder panics").push(found.dir.clone());
        self.shared.notifier.notify();
        let forgotten = self.ballast.with(&*self.shared.disk, || {
            self.record(Entry::TopicForgotten { topic: topic.to_owned() })?.wait()
        });
        if let Err(error) = forgotten {
            // The topic is gone all the same. A start forgets them, and whoever makes another topic of this name.
            tracing::warn!(topic, %error, "positions in a deleted topic are not forgotten yet");
        }
        Ok(())
    }

    /// Returns a number that is another one after every topic that is made, deleted or has grown.
    pub fn topics_version(&self) -> u64 {
        self.topics_version.load(Ordering::Acquire)
    }

    /// Returns all topics by name.
    pub fn topics(&self) -> Vec<TopicInfo> {
        let topics = self.topics.read().expect("no holder panics");
        let mut infos: Vec<TopicInfo> = topics.values().map(|topic| topic.info()).collect();
        infos.sort_by(|left, right| left.name.cmp(&right.name));
        infos
    }

    /// Returns a topic.
    pub fn describe_topic(&self, topic: &str) -> Result<TopicInfo, LogError> {
        Ok(self.topic(topic)?.info())
    }

    /// Sets (`Some`) and resets (`None`) settings of a topic; all or none.
    pub fn alter_topic(&self, topic: &str, changes: &[(&str, Option<&str>)]) -> Result<TopicInfo, LogError> {
        self.check_open()?;
        self.shared.health.check()?;
        let mut journal = self.topic_journal.lock().expect("no holder panics");
        let found = self.topic(topic)?;
        let mut settings = found.settings.read().expect("no holder panics").clone();
        for (name, value) in changes {
            match value {
                Some(value) => settings.insert((*name).to_owned(), (*value).to_owned()),
                None => settings.remove(*name),
            };
        }
        let config = TopicConfig::from_settings(&settings)?;
        self.write_topic_entry(
            &mut journal,
            &TopicEntry::Altered { id: found.id, settings: settings.clone() },
        )?;
        *found.settings.write().expect("no holder panics") = settings;
        *found.config.write().expect("no holder panics") = Arc::new(config);
        Ok(found.info())
    }

    /// Raises a topic's number of partitions.
    pub fn create_partitions(&self, topic: &str, partitions: u32) -> Result<TopicInfo, LogError> {
        self.check_open()?;
        self.shared.health.check()?;
        let mut journal = self.topic_journal.lock().expect("no holder panics");
        let found = self.topic(topic)?;
        check_partition_count(topic, partitions, found.partitions().len() as u32)?;
        let made = self.make_partitions(&found, partitions)?;
        self.write_topic_entry(&mut journal, &TopicEntry::Grown { id: found.id, partitions })?;
        // Now and not before: what was appended would be lost with them.
        *found.partitions.write().expect("no holder panics") = Arc::new(made);
        self.topics_version.fetch_add(1, Ordering::AcqRel);
        Ok(found.info())
    }

    /// Removes the files of deleted topics.
    pub(crate) fn remove_deleted(&self) -> Result<(), LogError> {
        let removals = std::mem::take(&mut *self.removals.lock().expect("no holder panics"));
        let mut result = Ok(());
        for dir in removals {
            if let Err(error) = remove_tree(&*self.shared.disk, &dir) {
                self.removals.lock().expect("no holder panics").push(dir);
                result = Err(error);
            }
        }
        result
    }

    /// Makes the partitions a topic lacks, durably; returns all of them.
    fn make_partitions(&self, topic: &Topic, count: u32) -> Result<Vec<Arc<Partition>>, LogError> {
        let mut partitions = topic.partitions().to_vec();
        for number in partitions.len() as u32..count {
            let place = PartitionPlace {
                topic: topic.name.clone(),
                topic_id: topic.id,
                partition: number,
                dir: topic.dir.join(number.to_string()),
                config: topic.config.clone(),
            };
            partitions.push(Arc::new(Partition::create(place, self.shared.clone())?));
        }
        self.sync_dir(&topic.dir)?;
        Ok(partitions)
    }

    fn sync_dir(&self, dir: &Path) -> Result<(), LogError> {
        self.shared
            .disk
            .sync_dir(dir)
            .map_err(|error| self.shared.health.fail(LogError::io("syncing", dir, &error)))
    }

    fn write_topic_entry(
        &self,
        journal: &mut MutexGuard<'_, Journal>,
        entry: &TopicEntry,
    ) -> Result<(), LogError> {
        if journal.len() > TOPIC_JOURNAL_BYTES_MAX {
            let topics = self.topics.read().expect("no holder panics");
            let created: Vec<Vec<u8>> = topics
                .values()
                .map(|topic| {
                    let info = topic.info();
                    TopicRecord {
                        name: info.name,
                        id: info.id,
                        partitions: info.partitions,
                        created_ms: info.created_ms,
                        settings: info.settings,
                    }
                    .created()
                    .encode()
                })
                .collect();
            journal.rewrite(&created).map_err(|error| self.shared.health.judge(error))?;
        }
        journal.push(&entry.encode());
        journal.commit(&self.shared.health)
    }

    fn new_topic_id(&self, topic: &str, now_ms: i64) -> u128 {
        let count = self.created.fetch_add(1, Ordering::Relaxed);
        let mut mixed = self.config.id_seed ^ (now_ms as u64).rotate_left(32) ^ count;
        for byte in topic.bytes() {
            mixed = (mixed ^ byte as u64).wrapping_mul(0x0000_0100_0000_01b3);
        }
        let (high, low) = (split_mix(&mut mixed), split_mix(&mut mixed));
        let id = (high as u128) << 64 | low as u128;
        // Version 4, variant 1, as a UUID wants it.
        let id = id & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
        let taken = self.topics.read().expect("no holder panics").values().any(|topic| topic.id == id);
        if taken { self.new_topic_id(topic, now_ms.wrapping_add(1)) } else { id }
    }
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn check_partition_count(topic: &str, partitions: u32, present: u32) -> Result<(), LogError> {
    let reason = if partitions == 0 {
        "there must be one"
    } else if partitions > PARTITIONS_MAX {
        "the limit is 10000"
    } else if partitions <= present {
        "partitions can only be added"
    } else {
        return Ok(());
    };
    Err(LogError::PartitionCount { topic: topic.to_owned(), partitions, reason })
}
