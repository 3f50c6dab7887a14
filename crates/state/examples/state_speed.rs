//! Prints operations per second and bytes per entry of the stores: `cargo run --release -p state --example state_speed`.

use std::time::Instant;

use state::{
    JoinOptions, JoinStore, Logged, Options, SnapshotWriter, StateError, Store, Update, WindowOptions,
    WindowStore, restore,
};

const EPOCH: u64 = 100_000;

/// A key of 26 bytes.
fn key(buffer: &mut [u8; 26], number: u64) -> &[u8] {
    *buffer = *b"user-000000000000000000000";
    // Sixteen digits at once; the generator must not cost more than the store.
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let low = mixed & 0x0f0f_0f0f_0f0f_0f0f | 0x4040_4040_4040_4040;
    let high = mixed >> 4 & 0x0f0f_0f0f_0f0f_0f0f | 0x4040_4040_4040_4040;
    buffer[10..18].copy_from_slice(&low.to_le_bytes());
    buffer[18..].copy_from_slice(&high.to_le_bytes());
    &buffer[..]
}

fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Counts up in three bytes.
fn count(old: Option<&[u8]>, new: &mut Vec<u8>) -> Update {
    let old = old.map_or(0, |old| u32::from_le_bytes([old[0], old[1], old[2], 0]));
    new.extend_from_slice(&(old + 1).to_le_bytes()[..3]);
    Update::Put
}

fn report(what: &str, operations: u64, begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    println!("  {what:<28} {:>7.2} M/s  {seconds:.2} s", operations as f64 / seconds / 1e6);
}

fn store(keys: u64) -> Result<(), Box<dyn std::error::Error>> {
    println!("Store, {keys} keys");
    let (mut store, mut buffer, mut seed) = (Store::new(Options::default()), [0; 26], 1);
    let begun = Instant::now();
    for number in 0..keys {
        store.put(key(&mut buffer, number), &[0, 0, 0])?;
        if number % EPOCH == 0 {
            store.clear_changes()?;
        }
    }
    report("put, new", keys, begun);
    store.clear_changes()?;
    println!(
        "  {} MB, {:.1} bytes/entry",
        store.bytes_used() / 1_000_000,
        store.bytes_used() as f64 / keys as f64
    );
    let operations = 5_000_000;
    let begun = Instant::now();
    let mut drained = 0u64;
    for number in 0..operations {
        store.update(key(&mut buffer, random(&mut seed) % keys), count)?;
        if number % EPOCH == 0 {
            store.drain_changes(&mut |_, _| drained += 1)?;
        }
    }
    report("update, random, with drain", operations, begun);
    let begun = Instant::now();
    let mut found = 0u64;
    for _ in 0..operations {
        found += u64::from(store.get(key(&mut buffer, random(&mut seed) % keys))?.is_some());
    }
    assert_eq!(found, operations);
    report("get, random", operations, begun);
    store.clear_changes()?;
    let mut snapshot = Vec::new();
    let (begun, mut slowest) = (Instant::now(), 0f64);
    let mut writer = SnapshotWriter::begin();
    loop {
        let step = Instant::now();
        let complete = writer.step(&mut store, 1 << 20, &mut snapshot)?;
        slowest = slowest.max(step.elapsed().as_secs_f64());
        if complete {
            break;
        }
    }
    report("snapshot", keys, begun);
    println!("  slowest step {:.1} ms, {} MB", slowest * 1e3, snapshot.len() / 1_000_000);
    drop(store);
    let begun = Instant::now();
    let mut restored = Store::new(Options::default());
    restore(&mut restored, &mut &snapshot[..])?;
    report("restore", keys, begun);
    assert_eq!(restored.len() as u64, keys);
    Ok(())
}

fn windows(keys: u64) -> Result<(), StateError> {
    println!("WindowStore, {keys} keys, one-minute windows");
    let mut store = WindowStore::new(WindowOptions::new(60_000, 3_600_000));
    let (mut buffer, mut seed, operations) = ([0; 26], 1, 5_000_000u64);
    let begun = Instant::now();
    let mut closed = 0u64;
    for number in 0..operations {
        let start = (number / 500_000 * 60_000) as i64;
        store.update(key(&mut buffer, random(&mut seed) % keys), start, count)?;
        if number % EPOCH == 0 {
            store.clear_changes()?;
            store.expire_before(start - 60_000, &mut |_, _, _| closed += 1)?;
        }
    }
    report("update, random", operations, begun);
    Ok(())
}

fn join(rows_per_key: u64, outer: bool) -> Result<(), StateError> {
    let kind = if outer { "outer" } else { "inner" };
    println!("JoinStore, {kind} join, {rows_per_key} rows per key, 1 M rows in the window");
    let mut store = JoinStore::new(JoinOptions::new(1_000_000));
    let (mut buffer, operations) = ([0; 26], 3_000_000u64);
    let begun = Instant::now();
    let (mut found, mut pending) = (0u64, 0u64);
    for number in 0..operations {
        let (ts, row) = (number as i64, [1; 40]);
        store.put(key(&mut buffer, number / rows_per_key), ts, &row)?;
        store.fetch(key(&mut buffer, number / rows_per_key), ts - 1_000_000..=ts, &mut |_, _, _, flag| {
            *flag |= u8::from(outer) & (number % 2) as u8;
            found += 1;
        })?;
        if number % EPOCH == 0 {
            store.clear_changes()?;
            if outer {
                store.pending_before(ts - 1_000_000, &mut |_, _, _, _| pending += 1)?;
            }
            store.expire(ts - 1_000_000)?;
        }
    }
    report("put + fetch", operations, begun);
    println!("  {} MB, {found} found, {pending} unmatched", store.bytes_used() / 1_000_000);
    Ok(())
}

fn spilled() -> Result<(), Box<dyn std::error::Error>> {
    println!("Store, 1 M keys of 26 + 100 bytes, budget 48 MB");
    let dir = tempfile::tempdir()?;
    let options = Options {
        budget_bytes: 48_000_000,
        spill_dir: Some(dir.path().to_owned()),
        track_changes: false,
        ..Options::default()
    };
    let (mut store, mut buffer, mut seed, keys) = (Store::new(options), [0; 26], 1, 1_000_000);
    let begun = Instant::now();
    for number in 0..keys {
        store.put(key(&mut buffer, number), &[1; 100])?;
    }
    report("put, new", keys, begun);
    println!("  {} MB in memory", store.bytes_used() / 1_000_000);
    let begun = Instant::now();
    for _ in 0..500_000 {
        store.get(key(&mut buffer, random(&mut seed) % keys))?;
    }
    report("get, random", 500_000, begun);
    let begun = Instant::now();
    for _ in 0..500_000 {
        store.put(key(&mut buffer, random(&mut seed) % keys), &[2; 100])?;
    }
    report("put, random", 500_000, begun);
    println!("  {} MB in memory", store.bytes_used() / 1_000_000);
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A number of keys given as argument measures that store alone.
    if let Some(keys) = std::env::args().nth(1) {
        return store(keys.parse()?);
    }
    for keys in [10_000, 1_000_000, 10_000_000] {
        store(keys)?;
    }
    windows(100_000)?;
    join(1, false)?;
    join(1, true)?;
    join(20, true)?;
    spilled()
}
