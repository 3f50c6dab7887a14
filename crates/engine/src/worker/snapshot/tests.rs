//! What is restored against what was never stopped: whole, with files damaged, killed at any moment.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use runtime::TaskOptions;

use super::*;
use crate::opened::{open_with, run};
use crate::worker::{Restored, restore};
use crate::{Engine, RowEvent, Session};

const PATIENCE: Duration = Duration::from_secs(30);

fn open(dir: &Path, settings: &[(&str, &str)]) -> Engine {
    let own = [("cache.max.bytes.buffering", "0"), ("commit.interval.ms", "2"), ("log.retention.ms", "-1")];
    open_with(dir, &[&own, settings].concat())
}

fn wait(engine: &Engine) {
    assert!(engine.wait_until_still(PATIENCE).unwrap());
}

fn count_hosts(engine: &Engine, hosts: std::ops::Range<u32>) {
    let line = |host: u32| (Some(1000), None, Some(format!("{{\"host\":\"{host}\"}}").into_bytes()));
    engine.produce("s", None, &hosts.map(line).collect::<Vec<_>>()).unwrap();
    wait(engine);
}

const COUNT: &str = "CREATE STREAM s (host STRING) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);
    CREATE TABLE t AS SELECT host, COUNT(*) AS n FROM s WINDOW TUMBLING (SIZE 1 MINUTE) GROUP BY host;";

type Entries = BTreeMap<(usize, Vec<u8>), Vec<u8>>;

/// Restores the only task of the only query as a start would, and returns what it has and how much of the changelog
/// was read.
fn restored(engine: &Engine) -> (Entries, Vec<u8>, u64) {
    let (changelog, dir) = place(engine);
    let state = engine.inner.state();
    let plan = state.queries.values().next().unwrap().plan.clone();
    let options = TaskOptions { inline_repartition: true, ..TaskOptions::default() };
    let new_task = || Task::new(&plan, &options);
    let Restored { mut task, bytes } = restore(&changelog, &dir, &new_task).unwrap();
    let mut entries = Entries::new();
    for (number, (_, store)) in task.stores_mut().enumerate() {
        let mut take = |key: &[u8], value: &[u8]| {
            entries.insert((number, key.to_vec()), value.to_vec());
        };
        store.for_each_entry(&mut take).unwrap();
    }
    (entries, task.save_meta(), bytes)
}

fn place(engine: &Engine) -> (Arc<Partition>, PathBuf) {
    let log = &engine.inner.log;
    let topic = log.topics().into_iter().find(|topic| topic.name.ends_with("-changelog")).unwrap();
    let dir = task_dir(&engine.inner.state_dir, topic.id, 0);
    (log.partition(&topic.name, 0).unwrap(), dir)
}

#[test]
fn start_reads_the_newest_snapshot_and_the_rest_of_the_changelog() {
    let dir = tempfile::tempdir().unwrap();
    // So long that each round is committed as one.
    let engine = open(dir.path(), &[("tripline.snapshot.bytes", "0"), ("commit.interval.ms", "500")]);
    run(&engine, COUNT);
    (0..4).for_each(|round| count_hosts(&engine, round * 500..(round + 1) * 1000));
    let (_, snapshots) = place(&engine);
    let kept = files(&snapshots);
    assert_eq!(kept.len(), KEPT);
    let (whole, meta, rest) = restored(&engine);
    assert_eq!(whole.len(), 4000);
    // Markers at the most: the snapshot was begun after the last change.
    assert!(rest < 1000, "{rest} bytes of the changelog");

    let bytes = fs::read(&kept[0]).unwrap();
    let damages: [&dyn Fn() -> Vec<u8>; 5] = [
        &|| bytes[..bytes.len() - 1].to_vec(),
        &|| bytes[..bytes.len() / 2].to_vec(),
        &Vec::new,
        &|| [&bytes[..], b"x"].concat(),
        &|| bytes.iter().enumerate().map(|(at, byte)| byte ^ u8::from(at == bytes.len() / 3)).collect(),
    ];
    for damage in damages {
        fs::write(&kept[0], damage()).unwrap();
        let (entries, meta_then, read) = restored(&engine);
        assert!(read > 1000, "the one before was used");
        assert_eq!((&entries, &meta_then), (&whole, &meta));
        assert!(!kept[0].exists(), "what is damaged goes away");
    }
    fs::write(&kept[1], b"TRPSNAP1").unwrap();
    fs::write(snapshots.join("00000000000000000009.unfinished"), b"TRPSNAP1").unwrap();
    let (entries, meta_then, _) = restored(&engine);
    assert_eq!((&entries, &meta_then), (&whole, &meta));
    assert_eq!(fs::read_dir(&snapshots).unwrap().count(), 0);
    engine.close();
}

#[test]
fn snapshot_that_does_not_fit_the_changelog_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path(), &[("tripline.snapshot.bytes", "0")]);
    run(&engine, COUNT);
    count_hosts(&engine, 0..100);
    let (_, snapshots) = place(&engine);
    let (whole, meta, _) = restored(&engine);
    let path = files(&snapshots).remove(0);
    let bytes = fs::read(&path).unwrap();
    let head = SnapshotHead::read(&mut &bytes[..]).unwrap();
    let behind = &bytes[head.encode().len()..];
    let stores = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let others = [
        SnapshotHead { partition: 1, ..head.clone() },
        SnapshotHead { changelog_topic: 1, ..head.clone() },
        SnapshotHead { stores: stores(&["another"]), ..head.clone() },
        SnapshotHead { from_offset: head.from_offset + 1_000_000, ..head.clone() },
        SnapshotHead { from_offset: -1, ..head.clone() },
    ];
    for other in others {
        fs::write(&path, [&other.encode()[..], behind].concat()).unwrap();
        let (entries, meta_then, read) = restored(&engine);
        assert_eq!((&entries, &meta_then), (&whole, &meta), "{other:?}");
        assert!(read > 1000, "all of the changelog was read");
    }
    let ahead = [&bytes[..bytes.len() - 20], &snapshot_tail(1_000_000)].concat();
    fs::write(&path, ahead).unwrap();
    assert!(restored(&engine).2 > 1000);
    fs::write(&path, &bytes).unwrap();
    assert!(restored(&engine).2 < 1000, "untouched it is used");
    engine.close();
}

#[test]
fn snapshots_go_with_their_query() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path(), &[("tripline.snapshot.bytes", "0")]);
    run(&engine, COUNT);
    count_hosts(&engine, 0..10);
    let (_, snapshots) = place(&engine);
    assert!(!files(&snapshots).is_empty());
    let stray = root(&engine.inner.state_dir).join(format!("{:032x}-0", 77));
    fs::create_dir_all(&stray).unwrap();
    run(&engine, "DROP TABLE t;");
    assert!(!snapshots.exists());
    assert!(!stray.exists(), "left over from a crash");
    engine.close();
}

#[test]
fn state_above_the_limit_is_spilled_and_counts_on() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path(), &[("tripline.state.memory.bytes", "3000000")]);
    run(
        &engine,
        "CREATE STREAM s (host STRING) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);
         CREATE TABLE t AS SELECT host, COUNT(*) AS n, LATEST_BY_OFFSET(RPAD(host, 500, 'x')) AS long FROM s GROUP BY host;",
    );
    for round in 0..10u32 {
        count_hosts(&engine, round % 5 * 4000..(round % 5 + 1) * 4000);
    }
    let metrics = engine.metrics();
    let bytes = metrics.iter().find(|metric| metric.name == "tripline_query_state_bytes").unwrap().value;
    assert!(bytes < 6e6, "{bytes} bytes of 10 MB in memory");
    assert_eq!(rows(&engine, "SELECT host, n FROM t WHERE n != 2;"), Vec::<String>::new());
    assert_eq!(rows(&engine, "SELECT host, n FROM t WHERE host = '7777';").len(), 1);
    engine.close();
}

fn rows(engine: &Engine, sql: &str) -> Vec<String> {
    let mut query =
        engine.query(sql, &Session::default()).unwrap_or_else(|error| panic!("{}", error.render()));
    let (mut rows, begun) = (vec![], Instant::now());
    while begun.elapsed() < PATIENCE {
        match query.rows.next(Duration::from_millis(100)) {
            Some(RowEvent::Rows(found)) => rows.extend(found.iter().map(|row| format!("{:?}", row.values))),
            Some(RowEvent::Failed(error)) => panic!("{}", error.render()),
            Some(RowEvent::End { .. }) => break,
            None => {}
        }
    }
    rows.sort();
    rows
}

/// Records of both streams of the plan below: stream, key, number, time.
type Record = (bool, u8, i32, u16);

const QUERIES: &str = "
    CREATE STREAM a (k STRING KEY, n INT) WITH (KAFKA_TOPIC='a', VALUE_FORMAT='JSON');
    CREATE STREAM b (k STRING KEY, n INT) WITH (KAFKA_TOPIC='b', VALUE_FORMAT='JSON');
    CREATE TABLE last (k STRING PRIMARY KEY, n INT) WITH (KAFKA_TOPIC='b', VALUE_FORMAT='JSON');
    CREATE TABLE sums AS SELECT k, SUM(n) AS n, COUNT(*) AS c FROM a GROUP BY k;
    CREATE TABLE hops AS SELECT k, COUNT(*) AS n FROM a
        WINDOW HOPPING (SIZE 200 MILLISECONDS, ADVANCE BY 100 MILLISECONDS, GRACE PERIOD 300 MILLISECONDS) GROUP BY k;
    CREATE TABLE visits AS SELECT k, COUNT(*) AS n FROM a
        WINDOW SESSION (100 MILLISECONDS, GRACE PERIOD 300 MILLISECONDS) GROUP BY k;
    CREATE STREAM pairs AS SELECT a.k AS k, a.n AS an, b.n AS bn FROM a LEFT JOIN b
        WITHIN 200 MILLISECONDS GRACE PERIOD 100 MILLISECONDS ON a.k = b.k;
    CREATE TABLE by_number AS SELECT n, COUNT(*) AS c FROM last GROUP BY n;";
const RESULTS: [&str; 5] = ["SUMS", "HOPS", "VISITS", "PAIRS", "BY_NUMBER"];

fn feed(engine: &Engine, records: &[Record]) {
    for (is_left, key, number, time) in records {
        let key = format!("k{key}").into_bytes();
        // A tombstone for the table.
        let value = (*number != 0 || *is_left).then(|| format!("{{\"n\":{number}}}").into_bytes());
        let topic = if *is_left { "a" } else { "b" };
        engine.produce(topic, None, &[(Some(i64::from(*time)), Some(key), value)]).unwrap();
    }
}

/// All result records, of each topic and partition in order.
fn results(engine: &Engine) -> Vec<String> {
    wait(engine);
    let topics = RESULTS.iter().flat_map(|topic| {
        let records = engine.records(topic, &[]).unwrap();
        records.into_iter().map(move |r| {
            let text =
                |bytes: Option<Vec<u8>>| bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            format!("{topic} {} {:?} {:?} {}", r.partition, text(r.key), text(r.value), r.timestamp)
        })
    });
    topics.collect()
}

fn batches() -> impl Strategy<Value = Vec<Vec<Record>>> {
    let record = (any::<bool>(), 0u8..4, 0i32..4, 0u16..1000);
    prop::collection::vec(prop::collection::vec(record, 1..12), 1..7)
}

/// What is done between two batches: how it stops, whether all was done before, and what becomes of the files.
#[derive(Clone, Debug)]
struct Stop {
    waits: bool,
    closes: bool,
    damage: Vec<(prop::sample::Index, u8, bool)>,
}

fn stop() -> impl Strategy<Value = Stop> {
    let damage = prop::collection::vec((any::<prop::sample::Index>(), 1u8.., any::<bool>()), 0..3);
    (any::<bool>(), prop::bool::weighted(0.2), damage).prop_map(|(waits, closes, damage)| Stop {
        waits,
        closes,
        damage,
    })
}

/// Damages snapshot files below a directory, each time the next one.
fn damage(dir: &Path, damage: &[(prop::sample::Index, u8, bool)]) {
    let tasks = fs::read_dir(root(dir)).into_iter().flatten().flatten();
    let mut all: Vec<PathBuf> = tasks.flat_map(|task| files(&task.path())).collect();
    all.sort();
    for (path, (at, flip, is_cut)) in all.iter().step_by(2).zip(damage) {
        let mut bytes = fs::read(path).unwrap();
        let at = at.index(bytes.len());
        if *is_cut {
            bytes.truncate(at)
        } else {
            bytes[at] ^= flip
        }
        fs::write(path, bytes).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Killed after any batch, with snapshots whole, damaged, of before or none, the results are those of an engine that was
    /// never stopped: none twice, none missing, all in order.
    #[test]
    fn results_are_those_of_an_engine_never_stopped(
        batches in batches(),
        stops in prop::collection::vec(stop(), 7),
        partitions in 1u32..3,
    ) {
        let partitions = partitions.to_string();
        let settings = [("tripline.snapshot.bytes", "0"), ("num.partitions", partitions.as_str())];
        let dirs = [(); 2].map(|()| tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap());
        let steady = open(dirs[0].path(), &settings);
        let mut engine = open(dirs[1].path(), &settings);
        for engine in [&steady, &engine] {
            run(engine, QUERIES);
        }
        for (batch, stop) in batches.iter().zip(&stops) {
            // Records of two topics meet in the same order only when one after the other is done.
            for record in batch {
                for engine in [&steady, &engine] {
                    wait(engine);
                    feed(engine, std::slice::from_ref(record));
                }
            }
            if stop.waits {
                wait(&engine);
            }
            if stop.closes { engine.close() } else { engine.abandon() }
            drop(engine);
            damage(&dirs[1].path().join("state"), &stop.damage);
            engine = open(dirs[1].path(), &settings);
        }
        let (expect, found) = (results(&steady), results(&engine));
        steady.close();
        engine.close();
        prop_assert_eq!(found, expect);
    }
    /// Killed in the midst of its work, while snapshots are written and commits are on their way.
    #[test]
    fn results_are_the_same_when_killed_in_the_midst_of_work(
        keys in prop::collection::vec(0u16..300, 2000..4000),
        turns in prop::collection::vec(0u32..60, 1..6),
        interval_ms in prop::sample::select(vec!["0", "5", "40"]),
    ) {
        let sql = "CREATE STREAM s (k INT, n INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);
            CREATE TABLE sums AS SELECT k, SUM(n) AS n, COUNT(*) AS c FROM s GROUP BY k;
            CREATE TABLE hops AS SELECT k, COUNT(*) AS n FROM s
                WINDOW HOPPING (SIZE 200 MILLISECONDS, ADVANCE BY 100 MILLISECONDS) GROUP BY k;
            CREATE TABLE visits AS SELECT k, COUNT(*) AS n FROM s
                WINDOW SESSION (100 MILLISECONDS, GRACE PERIOD 300 MILLISECONDS) GROUP BY k;";
        let settings = [("tripline.snapshot.bytes", "0"), ("commit.interval.ms", interval_ms)];
        let line = |(number, key): (usize, &u16)| {
            let line = format!("{{\"k\":{key},\"n\":{number}}}").into_bytes();
            (Some(number as i64 / 2), None, Some(line))
        };
        let records: Vec<_> = keys.iter().enumerate().map(line).collect();
        let all = |engine: &Engine| {
            wait(engine);
            ["SUMS", "HOPS", "VISITS"].map(|topic| {
                let records = engine.records(topic, &[]).unwrap();
                records.into_iter().map(|r| (r.key, r.value, r.timestamp)).collect::<Vec<_>>()
            })
        };
        let dirs = [(); 2].map(|()| tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap());
        let steady = open(dirs[0].path(), &settings);
        run(&steady, sql);
        steady.produce("s", None, &records).unwrap();
        let mut engine = open(dirs[1].path(), &settings);
        run(&engine, sql);
        for (some, turns) in records.chunks(records.len().div_ceil(turns.len())).zip(&turns) {
            // Small pieces make many epochs.
            for piece in some.chunks(50) {
                engine.produce("s", None, piece).unwrap();
            }
            // Any moment: this takes some time, and what else runs decides how far the workers get meanwhile.
            (0..*turns).for_each(|_| { engine.metrics(); });
            engine.abandon();
            drop(engine);
            engine = open(dirs[1].path(), &settings);
        }
        let (expect, found) = (all(&steady), all(&engine));
        steady.close();
        engine.close();
        prop_assert!(found == expect, "{:?} records, {:?} expected", found.map(|t| t.len()), expect.map(|t| t.len()));
    }
}
