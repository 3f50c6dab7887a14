//! The order in which keys come: producers write the keys of an object in one order, leaving some out.
//!
//! A list of all keys seen, wanted or not, each with its successor. The next key of a record is compared
//! with the successor of the last one, then with a few further on (fields left out); only then is it looked up by
//! hash. A key not known is put into the list where it came, so that the list becomes the union of the
//! orders seen. If predictions fail too often the list is forgotten and learned anew.
//!
//! A known key is kept as its bytes in the record, from the quote to the colon, so that one compare
//! checks the text and the punctuation. Such bytes were valid JSON when they were learned.

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher;

use super::block::{BLOCK_BYTES, word_at};
use super::projection::{NONE, Targets};

/// Keys remembered for one object of a projection. Further ones are resolved each time they come.
const KEYS_MAX: usize = 1024;

/// Bytes of a key, with quotes and colon, that is remembered.
const KEY_BYTES_MAX: usize = 256;

/// Keys compared before the look-up by hash: runs of optional fields of Zeek's logs are up to three long.
const LOOK_AHEAD_MAX: usize = 4;

/// Objects after which failed predictions are counted up.
const REVIEW_OBJECTS: u32 = 256;

/// Failed predictions an object, on average, that make the list be learned anew.
const MISSES_PER_OBJECT_MAX: u32 = 3;

/// A key as it comes in records.
#[derive(Debug)]
pub(super) struct Known {
    /// The first 16 bytes, zeros behind the end.
    word: u128,
    /// Ones where `word` has bytes.
    mask: u128,
    /// The last 16 bytes of a token that has more.
    last: u128,
    /// All bytes, from the quote to the colon.
    token: Box<[u8]>,
    /// How many of them are the key with its quotes.
    quoted: usize,
    next: u16,
    targets: Targets,
}

impl Known {
    /// Whether what `word` does not cover is there too.
    #[inline(always)]
    fn rest_is_at(&self, bytes: &[u8], at: usize) -> bool {
        let len = self.token.len();
        len <= BLOCK_BYTES
            || word_at(bytes, at + len - BLOCK_BYTES) == self.last
                && (len <= 2 * BLOCK_BYTES || bytes.get(at..at + len) == Some(&*self.token))
    }
}

/// A predicted or found key.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub id: u16,
    /// The key to expect after it.
    pub next: u16,
    /// Bytes up to and with the colon.
    pub len: usize,
    pub targets: Targets,
}

/// The key at `at` if it is `expected` or one soon after.
#[inline(always)]
pub(super) fn predict(known: &[Known], bytes: &[u8], at: usize, expected: u16) -> Option<Found> {
    let word = word_at(bytes, at);
    let mut id = expected;
    for _ in 0..LOOK_AHEAD_MAX {
        let known = known.get(usize::from(id))?;
        if (word ^ known.word) & known.mask == 0 && known.rest_is_at(bytes, at) {
            return Some(Found { id, next: known.next, len: known.token.len(), targets: known.targets });
        }
        id = known.next;
    }
    None
}

/// The keys of one object of a projection, in the order they come.
#[derive(Debug, Default)]
pub(super) struct KeyOrder {
    known: Vec<Known>,
    by_text: HashTable<u16>,
    hasher: RandomState,
    head: u16,
    objects: u32,
    misses: u32,
}

impl KeyOrder {
    /// Begins an object; gives the key to expect first.
    #[inline(always)]
    pub(super) fn begin(&mut self) -> u16 {
        self.objects += 1;
        if self.objects >= REVIEW_OBJECTS {
            self.review();
        }
        if self.known.is_empty() { NONE } else { self.head }
    }

    #[cold]
    fn review(&mut self) {
        if self.misses > self.objects.saturating_mul(MISSES_PER_OBJECT_MAX) {
            self.known.clear();
            self.by_text.clear();
        }
        self.objects = 0;
        self.misses = 0;
    }

    /// The keys to predict with.
    #[inline(always)]
    pub(super) fn known(&self) -> &[Known] {
        &self.known
    }

    /// The key with these quotes and text, wherever it is in the order.
    pub(super) fn find(&mut self, quoted: &[u8], len: usize) -> Option<Found> {
        self.misses = self.misses.saturating_add(1);
        let hash = self.hasher.hash_one(quoted);
        let id = *self.by_text.find(hash, |&id| {
            let known = &self.known[usize::from(id)];
            &known.token[..known.quoted] == quoted
        })?;
        let Known { next, targets, .. } = self.known[usize::from(id)];
        Some(Found { id, next, len, targets })
    }

    /// Remembers a key that came after `previous`, if there is room.
    pub(super) fn learn(&mut self, token: &[u8], quoted: usize, previous: u16, targets: Targets) -> Found {
        if self.known.len() >= KEYS_MAX || token.len() > KEY_BYTES_MAX {
            let next = self.known.get(usize::from(previous)).map_or(NONE, |known| known.next);
            return Found { id: NONE, next, len: token.len(), targets };
        }
        let id = self.known.len() as u16;
        let next = match self.known.get_mut(usize::from(previous)) {
            Some(previous) => std::mem::replace(&mut previous.next, id),
            None => {
                let head = if self.known.is_empty() { NONE } else { self.head };
                self.head = id;
                head
            }
        };
        let mut mask = [0; BLOCK_BYTES];
        mask[..token.len().min(BLOCK_BYTES)].fill(u8::MAX);
        let mask = u128::from_le_bytes(mask);
        self.known.push(Known {
            word: word_at(token, 0) & mask,
            mask,
            last: word_at(token, token.len().saturating_sub(BLOCK_BYTES)),
            token: token.into(),
            quoted,
            next,
            targets,
        });
        let Self { known, by_text, hasher, .. } = self;
        by_text.insert_unique(hasher.hash_one(&token[..quoted]), id, |&id| {
            let known = &known[usize::from(id)];
            hasher.hash_one(&known.token[..known.quoted])
        });
        Found { id, next, len: token.len(), targets }
    }
}
