//! A small deterministic random source (the SplitMix64 sequence): the same seed gives the same events for ever.

/// Characters of Zeek's uids.
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#[derive(Debug, Clone)]
pub(crate) struct Random {
    state: u64,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// Returns a number in `0..bound`; `bound` is not zero.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// Returns a number in `first..final_excluded`.
    pub(crate) fn between(&mut self, first: i64, final_excluded: i64) -> i64 {
        first + self.below((final_excluded - first) as u64) as i64
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }

    /// Returns `length` characters of lower-case letters and digits.
    pub(crate) fn label(&mut self, length: usize) -> String {
        (0..length).map(|_| char::from(*self.pick(b"abcdefghijklmnopqrstuvwxyz0123456789"))).collect()
    }

    /// Returns an identifier in Zeek's form: a letter (`C` connection, `F` file) and base 62 digits.
    pub(crate) fn zeek_id(&mut self, letter: char) -> String {
        let mut id = vec![letter as u8];
        write_base62(&mut id, self.next(), self.next());
        String::from_utf8(id).expect("letters and digits are ASCII")
    }

    pub(crate) fn hex(&mut self, digits: usize) -> String {
        (0..digits).map(|_| char::from(*self.pick(b"0123456789abcdef"))).collect()
    }
}

/// Spreads the bits of a counter over a whole word.
pub(crate) fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Writes 16 base 62 digits, each from eight bits of the two words.
pub(crate) fn write_base62(out: &mut Vec<u8>, first: u64, second: u64) {
    let mut digits = [0; 16];
    let bytes = first.to_le_bytes().into_iter().chain(second.to_le_bytes());
    for (digit, byte) in digits.iter_mut().zip(bytes) {
        *digit = BASE62[(usize::from(byte) * 62) >> 8];
    }
    out.extend_from_slice(&digits);
}
