//! Any bytes as a snapshot of state: an error, or entries of which a snapshot gives the same ones again.
//!
//! The first byte chooses the kind of store and whether the rest is a file or the inside of a block with a right sum.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::{Corpus, fuzz_target};
use state::{
    JoinOptions, JoinStore, Logged, Options, SessionOptions, SessionStore, SnapshotHead, SnapshotWriter,
    Store, WindowOptions, WindowStore, read_snapshot_tail, restore,
};

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((&mode, data)) = data.split_first() else { return Corpus::Reject };
    let mut rest = data;
    if let Ok(head) = SnapshotHead::read(&mut rest) {
        assert_eq!(SnapshotHead::read(&mut &head.encode()[..]).ok(), Some(head));
        let _ = read_snapshot_tail(&mut rest);
    }
    let file = if mode & 1 == 0 { data.to_vec() } else { block(data) };
    let mut store = store(mode);
    if restore(&mut *store, &mut &file[..]).is_err() {
        return Corpus::Keep;
    }
    let entries = all(&mut *store);
    let (mut writer, mut again) = (SnapshotWriter::begin(), Vec::new());
    while !writer.step(&mut *store, 100, &mut again).expect("memory takes all") {}
    let mut second = self::store(mode);
    restore(&mut *second, &mut &again[..]).expect("what was written reads back");
    assert_eq!(all(&mut *second), entries);
    assert_eq!(second.len(), store.len());
    Corpus::Keep
});

fn store(mode: u8) -> Box<dyn Logged> {
    match mode >> 1 & 7 {
        0 | 1 => Box::new(Store::new(Options::default())),
        2 => Box::new(WindowStore::new(WindowOptions::new(1, 1000))),
        3 => Box::new(WindowStore::new(WindowOptions::new(7, 100_000))),
        4 | 5 => Box::new(JoinStore::new(JoinOptions::new(1000))),
        _ => Box::new(SessionStore::new(SessionOptions::new(10, 1000))),
    }
}

fn all(store: &mut dyn Logged) -> Entries {
    let mut entries = Entries::new();
    let mut take = |key: &[u8], value: &[u8]| {
        assert!(entries.insert(key.to_vec(), value.to_vec()).is_none(), "each entry once");
    };
    store.for_each_entry(&mut take).expect("nothing is spilled");
    entries
}

/// A file of one block.
fn block(entries: &[u8]) -> Vec<u8> {
    let count = count(entries).to_le_bytes();
    let mut file = [&b"TRPSTATE"[..], &1u32.to_le_bytes(), &count].concat();
    for (bytes, len) in [(entries, entries.len() as u32), (&count[..], 0)] {
        if len > 0 || bytes.len() == 8 {
            file.extend_from_slice(&len.to_le_bytes());
            file.extend_from_slice(&crc(bytes).to_le_bytes());
            file.extend_from_slice(bytes);
        }
    }
    file
}

/// How many entries there are, two varints before each.
fn count(mut rest: &[u8]) -> u64 {
    let mut count = 0;
    while !rest.is_empty() {
        let (Some(key_len), Some(value_len)) = (varint(&mut rest), varint(&mut rest)) else { break };
        let len = key_len.saturating_add(value_len);
        let Some(behind) = usize::try_from(len).ok().and_then(|len| rest.get(len..)) else { break };
        (rest, count) = (behind, count + 1);
    }
    count
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for at in 0..10 {
        let (&byte, behind) = rest.split_first()?;
        *rest = behind;
        number |= u64::from(byte & 0x7f).checked_shl(7 * at)?;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// CRC-32C, bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |sum, byte| {
        (0..8).fold(
            sum ^ u32::from(*byte),
            |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0x82f6_3b78 } else { sum >> 1 },
        )
    })
}
