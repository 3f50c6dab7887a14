//! The demonstration: a minute in an office with an attack in it, and what the SQL finds of it.

mod feed;
mod findings;
mod watch;

pub use feed::{create_topics, feed};
pub use findings::{Findings, Line};
pub use watch::{Seen, WATCHED, watch};

/// The SQL, by file.
pub const SCRIPTS: [(&str, &str); 2] = [
    ("1-zeek.sql", include_str!("../../demo/1-zeek.sql")),
    ("2-sysmon.sql", include_str!("../../demo/2-sysmon.sql")),
];

#[cfg(test)]
mod tests {
    #[test]
    fn demo_sql_parses() {
        for (name, text) in super::SCRIPTS {
            if let Err(error) = sql::parse(text) {
                panic!("{name}: {}", error.render(text));
            }
        }
    }
}
