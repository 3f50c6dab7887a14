//! The durable log of Tripline: topics of Kafka v2 record batches on disk, with transactions, on one node.
//!
//! ```text
//! dir/topics.journal            which topics there are
//! dir/transactions.journal      commits, groups' offsets, producer ids
//! dir/topics/NAME.ID/0/         a partition: segments, their indexes, a checkpoint
//! dir/ballast                   space kept back for a full disk
//! ```
//!
//! [`Log`] is the way in. Time is always an argument; the only thread is the log-writer, which shares syncs between
//! callers (see [`LogConfig::inline_writer`]). Rules that hold everywhere:
//!
//! - Nothing is acknowledged before it is synced, and nothing after a sync has failed.
//! - A transaction is committed when its entry in the transaction journal is durable, on all partitions or none.
//! - A group's position is never durable before the records it stands behind.
//! - What recovery finds damaged is cut or refused, never served.

mod ballast;
mod batch;
mod batch_builder;
mod checkpoint;
mod cleaner;
mod compression;
mod config;
mod coordinator;
mod disk;
mod error;
mod health;
mod index;
mod journal;
mod kept;
mod ledger;
mod log;
mod message_set;
mod notifier;
mod open_transaction;
mod outside;
mod partition;
mod pending;
mod producer;
mod read;
mod recovery;
mod scheduling;
mod segment;
mod simulated_disk;
mod sync_queue;
mod syncers;
mod ticket;
mod topic;
mod topics;
mod transaction;
mod varint;
mod vital_thread;
mod wire;
mod write_ahead;
mod writer;

pub use batch::{
    BATCH_HEADER_LEN, BATCH_PREFIX_LEN, Batch, BatchError, Batches, ControlType, Header, Headers,
    NO_PRODUCER_ID, Record, Records, batches, set_base_offset, set_leader_epoch, set_producer,
};
pub use batch_builder::{BatchBuilder, control_batch};
pub use cleaner::MaintainReport;
pub use compression::Compression;
pub use config::{TimestampType, TopicConfig, TopicSettings, check_topic_name};
pub use coordinator::{OffsetCommit, ProducerIdentity};
pub use disk::{Disk, DiskFile, RealDisk};
pub use error::LogError;
pub use ledger::CommittedOffset;
pub use log::{Log, LogConfig};
pub use message_set::{batch_from_messages, message_magic, messages_from_batch};
pub use notifier::{Notifier, Waker};
pub use outside::TransactionInfo;
pub use partition::{AppendInfo, AppendOrigin, Partition, PartitionOffsets, UNPACKED_BATCH_BYTES_MAX};
pub use producer::{AbortedTransaction, ProducerInfo};
pub use read::{Isolation, PartitionReader, ReadInfo};
pub use scheduling::ask_for_short_slices;
pub use simulated_disk::SimulatedDisk;
pub use ticket::CommitTicket;
pub use topic::TopicInfo;
pub use topics::PARTITIONS_MAX;
pub use transaction::EpochTx;
pub use vital_thread::VitalThread;
