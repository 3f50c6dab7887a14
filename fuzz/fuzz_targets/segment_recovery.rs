//! Any bytes as a file of a partition: the log opens, serves only whole batches with right checksums in order, can be
//! written to, and finds the same again at the next start.
//!
//! The first byte chooses the file, whether the stop before was clean, and whether checksums are made right.

#![no_main]

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use commitlog::{
    BatchBuilder, Disk, Isolation, Log, LogConfig, LogError, SimulatedDisk, TopicSettings, batches,
};
use libfuzzer_sys::{Corpus, fuzz_target};

#[path = "../src/checksum.rs"]
mod checksum;

const READ_BYTES_MAX: usize = 3000;
const UNPACKED_BYTES_MAX: usize = 1 << 20;

/// A partition of three segments.
struct Template {
    disk: SimulatedDisk,
    /// The last segment, the one before it, that one's index, the checkpoint.
    files: [PathBuf; 4],
}

static TEMPLATES: LazyLock<[Template; 2]> = LazyLock::new(|| [template(false), template(true)]);

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((&mode, bytes)) = data.split_first() else { return Corpus::Reject };
    let mut bytes = bytes.to_vec();
    if mode & 1 == 1 {
        checksum::make_right(&mut bytes);
    }
    let template = &TEMPLATES[usize::from(mode >> 1 & 1)];
    let disk = template.disk.crash(0);
    let file = disk.open(&template.files[usize::from(mode >> 2 & 3)]).expect("the template has it");
    file.truncate(0).expect("there is power");
    file.write_at(&bytes, 0).expect("there is power");
    file.sync_data().expect("there is power");
    check_recovery(disk);
    Corpus::Keep
});

fn check_recovery(disk: SimulatedDisk) {
    let log = open(&disk);
    let next = log.offsets("t", 0).expect("the topic is there").next;
    served(&log);
    let (info, ticket) = log.append_durable("t", 0, &mut batch(7, 3), 0).expect("it can be written to");
    ticket.wait().expect("there is power");
    assert_eq!(info.base_offset, next);
    let (offsets, before) = (log.offsets("t", 0).expect("the topic is there"), served(&log));
    drop(log);
    for _ in 0..2 {
        let log = open(&disk);
        let again = log.offsets("t", 0).expect("the topic is there");
        assert_eq!((again.log_start, again.next), (offsets.log_start, offsets.next));
        assert!(served(&log) == before, "another start serves other records");
        log.close(0).expect("there is power");
    }
}

/// What a reader gets from the start to the end.
fn served(log: &Arc<Log>) -> Vec<u8> {
    let offsets = log.offsets("t", 0).expect("the topic is there");
    let mut reader =
        log.reader("t", 0, offsets.log_start, Isolation::ReadCommitted).expect("the topic is there");
    let (mut all, mut out, mut scratch) = (Vec::new(), Vec::new(), Vec::new());
    let mut next = i64::MIN;
    while reader.has_more() {
        let before = reader.offset();
        match reader.read(READ_BYTES_MAX, &mut out) {
            Ok(_) => assert!(reader.offset() > before),
            Err(LogError::Corrupt { resume_offset, .. }) => {
                assert!(resume_offset > before);
                reader.seek(resume_offset);
                continue;
            }
            Err(error) => panic!("{error}"),
        }
        for batch in batches(&out) {
            let batch = batch.expect("batches are served whole");
            batch.validate().expect("batches are served with right checksums");
            assert!(batch.base_offset() >= next && batch.next_offset() <= offsets.next);
            next = batch.next_offset();
            if let Ok(records) = batch.records(&mut scratch, UNPACKED_BYTES_MAX) {
                records.for_each(drop);
            }
        }
        all.extend_from_slice(&out);
    }
    all
}

fn open(disk: &SimulatedDisk) -> Arc<Log> {
    let config = LogConfig { inline_writer: true, journal_allocate_bytes: 4096, ..LogConfig::default() };
    Log::open(Arc::new(disk.clone()), "/log", config).unwrap_or_else(|error| panic!("{error}"))
}

fn batch(from: i64, count: i64) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    for value in from..from + count {
        builder.append(value, None, Some(format!("{value}:..........").as_bytes()), &[]);
    }
    builder.finish().to_vec()
}

fn template(is_clean: bool) -> Template {
    let disk = SimulatedDisk::new();
    let log = open(&disk);
    let settings = TopicSettings::from([("segment.bytes".to_owned(), "1000".to_owned())]);
    log.create_topic("t", 1, &settings, 0).expect("there is power");
    for from in (0..60).step_by(5) {
        let (_, ticket) = log.append_durable("t", 0, &mut batch(from, 5), 0).expect("there is power");
        ticket.wait().expect("there is power");
    }
    if is_clean {
        log.close(0).expect("there is power");
    }
    drop(log);
    let topics = Path::new("/log/topics");
    let dir = topics.join(&disk.list(topics).expect("there is power")[0]).join("0");
    let names = disk.list(&dir).expect("there is power");
    let mut logs: Vec<PathBuf> =
        names.iter().filter(|name| name.ends_with(".log")).map(|name| dir.join(name)).collect();
    logs.sort();
    let [.., closed, last] = &logs[..] else { panic!("there are several segments") };
    let files = [last.clone(), closed.clone(), closed.with_extension("index"), dir.join("checkpoint")];
    Template { disk, files }
}
