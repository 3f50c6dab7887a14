//! The stores against simple models: random operations, epochs, snapshots in pieces, restore, a tiny budget.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use crate::{
    Cursor, JoinOptions, JoinStore, Logged, Options, SessionOptions, SessionStore, SnapshotWriter, Store,
    Update, WindowOptions, WindowStore, restore,
};

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;
/// Key, row and flag.
type Row = (Vec<u8>, Vec<u8>, u8);
type Change = (Vec<u8>, Option<Vec<u8>>);

/// What the runtime does with a store between operations.
#[derive(Debug, Clone)]
enum Upkeep {
    Drain,
    BeginSnapshot,
    StepSnapshot(usize),
    Budget(usize),
}

fn upkeep() -> impl Strategy<Value = Upkeep> {
    prop_oneof![
        3 => Just(Upkeep::Drain),
        1 => Just(Upkeep::BeginSnapshot),
        6 => (1usize..600).prop_map(Upkeep::StepSnapshot),
        1 => prop_oneof![Just(0), Just(20_000), Just(usize::MAX)].prop_map(Upkeep::Budget),
    ]
}

/// The changelog and snapshots of a store.
#[derive(Default)]
struct Journal {
    log: Vec<Change>,
    /// The last state the log leads to.
    logged: Entries,
    open: Option<(SnapshotWriter, Vec<u8>, usize)>,
    complete: Vec<(Vec<u8>, usize)>,
}

impl Journal {
    fn run(&mut self, store: &mut dyn Logged, upkeep: &Upkeep) {
        match upkeep {
            Upkeep::Drain => self.drain(store),
            Upkeep::BeginSnapshot => {
                self.drain(store);
                self.open = Some((SnapshotWriter::begin(), Vec::new(), self.log.len()));
            }
            Upkeep::StepSnapshot(budget) => self.step(store, *budget),
            Upkeep::Budget(bytes) => store.set_budget(*bytes).unwrap(),
        }
    }

    fn drain(&mut self, store: &mut dyn Logged) {
        let mut seen = BTreeSet::new();
        let mut epoch = Vec::new();
        store
            .drain_changes(&mut |key, value| {
                assert!(seen.insert(key.to_vec()), "each key once");
                epoch.push((key.to_vec(), value.map(<[u8]>::to_vec)));
            })
            .unwrap();
        assert!(!store.has_changes());
        for (key, value) in &epoch {
            match value {
                Some(value) => self.logged.insert(key.clone(), value.clone()),
                None => self.logged.remove(key),
            };
        }
        self.log.extend(epoch);
    }

    fn step(&mut self, store: &mut dyn Logged, budget: usize) {
        let Some((mut writer, mut bytes, log_start)) = self.open.take() else { return };
        if writer.step(store, budget, &mut bytes).unwrap() {
            self.complete.push((bytes, log_start));
        } else {
            self.open = Some((writer, bytes, log_start));
        }
    }

    /// Checks the store, its log and its snapshots against the expected entries. `fresh` gives an empty store that is
    /// expired as far as `store` is, after it got its entries.
    fn check<S: Logged>(
        &mut self,
        store: &mut S,
        expect: &Entries,
        fresh: impl Fn() -> S,
        expire: impl Fn(&mut S),
    ) {
        self.drain(store);
        assert_eq!(&entries(store), expect);
        while self.open.is_some() {
            self.step(store, 100);
        }
        let whole_log = (None, 0);
        let snapshots = self.complete.iter().map(|(bytes, log_start)| (Some(bytes), *log_start));
        for (number, (snapshot, log_start)) in snapshots.chain([whole_log]).enumerate() {
            let mut restored = fresh();
            if let Some(mut bytes) = snapshot.map(|bytes| &bytes[..]) {
                restore(&mut restored, &mut bytes).unwrap();
            }
            for (key, value) in &self.log[log_start..] {
                match number % 2 {
                    0 => restored.load(key, value.as_deref()).unwrap(),
                    _ => restored.apply(key, value.as_deref()).unwrap(),
                }
            }
            restored.finish_loading().unwrap();
            expire(&mut restored);
            assert_eq!(&entries(&mut restored), expect, "log from {log_start} of {}", self.log.len());
            assert!(!restored.has_changes());
        }
    }
}

fn entries(store: &mut dyn Logged) -> Entries {
    let mut entries = Entries::new();
    store
        .for_each_entry(&mut |key, value| {
            assert!(entries.insert(key.to_vec(), value.to_vec()).is_none(), "each entry once");
        })
        .unwrap();
    entries
}

fn options(dir: &tempfile::TempDir) -> Options {
    Options { spill_dir: Some(dir.path().to_owned()), chunk_bytes: 512, ..Options::default() }
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![(0u8..40).prop_map(|n| vec![b'k', n]), (0u8..4).prop_map(|n| vec![n; 40]), Just(Vec::new()),]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    let lengths = prop_oneof![6 => 0usize..20, 2 => 100usize..200, 1 => 300usize..2000];
    (lengths, any::<u8>()).prop_map(|(len, byte)| vec![byte; len])
}

#[derive(Debug, Clone)]
enum StoreOp {
    Put(Vec<u8>, Vec<u8>),
    Remove(Vec<u8>),
    Add(Vec<u8>),
    Get(Vec<u8>),
    Upkeep(Upkeep),
}

fn store_op() -> impl Strategy<Value = StoreOp> {
    prop_oneof![
        6 => (key(), value()).prop_map(|(key, value)| StoreOp::Put(key, value)),
        3 => key().prop_map(StoreOp::Remove),
        3 => key().prop_map(StoreOp::Add),
        2 => key().prop_map(StoreOp::Get),
        2 => upkeep().prop_map(StoreOp::Upkeep),
    ]
}

/// Adds a byte, and removes the value when it gets long.
fn grow(old: Option<&[u8]>, new: &mut Vec<u8>) -> Update {
    new.extend_from_slice(old.unwrap_or_default());
    new.push(7);
    if new.len() > 30 { Update::Remove } else { Update::Put }
}

#[derive(Debug, Clone)]
enum TimedOp {
    Put(Vec<u8>, i64, Vec<u8>),
    Remove(Vec<u8>, i64),
    Fetch(Vec<u8>, i64, i64),
    Expire(i64),
    Visit(i64),
    Pending(i64),
    Upkeep(Upkeep),
}

fn timed_op() -> impl Strategy<Value = TimedOp> {
    // Time goes on with the number of the operation; these are relative to it.
    let time = -60i64..60;
    prop_oneof![
        10 => (key(), time.clone(), value()).prop_map(|(key, time, value)| TimedOp::Put(key, time, value)),
        2 => (key(), time.clone()).prop_map(|(key, time)| TimedOp::Remove(key, time)),
        4 => (key(), time.clone(), 0i64..300).prop_map(|(key, from, span)| TimedOp::Fetch(key, from, span)),
        1 => time.clone().prop_map(TimedOp::Expire),
        2 => time.clone().prop_map(TimedOp::Visit),
        2 => time.prop_map(TimedOp::Pending),
        3 => upkeep().prop_map(TimedOp::Upkeep),
    ]
}

fn logged_key(key: &[u8], times: &[i64]) -> Vec<u8> {
    let mut logged = key.to_vec();
    times.iter().for_each(|time| logged.extend_from_slice(&time.to_be_bytes()));
    logged
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn store_is_a_map(ops in prop::collection::vec(store_op(), 1..600)) {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::new(options(&dir));
        let (mut model, mut journal) = (Entries::new(), Journal::default());
        for op in &ops {
            match op {
                StoreOp::Put(key, value) => {
                    store.put(key, value).unwrap();
                    model.insert(key.clone(), value.clone());
                }
                StoreOp::Remove(key) => {
                    prop_assert_eq!(store.remove(key).unwrap(), model.remove(key).is_some());
                }
                StoreOp::Add(key) => {
                    let mut new = Vec::new();
                    match grow(model.get(key).map(Vec::as_slice), &mut new) {
                        Update::Remove => model.remove(key),
                        _ => model.insert(key.clone(), new),
                    };
                    store.update(key, grow).unwrap();
                }
                StoreOp::Get(key) => {
                    prop_assert_eq!(store.get(key).unwrap(), model.get(key).map(Vec::as_slice));
                }
                StoreOp::Upkeep(upkeep) => journal.run(&mut store, upkeep),
            }
            prop_assert_eq!(store.len(), model.len());
        }
        journal.check(&mut store, &model, || Store::new(Options::default()), |_| {});
        prop_assert_eq!(&journal.logged, &model);
    }

    #[test]
    fn window_store_is_a_map_by_start(
        ops in prop::collection::vec(timed_op(), 1..400),
        grid_ms in prop::sample::select(vec![1i64, 10]),
        segment_ms in prop::sample::select(vec![10i64, 50, 5000]),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let fresh = |store| WindowStore::new(WindowOptions { grid_ms, segment_ms, store });
        let mut store = fresh(options(&dir));
        let mut model: BTreeMap<(i64, Vec<u8>), Vec<u8>> = BTreeMap::new();
        let (mut journal, mut expired) = (Journal::default(), i64::MIN);
        for (now, op) in ops.iter().enumerate() {
            let now = now as i64;
            let snap = |time: i64| (now + time).div_euclid(grid_ms) * grid_ms;
            match op {
                TimedOp::Put(key, time, value) => {
                    store.put(key, snap(*time), value).unwrap();
                    if snap(*time) >= expired {
                        model.insert((snap(*time), key.clone()), value.clone());
                    }
                }
                TimedOp::Remove(key, time) => {
                    let was_there = model.remove(&(snap(*time), key.clone())).is_some();
                    prop_assert_eq!(store.remove(key, snap(*time)).unwrap(), was_there);
                }
                TimedOp::Fetch(key, from, span) => {
                    let (from, to) = (now + from, now + from + span);
                    let mut got = Vec::new();
                    store.fetch(key, from..=to, &mut |start, value| got.push((start, value.to_vec()))).unwrap();
                    let expect: Vec<_> = model.iter()
                        .filter(|((start, k), _)| k == key && (from..=to).contains(start))
                        .map(|((start, _), value)| (*start, value.clone())).collect();
                    prop_assert_eq!(got, expect);
                    let mut got = BTreeMap::new();
                    store.range(from..=to, &mut |key, start, value| { got.insert((start, key.to_vec()), value.to_vec()); }).unwrap();
                    let expect: BTreeMap<_, _> = model.iter()
                        .filter(|((start, _), _)| (from..=to).contains(start))
                        .map(|(key, value)| (key.clone(), value.clone())).collect();
                    prop_assert_eq!(got, expect);
                    let value = model.get(&(snap(0), key.clone())).map(Vec::as_slice);
                    prop_assert_eq!(store.get(key, snap(0)).unwrap(), value);
                }
                TimedOp::Expire(time) => {
                    store.expire(now + time - 100).unwrap();
                    expired = expired.max(now + time - 100);
                    model.retain(|(start, _), _| *start >= expired);
                }
                TimedOp::Visit(time) | TimedOp::Pending(time) => {
                    let bound = now + time - 100;
                    let (mut got, mut last) = (BTreeMap::new(), i64::MIN);
                    store.expire_before(bound, &mut |key, start, value| {
                        assert!(start >= last, "in the order of starts");
                        last = start;
                        assert!(got.insert((start, key.to_vec()), value.to_vec()).is_none());
                    }).unwrap();
                    expired = expired.max(bound);
                    let kept = model.split_off(&(expired, Vec::new()));
                    prop_assert_eq!(got, std::mem::replace(&mut model, kept));
                }
                TimedOp::Upkeep(upkeep) => journal.run(&mut store, upkeep),
            }
        }
        let expect = model.iter().map(|((start, key), value)| (logged_key(key, &[*start]), value.clone())).collect();
        journal.check(&mut store, &expect, || fresh(Options::default()), |store| store.expire(expired).unwrap());
    }

    #[test]
    fn join_store_keeps_rows_in_order(
        ops in prop::collection::vec(timed_op(), 1..400),
        segment_ms in prop::sample::select(vec![10i64, 50, 5000]),
        few_keys: bool,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let fresh = |store| JoinStore::new(JoinOptions { segment_ms, store });
        let mut store = fresh(options(&dir));
        // By time and sequence: key, row, flag.
        let mut model: BTreeMap<(i64, u64), Row> = BTreeMap::new();
        let (mut journal, mut expired) = (Journal::default(), i64::MIN);
        for (now, op) in ops.iter().enumerate() {
            let now = now as i64;
            let narrow = |key: &Vec<u8>| if few_keys { vec![b'a'; key.len() % 2] } else { key.clone() };
            match op {
                TimedOp::Put(key, time, row) => {
                    let seq = store.put(&narrow(key), now + time, row).unwrap();
                    if now + time >= expired {
                        model.insert((now + time, seq), (narrow(key), row.clone(), 0));
                    }
                }
                TimedOp::Remove(..) => {}
                TimedOp::Fetch(key, from, span) => {
                    let (key, from, to) = (narrow(key), now + from, now + from + span);
                    let mut got = Vec::new();
                    store.fetch(&key, from..=to, &mut |ts, seq, row, flag| {
                        got.push((ts, seq, row.to_vec(), *flag));
                        if seq % 3 == 0 { *flag |= 2; }
                    }).unwrap();
                    let mut expect = Vec::new();
                    for ((ts, seq), (k, row, flag)) in &mut model {
                        if *k == key && (from..=to).contains(ts) {
                            expect.push((*ts, *seq, row.clone(), *flag));
                            if seq % 3 == 0 { *flag |= 2; }
                        }
                    }
                    prop_assert_eq!(got, expect);
                }
                TimedOp::Pending(time) => {
                    let bound = now + time - 30;
                    let mut got = Vec::new();
                    store.pending_before(bound, &mut |key, ts, seq, row| got.push((ts, seq, key.to_vec(), row.to_vec()))).unwrap();
                    let mut expect = Vec::new();
                    for ((ts, seq), (key, row, flag)) in &mut model {
                        if *ts < bound && *flag == 0 {
                            expect.push((*ts, *seq, key.clone(), row.clone()));
                            *flag = 1;
                        }
                    }
                    prop_assert_eq!(got, expect);
                }
                TimedOp::Expire(time) => {
                    store.expire(now + time - 100).unwrap();
                    expired = expired.max(now + time - 100);
                    model = model.split_off(&(expired, 0));
                }
                TimedOp::Visit(time) => {
                    let bound = now + time - 100;
                    let mut got = Vec::new();
                    store.expire_before(bound, &mut |key, ts, seq, row, flag| {
                        got.push(((ts, seq), (key.to_vec(), row.to_vec(), flag)));
                    }).unwrap();
                    expired = expired.max(bound);
                    let kept = model.split_off(&(expired, 0));
                    let expect: Vec<_> = std::mem::replace(&mut model, kept).into_iter().collect();
                    prop_assert_eq!(got, expect);
                }
                TimedOp::Upkeep(upkeep) => journal.run(&mut store, upkeep),
            }
        }
        let expect = model.iter().map(|((ts, seq), (key, row, flag))| {
            let value = [&[*flag], &row[..]].concat();
            (logged_key(key, &[*ts, *seq as i64]), value)
        }).collect();
        journal.check(&mut store, &expect, || fresh(Options::default()), |store| store.expire(expired).unwrap());
    }

    #[test]
    fn session_store_is_a_map_by_bounds(
        ops in prop::collection::vec(timed_op(), 1..400),
        segment_ms in prop::sample::select(vec![10i64, 50, 5000]),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let fresh = |store| SessionStore::new(SessionOptions { segment_ms, store });
        let mut store = fresh(options(&dir));
        let mut model: BTreeMap<(i64, i64, Vec<u8>), Vec<u8>> = BTreeMap::new();
        let (mut journal, mut expired) = (Journal::default(), i64::MIN);
        for (now, op) in ops.iter().enumerate() {
            let now = now as i64;
            match op {
                TimedOp::Put(key, time, value) => {
                    let end = now + time;
                    let start = end - (value.len() as i64 % 7) * 5;
                    store.put(key, start, end, value).unwrap();
                    if end >= expired {
                        model.insert((end, start, key.clone()), value.clone());
                    }
                }
                TimedOp::Remove(key, time) => {
                    let at = model.keys().find(|(end, _, k)| k == key && *end >= now + time).cloned();
                    let (end, start, key) = at.unwrap_or((now, now, key.clone()));
                    let was_there = model.remove(&(end, start, key.clone())).is_some();
                    prop_assert_eq!(store.remove(&key, start, end).unwrap(), was_there);
                }
                TimedOp::Fetch(key, from, span) => {
                    let (from, to) = (now + from, now + from + span);
                    let mut got = Vec::new();
                    store.find(key, from, to, &mut |start, end, value| got.push((end, start, value.to_vec()))).unwrap();
                    let within = |end: i64, start: i64| end >= from && start <= to;
                    let expect: Vec<_> = model.iter()
                        .filter(|((end, start, k), _)| k == key && within(*end, *start))
                        .map(|((end, start, _), value)| (*end, *start, value.clone())).collect();
                    prop_assert_eq!(got, expect);
                    let mut got = BTreeMap::new();
                    store.range(from, to, &mut |key, start, end, value| {
                        got.insert((end, start, key.to_vec()), value.to_vec());
                    }).unwrap();
                    let expect: BTreeMap<_, _> = model.iter().filter(|((end, start, _), _)| within(*end, *start))
                        .map(|(key, value)| (key.clone(), value.clone())).collect();
                    prop_assert_eq!(got, expect);
                }
                TimedOp::Expire(time) => {
                    store.expire(now + time - 100).unwrap();
                    expired = expired.max(now + time - 100);
                    model.retain(|(end, ..), _| *end >= expired);
                }
                TimedOp::Visit(time) | TimedOp::Pending(time) => {
                    let bound = now + time - 100;
                    let mut got = Vec::new();
                    store.expire_before(bound, &mut |key, start, end, value| {
                        got.push(((end, start, key.to_vec()), value.to_vec()));
                    }).unwrap();
                    expired = expired.max(bound);
                    let kept = model.split_off(&(expired, i64::MIN, Vec::new()));
                    let expect: Vec<_> = std::mem::replace(&mut model, kept).into_iter().collect();
                    prop_assert_eq!(got, expect);
                }
                TimedOp::Upkeep(upkeep) => journal.run(&mut store, upkeep),
            }
        }
        let expect = model.iter().map(|((end, start, key), value)| (logged_key(key, &[*end, *start]), value.clone())).collect();
        journal.check(&mut store, &expect, || fresh(Options::default()), |store| store.expire(expired).unwrap());
    }

    #[test]
    fn damaged_snapshot_is_an_error(at in any::<prop::sample::Index>(), flip in 1u8.., cut: bool) {
        let mut store = Store::new(Options::default());
        for number in 0u32..50 {
            store.put(&number.to_be_bytes(), b"value").unwrap();
        }
        let mut bytes = Vec::new();
        SnapshotWriter::begin().step(&mut store, usize::MAX, &mut bytes).unwrap();
        let at = at.index(bytes.len());
        // The number of entries in the head is a hint.
        prop_assume!(cut || !(12..20).contains(&at));
        if cut { bytes.truncate(at) } else { bytes[at] ^= flip }
        prop_assert!(restore(&mut Store::new(Options::default()), &mut &bytes[..]).is_err());
    }

    #[test]
    fn hostile_entries_are_errors(key in prop::collection::vec(any::<u8>(), 0..40), value in prop::option::of(prop::collection::vec(any::<u8>(), 0..8))) {
        let _ = WindowStore::new(WindowOptions::new(1, 1000)).apply(&key, value.as_deref());
        let _ = WindowStore::new(WindowOptions::new(7, 100_000)).apply(&key, value.as_deref());
        let _ = JoinStore::new(JoinOptions::new(1000)).apply(&key, value.as_deref());
        let mut sessions = SessionStore::new(SessionOptions::new(10, 1000));
        let _ = sessions.apply(&key, value.as_deref());
        sessions.find(&key, i64::MIN, i64::MAX, &mut |_, _, _| {}).unwrap();
    }
}

#[test]
fn loaded_entries_are_those_put_last() {
    let (mut put, mut loaded) = (Store::new(Options::default()), Store::new(Options::default()));
    for number in 0..300_000u32 {
        // Most keys come once, some often, some go away again.
        let key = if number % 5 == 0 { number % 1000 } else { number }.to_be_bytes();
        let value = [number as u8; 9];
        let value = (number % 11 != 0).then_some(&value[..(number % 9) as usize]);
        put.apply(&key, value).unwrap();
        loaded.load(&key, value).unwrap();
    }
    loaded.finish_loading().unwrap();
    assert_eq!(loaded.len(), put.len());
    assert_eq!(entries(&mut loaded), entries(&mut put));
    assert_eq!(loaded.get(&1u32.to_be_bytes()).unwrap(), put.get(&1u32.to_be_bytes()).unwrap());
    let larger = loaded.bytes_used() as f64 / put.bytes_used() as f64;
    assert!(larger < 1.7, "{larger} times the memory");
}

#[test]
fn snapshot_ends_although_writes_go_on() {
    let mut store = Store::new(Options { chunk_bytes: 4096, ..Options::default() });
    let put =
        |store: &mut Store, number: u32, len: usize| store.put(&number.to_be_bytes(), &vec![1; len]).unwrap();
    (0..2000).for_each(|number| put(&mut store, number, 20));
    let (mut writer, mut out) = (SnapshotWriter::begin(), Vec::new());
    let mut steps = 0;
    while !writer.step(&mut store, 64, &mut out).unwrap() {
        steps += 1;
        assert!(steps < 10_000, "snapshot never ends");
        // Every step appends more than the budget reads.
        (0..20).for_each(|number| put(&mut store, number * 7, 20 + steps % 3));
    }
    assert!(steps > 10, "was written in pieces");
}

#[test]
fn large_entry_rewritten_small_during_a_scan_is_visited() {
    for steps_before in 0..4 {
        let mut store = Store::new(Options { chunk_bytes: 4096, ..Options::default() });
        store.put(b"small", b"1").unwrap();
        store.put(b"large", &[1; 3000]).unwrap();
        store.put(b"shrunk", &[2; 3000]).unwrap();
        let (mut cursor, mut seen) = (Cursor::default(), BTreeSet::new());
        for _ in 0..steps_before {
            store.scan(&mut cursor, 1, &mut |key, _| seen.extend([key.to_vec()])).unwrap();
        }
        store.put(b"shrunk", b"2").unwrap();
        while !store.scan(&mut cursor, 1, &mut |key, _| seen.extend([key.to_vec()])).unwrap() {}
        assert_eq!(seen.len(), 3, "rewritten after {steps_before} steps");
    }
}

#[test]
fn churn_does_not_grow_memory() {
    let mut store = Store::new(Options::default());
    for round in 0..60usize {
        for number in 0..20_000u32 {
            store.put(&number.to_be_bytes(), &vec![0; 40 + (round + number as usize) % 9]).unwrap();
        }
        store.clear_changes().unwrap();
    }
    assert!(store.bytes_used() < 6 << 20, "{} bytes for 1 MB of entries", store.bytes_used());
}

#[test]
fn budget_bounds_memory_and_everything_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::new(Options {
        spill_dir: Some(dir.path().to_owned()),
        budget_bytes: 6 << 20,
        track_changes: false,
        ..Options::default()
    });
    let value = |number: u32| [number.to_le_bytes(); 50].concat();
    for number in 0..80_000u32 {
        store.put(&number.to_be_bytes(), &value(number)).unwrap();
        assert!(store.bytes_used() <= 8 << 20, "{} bytes after {number}", store.bytes_used());
    }
    for number in (0..80_000u32).step_by(97) {
        assert_eq!(store.get(&number.to_be_bytes()).unwrap(), Some(&value(number)[..]));
    }
    assert_eq!(entries(&mut store).len(), 80_000);
}

#[test]
fn window_budget_spills_old_segments() {
    let dir = tempfile::tempdir().unwrap();
    let store =
        Options { spill_dir: Some(dir.path().to_owned()), budget_bytes: 4 << 20, ..Options::default() };
    let mut windows = WindowStore::new(WindowOptions { grid_ms: 10, segment_ms: 10, store });
    for start in 0..100i64 {
        for number in 0..500u32 {
            windows.put(&number.to_be_bytes(), start * 10, &[start as u8; 200]).unwrap();
        }
        windows.clear_changes().unwrap();
    }
    assert!(windows.bytes_used() < 6 << 20, "{} bytes for 10 MB of entries", windows.bytes_used());
    let mut seen = 0;
    windows
        .fetch(&7u32.to_be_bytes(), 0..=2000, &mut |start, value| {
            assert_eq!(value, &[(start / 10) as u8; 200]);
            seen += 1;
        })
        .unwrap();
    assert_eq!(seen, 100);
}

#[test]
fn stores_can_move_to_another_thread() {
    fn is_send<T: Send>() {}
    is_send::<Store>();
    is_send::<WindowStore>();
    is_send::<JoinStore>();
    is_send::<SessionStore>();
}

#[test]
fn loading_beyond_the_budget_spills() {
    let dir = tempfile::tempdir().unwrap();
    let store =
        Options { spill_dir: Some(dir.path().to_owned()), budget_bytes: 3 << 20, ..Options::default() };
    let mut windows = WindowStore::new(WindowOptions { grid_ms: 10, segment_ms: 10, store });
    let logged =
        |number: u32| [&number.to_be_bytes()[..], &(i64::from(number % 3) * 10).to_be_bytes()].concat();
    for number in 0..200_000u32 {
        windows.load(&logged(number % 150_000), Some(&number.to_be_bytes().repeat(8))).unwrap();
    }
    windows.finish_loading().unwrap();
    windows.set_budget(3 << 20).unwrap();
    assert_eq!(windows.len(), 150_000);
    for number in (0..150_000u32).step_by(99) {
        let expect = if number < 50_000 { number + 150_000 } else { number };
        let start = i64::from(number % 3) * 10;
        let value = windows.get(&number.to_be_bytes(), start).unwrap();
        assert_eq!(value, Some(&expect.to_be_bytes().repeat(8)[..]));
    }
    for number in 0..150_000u32 {
        windows.put(&number.to_be_bytes(), i64::from(number % 3) * 10, &[1; 32]).unwrap();
        if number % 1000 == 0 {
            windows.clear_changes().unwrap();
        }
    }
    assert!(windows.bytes_used() < 6 << 20, "{}", windows.bytes_used());
}
