//! Scenario files read and run: SQL, timed inputs, expected changelog, in one small text form.
//!
//! ```text
//! -- A comment; `#` begins one too.          -- ways: one, restore     only these ways make sense here
//!                                            -- server: NAME=VALUE     a setting of the server
//! CREATE STREAM conn (uid STRING, n INT) WITH (KAFKA_TOPIC='conn', VALUE_FORMAT='JSON');
//! CREATE STREAM big AS SELECT * FROM conn WHERE n > 5;
//! CREATE STREAM bad AS SELECT usr FROM conn;
//! expect error "column … cannot be resolved"     of the statement before; `…` stands for anything
//!
//! input conn                                 a topic, or the stream or table on it
//! @0    k1 | {"uid":"C1","n":7}              time, key | value; the block ends at a blank line
//! +1s      | {"uid":"C2","n":3}              later than the record before; without key
//!       k1 | null                            at the same time; without value (a tombstone)
//!
//! expect BIG                                 all records since it was last looked at, in order
//! @0    k1 | {"UID":"C1","N":7}              the time may be left out, then it is not compared
//!
//! expect COUNTS unordered                    in any order
//! k1[0,1m] | {"N":2}                         a windowed key: start and end (or SESSION's last record)
//!
//! expect table COUNTS                        the rows of SELECT * (a pull query), in any order
//! {"K":"k1","WINDOWSTART":0,"WINDOWEND":60000,"N":2}
//!
//! expect rows SELECT n FROM big EMIT CHANGES LIMIT 1;   any query; a row is an object or an array
//! [7]
//!
//! expect answer "already exists"             what the statement before said
//! expect processing log "not JSON"           some record of the processing log says so
//! expect stopped "not JSON"                  some query was stopped by such an error
//! ```
//!
//! Times are `1500` (ms), `1s`, `5m`, `1h30m`, `2d` or `2024-01-31T10:00:00Z`. `null` is no key or no value; a
//! text in single quotes is taken as it is (`'null'`, `''`, `' | '`); `int(5)`, `bigint(5)`, `double(1.5)`
//! and `hex(00ff)` are the bytes of Kafka's serializers. What begins with `{` or `[` is compared as JSON,
//! numbers by value; all else byte by byte.
//!
//! Each file runs in up to four [`Way`]s, with the same expectations. With several partitions only the order
//! of records with the same key is compared, and none of those without.

mod bytes;
mod compare;
mod door;
mod file;
mod json;
mod line;
mod pattern;
mod report;
mod run;
mod time;
mod way;
mod window;

pub use door::{Door, ServerDoor};
pub use file::{Item, ItemKind, ParseError, Scenario};
pub use line::{RecordLine, TimeMark};
pub use report::{Runner, Summary, run_file};
pub use run::Failure;
pub use way::{Way, Ways};
