//! The log: topics, appends, reads, offsets of groups, transactions; one directory, one process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use hashbrown::HashMap;

use crate::ballast::Ballast;
use crate::batch::batches;
use crate::disk::Disk;
use crate::error::LogError;
use crate::health::Health;
use crate::journal::Journal;
use crate::kept::Kept;
use crate::ledger::{Entry, Ledger, Replayed};
use crate::notifier::Notifier;
use crate::partition::{AppendInfo, AppendOrigin, Partition, PartitionOffsets, RedoItem, Shared};
use crate::pending::PendingOffsets;
use crate::read::{Isolation, PartitionReader, ReadInfo};
use crate::recovery::PartitionPlace;
use crate::sync_queue::SyncedBy;
use crate::ticket::CommitTicket;
use crate::topic::{Topic, TopicEntry, TopicRecord, apply_topic_entry, topic_dir, topic_id_of};
use crate::transaction::TransactionalState;
use crate::write_ahead::{self, AheadConfig, WriteAhead};
use crate::writer::{Request, Writer, WriterHandle};

const TOPICS_DIR: &str = "topics";
const TOPIC_JOURNAL: &str = "topics.journal";
const TOPIC_JOURNAL_MAGIC: &[u8] = b"TLTOPIC1";
const TRANSACTION_JOURNAL: &str = "transactions.journal";
const TRANSACTION_JOURNAL_MAGIC: &[u8] = b"TLTXNJ01";

/// Settings of the whole log.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// The transaction journal is rewritten above this size.
    pub journal_bytes_max: u64,
    /// The transaction journal is filled with zeros this far ahead.
    pub journal_allocate_bytes: u64,
    /// Transactions up to this size are repeated in the journal, which then is the only file to sync. Measured with
    /// 189 kB each: repeating halves the time to wait (281 µs against 604 µs) and the throughput (0.4 against 0.8 GB/s).
    pub repeated_bytes_max: usize,
    /// The length of each of the four write-ahead files; 0 for none: then every flush syncs segments.
    pub ahead_file_bytes: u64,
    /// What is flushed together is written to a write-ahead file up to this size; above it segments are synced.
    pub ahead_bytes_max: usize,
    /// Run the log-writer inside the calls that need it instead of on a thread, for deterministic tests.
    pub inline_writer: bool,
    /// Makes topic ids differ between logs.
    pub id_seed: u64,
    /// Bytes of keys compaction may hold in memory at once.
    pub cleaner_bytes_max: usize,
    /// A producer without an open transaction is forgotten after this time.
    pub producer_expiration_ms: i64,
    /// A partition that has grown so far beyond its checkpoint gets another: what a start after a crash may have to scan
    /// of it, besides what is written meanwhile.
    pub unvouched_bytes_max: u64,
    /// Bytes kept back so that a full disk can be emptied; laid down by [`Log::maintain`].
    pub ballast_bytes: u64,
}

impl Default for LogConfig {
    fn default() -> Self {
        LogConfig {
            journal_bytes_max: 64 << 20,
            journal_allocate_bytes: 4 << 20,
            repeated_bytes_max: 64 * 1024,
            ahead_file_bytes: 8 << 20,
            ahead_bytes_max: 512 * 1024,
            inline_writer: false,
            id_seed: 0,
            cleaner_bytes_max: 128 << 20,
            producer_expiration_ms: 24 * 3_600_000,
            unvouched_bytes_max: 64 << 20,
            ballast_bytes: 0,
        }
    }
}

/// The durable log of one process.
pub struct Log {
    pub(crate) config: LogConfig,
    pub(crate) dir: PathBuf,
    pub(crate) shared: Shared,
    pub(crate) topics: RwLock<HashMap<Arc<str>, Arc<Topic>>>,
    pub(crate) topic_ids: RwLock<HashMap<u128, Arc<str>>>,
    /// Locked for every change to the topics.
    pub(crate) topic_journal: Mutex<Journal>,
    pub(crate) ledger: Arc<RwLock<Ledger>>,
    pub(crate) writer: WriterHandle,
    pub(crate) ahead: Arc<WriteAhead>,
    pub(crate) transactional: Mutex<HashMap<String, Arc<TransactionalState>>>,
    /// Producer id → the transactional id that writes with it.
    pub(crate) by_producer_id: RwLock<HashMap<i64, Arc<TransactionalState>>>,
    pub(crate) pending: Arc<PendingOffsets>,
    pub(crate) removals: Mutex<Vec<PathBuf>>,
    pub(crate) ballast: Ballast,
    pub(crate) idempotent_ids: Mutex<(i64, i64)>,
    pub(crate) created: AtomicU64,
    pub(crate) topics_version: AtomicU64,
    closed: AtomicBool,
}

impl Log {
    /// Opens the log in a directory, making it if there is none, and repairs what the last stop left.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: impl Into<PathBuf>,
        config: LogConfig,
    ) -> Result<Arc<Log>, LogError> {
        let dir = dir.into();
        let ballast = Ballast::new(&dir, config.ballast_bytes);
        ballast.with(&*disk.clone(), || Log::open_in(disk.clone(), dir.clone(), config.clone()))
    }

    fn open_in(disk: Arc<dyn Disk>, dir: PathBuf, config: LogConfig) -> Result<Arc<Log>, LogError> {
        let topics_dir = dir.join(TOPICS_DIR);
        for new in [&dir, &topics_dir] {
            disk.create_dir(new).map_err(|error| LogError::io("creating", new, &error))?;
        }
        // A path of one name lies in the working directory.
        let parent =
            dir.parent().map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent });
        for made in parent.into_iter().chain([dir.as_path()]) {
            disk.sync_dir(made).map_err(|error| LogError::io("syncing", made, &error))?;
        }
        let mut records: Vec<TopicRecord> = Vec::new();
        let mut deleted = Vec::new();
        let names = disk.list(&dir).map_err(|error| LogError::io("listing", &dir, &error))?;
        if !names.iter().any(|name| name == TOPIC_JOURNAL) {
            check_no_topic_lost(&*disk, &topics_dir, &[], &[])?;
        }
        let mut topic_journal = Journal::open(
            disk.clone(),
            dir.clone(),
            TOPIC_JOURNAL,
            TOPIC_JOURNAL_MAGIC,
            0,
            &mut |payload| {
                let entry =
                    TopicEntry::decode(payload).ok_or_else(|| unreadable(&dir.join(TOPIC_JOURNAL)))?;
                if let TopicEntry::Deleted { id } = entry {
                    deleted.push(id);
                }
                apply_topic_entry(&mut records, entry);
                Ok(())
            },
        )?;
        if topic_journal.cut {
            check_no_topic_lost(&*disk, &topics_dir, &records, &deleted)?;
        }
        if !records.is_empty() && !names.iter().any(|name| name == TRANSACTION_JOURNAL) {
            return Err(LogError::Damaged {
                path: dir.join(TRANSACTION_JOURNAL).display().to_string(),
                reason:
                    "it is missing beside topics, with the positions of groups, what is committed, and the \
                         producer ids given out; restore it from a backup"
                        .to_owned(),
            });
        }
        let created: Vec<Vec<u8>> = records.iter().map(|record| record.created().encode()).collect();
        topic_journal.rewrite(&created)?;

        let shared = Shared {
            disk: disk.clone(),
            notifier: Arc::default(),
            health: Arc::new(Health::default()),
            redo: Arc::default(),
            visibility: Arc::default(),
        };
        let mut ledger = Ledger::default();
        let mut replayed = Replayed::default();
        let journal = Journal::open(
            disk.clone(),
            dir.clone(),
            TRANSACTION_JOURNAL,
            TRANSACTION_JOURNAL_MAGIC,
            config.journal_allocate_bytes,
            &mut |payload| {
                let entry =
                    Entry::decode(payload).ok_or_else(|| unreadable(&dir.join(TRANSACTION_JOURNAL)))?;
                ledger.replay(entry, &mut replayed);
                Ok(())
            },
        )?;
        if !replayed.clean {
            let ahead = write_ahead::read_files(&*disk, &dir)?;
            replayed.kept_below.note_ahead(&ahead);
            replayed.redo.extend(ahead);
        }
        let topics = open_topics(&records, &topics_dir, &shared, &replayed)?;
        recover(&topics, &replayed, &shared)?;
        replayed.redo = Vec::new();
        write_ahead::remove_files(&*disk, &dir)?;
        if !replayed.clean {
            // What a producer had open is aborted; it must not go on with the rest of it.
            for state in ledger.transactional.values_mut() {
                state.epoch = state.epoch.saturating_add(1);
            }
        }
        for offsets in ledger.groups.values_mut() {
            offsets.retain(|(topic, _), _| topics.contains_key(topic.as_str()));
        }
        let transactional: HashMap<String, Arc<TransactionalState>> = ledger
            .transactional
            .iter()
            .map(|(id, t)| {
                (id.clone(), Arc::new(TransactionalState::new(id, t.producer_ids, t.epoch, t.timeout_ms)))
            })
            .collect();
        let next_id = ledger.next_producer_id;
        let created = records.len() as u64;
        let ledger = Arc::new(RwLock::new(ledger));
        let ahead_config = AheadConfig {
            file_bytes: config.ahead_file_bytes,
            frame_bytes_max: config.ahead_bytes_max,
            inline: config.inline_writer,
        };
        let ahead = WriteAhead::new(disk.clone(), dir.clone(), shared.health.clone(), ahead_config)?;
        let ahead = Arc::new(ahead);
        let mut writer = Writer::new(journal, ahead.clone(), &config, ledger.clone(), shared.clone());
        // Everything is in the partitions now; a clean stop's mark goes away too.
        writer.recycle()?;
        let by_producer_id = transactional.values().flat_map(|state| {
            let ids = state.lock().producer_ids_in_use().to_vec();
            ids.into_iter().map(|id| (id, state.clone()))
        });
        let by_producer_id = RwLock::new(by_producer_id.collect());
        Ok(Arc::new(Log {
            writer: WriterHandle::start(writer, config.inline_writer)?,
            ahead,
            ballast: Ballast::new(&dir, config.ballast_bytes),
            config,
            dir,
            shared,
            topic_ids: RwLock::new(topics.values().map(|topic| (topic.id, topic.name.clone())).collect()),
            topics: RwLock::new(topics),
            topic_journal: Mutex::new(topic_journal),
            ledger,
            transactional: Mutex::new(transactional),
            by_producer_id,
            pending: Arc::default(),
            removals: Mutex::default(),
            idempotent_ids: Mutex::new((next_id, next_id)),
            created: AtomicU64::new(created),
            topics_version: AtomicU64::new(1),
            closed: AtomicBool::new(false),
        }))
    }

    /// Stops cleanly: open transactions are aborted, everything is synced, the next start scans nothing.
    pub fn close(&self, now_ms: i64) -> Result<(), LogError> {
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let states: Vec<_> = self.transactional.lock().expect("no holder panics").values().cloned().collect();
        for state in states {
            let mut inner = state.lock();
            let was_open = inner.is_open();
            let epoch = state.epoch();
            state.abort(&mut inner, epoch, now_ms)?;
            if was_open {
                // Who had it open must not go on with the rest of it after the next start.
                self.raise_epoch(&state, &mut inner)?;
            }
        }
        self.writer.stop();
        self.ahead.stop();
        let topics: Vec<_> = self.topics.read().expect("no holder panics").values().cloned().collect();
        for topic in topics {
            for partition in topic.partitions().iter() {
                self.ballast.with(&*self.shared.disk, || partition.checkpoint_end())?;
            }
        }
        self.remove_deleted()?;
        let mut writer = self.writer.writer.lock().expect("no holder panics");
        self.ballast.with(&*self.shared.disk, || writer.write_clean_stop())
    }

    /// Returns a partition; keep it to spare the look-up.
    pub fn partition(&self, topic: &str, partition: u32) -> Result<Arc<Partition>, LogError> {
        let found = self.topic(topic)?.partitions().get(partition as usize).cloned();
        found.ok_or_else(|| LogError::UnknownPartition { topic: topic.to_owned(), partition })
    }

    /// Returns the name of the topic with an id.
    pub fn topic_name(&self, id: u128) -> Option<Arc<str>> {
        self.topic_ids.read().expect("no holder panics").get(&id).cloned()
    }

    /// Returns the directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn topic(&self, topic: &str) -> Result<Arc<Topic>, LogError> {
        let topics = self.topics.read().expect("no holder panics");
        topics.get(topic).cloned().ok_or_else(|| LogError::UnknownTopic { topic: topic.to_owned() })
    }

    /// Appends finished batches; visible at once, durable after [`Log::flush`].
    pub fn append(
        &self,
        topic: &str,
        partition: u32,
        batches: &mut [u8],
        now_ms: i64,
    ) -> Result<AppendInfo, LogError> {
        self.check_open()?;
        self.partition(topic, partition)?.append(batches, AppendOrigin::Internal, now_ms)
    }

    /// Appends finished batches and tells when they are durable. Many callers share a sync.
    pub fn append_durable(
        &self,
        topic: &str,
        partition: u32,
        batches: &mut [u8],
        now_ms: i64,
    ) -> Result<(AppendInfo, CommitTicket), LogError> {
        self.check_open()?;
        let partition = self.partition(topic, partition)?;
        let info = partition.append(batches, AppendOrigin::Internal, now_ms)?;
        Ok((info, self.flush_partition(&partition)?))
    }

    /// Appends what an outside producer sent, checking every record; transactional batches must belong to a transaction
    /// that `transactional_id` has opened with `add_partitions_to_transaction`.
    pub fn append_client(
        &self,
        topic: &str,
        partition: u32,
        transactional_id: Option<&str>,
        bytes: &mut [u8],
        now_ms: i64,
    ) -> Result<AppendInfo, LogError> {
        self.check_open()?;
        let partition = self.partition(topic, partition)?;
        self.append_outside(&partition, transactional_id.unwrap_or_default(), bytes, now_ms)
    }

    /// Asks for everything written to a partition so far to be made durable.
    pub fn flush(&self, topic: &str, partition: u32) -> Result<CommitTicket, LogError> {
        self.flush_partition(&self.partition(topic, partition)?)
    }

    /// Does what [`Log::flush`] does without looking the partition up.
    pub fn flush_partition(&self, partition: &Arc<Partition>) -> Result<CommitTicket, LogError> {
        self.flush_partitions(vec![partition.clone()])
    }

    /// Returns whether so many requests wait for the disk that asking for another may take as long as the disk does. Who must
    /// not be held up asks again later.
    pub fn is_busy(&self) -> bool {
        self.writer.is_busy() || self.ahead.is_busy()
    }

    /// Asks for everything written to some partitions so far to be made durable; the ticket tells when all are.
    pub fn flush_partitions(&self, partitions: Vec<Arc<Partition>>) -> Result<CommitTicket, LogError> {
        self.flush_by(partitions, SyncedBy::Thread)
    }

    /// Does what [`Log::flush_partitions`] does for those who call [`Log::help`] before they wait for the ticket: no thread
    /// is woken for them meanwhile. Who does not call it waits some milliseconds longer.
    pub fn flush_helping(&self, partitions: Vec<Arc<Partition>>) -> Result<CommitTicket, LogError> {
        self.flush_by(partitions, SyncedBy::Writer)
    }

    /// Syncs in this call what a ticket of [`Log::flush_helping`] waits for, and what others do with it, if nobody else is at
    /// it and the disk is quick. Otherwise it returns at once. Either way the ticket tells the result.
    pub fn help(&self, ticket: &CommitTicket) {
        self.ahead.help(ticket);
    }

    fn flush_by(&self, partitions: Vec<Arc<Partition>>, by: SyncedBy) -> Result<CommitTicket, LogError> {
        self.check_open()?;
        self.shared.health.check()?;
        let ticket = CommitTicket::default();
        if !self.ahead.flush(&partitions, &ticket, by) {
            self.writer.submit(Request::Flush { partitions, ticket: ticket.clone() })?;
        }
        Ok(ticket)
    }

    /// Replaces `out` with whole batches from `offset` on; see [`Partition::read`].
    pub fn read(
        &self,
        topic: &str,
        partition: u32,
        offset: i64,
        max_bytes: usize,
        isolation: Isolation,
        out: &mut Vec<u8>,
    ) -> Result<ReadInfo, LogError> {
        self.partition(topic, partition)?.read(offset, max_bytes, isolation, out)
    }

    /// Returns a sequential reader that keeps its place.
    pub fn reader(
        &self,
        topic: &str,
        partition: u32,
        offset: i64,
        isolation: Isolation,
    ) -> Result<PartitionReader, LogError> {
        Ok(self.partition(topic, partition)?.reader(offset, isolation))
    }

    /// Returns a partition's offsets.
    pub fn offsets(&self, topic: &str, partition: u32) -> Result<PartitionOffsets, LogError> {
        Ok(self.partition(topic, partition)?.offsets())
    }

    /// Keeps commits from becoming visible while it is held, so that reads of several partitions see each
    /// transaction in all of them or in none. Hold it only for those reads.
    pub fn view(&self) -> std::sync::RwLockReadGuard<'_, ()> {
        self.shared.visibility.read().expect("no holder panics")
    }

    /// Returns what wakes readers, for waiting on and for hooking in.
    pub fn notifier(&self) -> &Arc<Notifier> {
        &self.shared.notifier
    }

    /// Waits until one of the readers has more or the time is over; returns whether one has.
    pub fn wait_for_data(&self, readers: &[&PartitionReader], timeout: Duration) -> bool {
        let mut seen = self.shared.notifier.generation();
        loop {
            if readers.iter().any(|reader| reader.has_more()) {
                return true;
            }
            // A wake-up for another partition begins the wait again, so the whole may take longer than asked.
            let now = self.shared.notifier.wait(seen, timeout);
            if now == seen {
                return false;
            }
            seen = now;
        }
    }

    /// Returns whether so many bytes could be written to the disk now, by writing them.
    pub fn has_room(&self, bytes: u64) -> bool {
        let path = self.dir.join("probe");
        let written = self.shared.disk.create(&path).and_then(|file| file.allocate(0, bytes));
        let removed = self.shared.disk.remove(&path);
        written.is_ok() && removed.is_ok() && self.shared.health.check().is_ok()
    }

    /// Returns why the log takes nothing any more, if so.
    pub fn read_only_cause(&self) -> Option<LogError> {
        self.shared.health.check().err()
    }

    pub(crate) fn check_open(&self) -> Result<(), LogError> {
        if self.closed.load(Ordering::Acquire) { Err(LogError::Closed) } else { Ok(()) }
    }

    /// Makes an entry of the transaction journal durable and applies it.
    pub(crate) fn record(&self, entry: Entry) -> Result<CommitTicket, LogError> {
        self.check_open()?;
        self.submit_record(entry)
    }

    pub(crate) fn submit_record(&self, entry: Entry) -> Result<CommitTicket, LogError> {
        let ticket = CommitTicket::default();
        self.writer.submit(Request::Record { entry, ticket: ticket.clone() })?;
        Ok(ticket)
    }

    /// Writes the markers of committed transactions that a full disk had refused; returns whether none is missing any
    /// more: until then readers do not see all that is committed, though positions count it.
    pub fn complete_commits(&self) -> Result<bool, LogError> {
        self.tidy()?;
        Ok(self.writer.writer.lock().expect("no holder panics").owes_no_markers())
    }

    /// Has the log-writer look after waiting markers and a long journal.
    pub(crate) fn tidy(&self) -> Result<(), LogError> {
        let ticket = CommitTicket::default();
        self.writer.submit(Request::Tidy { ticket: ticket.clone() })?;
        ticket.wait()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.writer.stop();
        self.ahead.stop();
    }
}

fn unreadable(path: &Path) -> LogError {
    LogError::Damaged {
        path: path.display().to_string(),
        reason: "an entry is of an unknown kind; was it written by a newer version?".to_owned(),
    }
}

fn open_topics(
    records: &[TopicRecord],
    topics_dir: &Path,
    shared: &Shared,
    replayed: &Replayed,
) -> Result<HashMap<Arc<str>, Arc<Topic>>, LogError> {
    let kept = replayed.kept_below.with(&replayed.redo);
    let nothing = Kept::default();
    let mut topics = HashMap::new();
    for record in records {
        let name: Arc<str> = record.name.as_str().into();
        let config = crate::config::TopicConfig::from_settings(&record.settings)?;
        let dir = topic_dir(topics_dir, &record.name, record.id);
        let config = Arc::new(RwLock::new(Arc::new(config)));
        let mut partitions = Vec::with_capacity(record.partitions as usize);
        for number in 0..record.partitions {
            let place = PartitionPlace {
                topic: name.clone(),
                topic_id: record.id,
                partition: number,
                dir: dir.join(number.to_string()),
                config: config.clone(),
            };
            let kept = kept.get(&(record.id, number)).unwrap_or(&nothing);
            let (partition, changed) = Partition::open(place, shared.clone(), kept)?;
            if changed && replayed.clean {
                tracing::warn!(topic = &*name, partition = number, "files changed since the clean stop");
            }
            partitions.push(Arc::new(partition));
        }
        let topic = Topic {
            name: name.clone(),
            id: record.id,
            dir,
            created_ms: record.created_ms,
            settings: RwLock::new(record.settings.clone()),
            config,
            partitions: RwLock::new(Arc::new(partitions)),
        };
        topics.insert(name, Arc::new(topic));
    }
    remove_orphans(&topics, topics_dir, shared)?;
    Ok(topics)
}

/// Refuses to go on when the end of the topic journal is unreadable and a directory with records has no topic: a torn
/// entry was never acknowledged and has no records, so this is damage, and going on would remove the records.
fn check_no_topic_lost(
    disk: &dyn Disk,
    topics_dir: &Path,
    records: &[TopicRecord],
    deleted: &[u128],
) -> Result<(), LogError> {
    let list = |dir: &Path| disk.list(dir).map_err(|error| LogError::io("listing", dir, &error));
    for name in list(topics_dir)? {
        // What is named otherwise is somebody else's.
        let Some(id) = topic_id_of(&name) else { continue };
        if records.iter().any(|record| record.id == id) || deleted.contains(&id) {
            continue;
        }
        let dir = topics_dir.join(&name);
        for partition in list(&dir)? {
            let partition = dir.join(partition);
            for file in list(&partition)?.iter().filter(|file| file.ends_with(".log")) {
                let path = partition.join(file);
                let failed = |error| LogError::io("measuring", &path, &error);
                if !disk.open(&path).map_err(failed)?.is_empty().map_err(failed)? {
                    return Err(LogError::Damaged {
                        path: TOPIC_JOURNAL.to_owned(),
                        reason: format!("directory \"{}\" has records but no topic", dir.display()),
                    });
                }
            }
        }
    }
    Ok(())
}

/// Removes directories of topics that were never finished or are deleted.
fn remove_orphans(
    topics: &HashMap<Arc<str>, Arc<Topic>>,
    topics_dir: &Path,
    shared: &Shared,
) -> Result<(), LogError> {
    let names = shared.disk.list(topics_dir).map_err(|error| LogError::io("listing", topics_dir, &error))?;
    for name in names.iter().filter(|name| topic_id_of(name).is_some()) {
        let dir = topics_dir.join(name);
        if !topics.values().any(|topic| topic.dir == dir) {
            remove_tree(&*shared.disk, &dir)?;
        }
    }
    Ok(())
}

/// Removes a topic's directory: partitions and their files, no deeper.
pub(crate) fn remove_tree(disk: &dyn Disk, dir: &Path) -> Result<(), LogError> {
    let failed = |path: &Path, error: std::io::Error| LogError::io("removing", path, &error);
    for partition in disk.list(dir).map_err(|error| failed(dir, error))? {
        let partition = dir.join(partition);
        for file in disk.list(&partition).map_err(|error| failed(&partition, error))? {
            let file = partition.join(file);
            disk.remove(&file).map_err(|error| failed(&file, error))?;
        }
        disk.remove_dir(&partition).map_err(|error| failed(&partition, error))?;
    }
    disk.remove_dir(dir).map_err(|error| failed(dir, error))
}

/// Writes what the journal repeats and segments have lost, and ends what was open.
fn recover(
    topics: &HashMap<Arc<str>, Arc<Topic>>,
    replayed: &Replayed,
    shared: &Shared,
) -> Result<(), LogError> {
    let mut redo: BTreeMap<(u128, u32), Vec<&RedoItem>> = BTreeMap::new();
    for item in &replayed.redo {
        redo.entry((item.topic_id, item.partition)).or_default().push(item);
    }
    for topic in topics.values() {
        for partition in topic.partitions().iter() {
            let key = (partition.topic_id, partition.partition);
            let mut lost = Vec::new();
            for item in redo.get(&key).into_iter().flatten() {
                lost.extend(batches(&item.bytes).flatten());
            }
            lost.sort_by_key(|batch| batch.base_offset());
            let mut changed = false;
            for batch in lost {
                changed |= partition.redo(&batch)?;
            }
            partition.restore_log_start();
            changed |= partition.resolve_ongoing(&|producer_id, first_offset| {
                replayed.committed.contains(&(key.0, key.1, producer_id, first_offset))
            })?;
            if changed || !replayed.clean {
                partition.checkpoint_end()?;
            }
        }
    }
    // The markers are in the partitions and synced.
    shared.redo.lock().expect("no holder panics").clear();
    Ok(())
}
