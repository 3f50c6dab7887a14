//! Properties of a client: librdkafka's names, which kcat knows, and Kafka's where it has others.
//!
//! A file is read as the client reads it that the name is from: what follows librdkafka's `NAME=` is the value as it
//! stands, of Kafka's own names it is Java's text, with lines that go on behind a backslash and `\t`, `\uXXXX`.
//! The file may be one that clients have already: names that say nothing about a connection are passed over there, but
//! not those that look like a slip.

use std::{collections::BTreeMap, fs::File, io::Read, path::Path};

use anyhow::{Context, Result, bail};

/// Longest file read.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Longest name that is compared with the known ones, and shown.
const NAME_LEN_MAX: usize = 80;

/// What a property says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    Servers,
    Protocol,
    Mechanism,
    User,
    Password,
    Jaas,
    Authorities,
    OwnCertificate,
    OwnSecret,
    /// Certificate and key in one file.
    OwnBoth,
    AuthoritiesType,
    OwnType,
    NameCheck,
}

/// Whose a name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Both,
    Librdkafka,
    Kafka,
}

/// All names taken.
const NAMES: [(&str, Key, Origin); 16] = [
    ("bootstrap.servers", Key::Servers, Origin::Both),
    ("metadata.broker.list", Key::Servers, Origin::Librdkafka),
    ("security.protocol", Key::Protocol, Origin::Both),
    ("sasl.mechanism", Key::Mechanism, Origin::Both),
    ("sasl.mechanisms", Key::Mechanism, Origin::Librdkafka),
    ("sasl.username", Key::User, Origin::Librdkafka),
    ("sasl.password", Key::Password, Origin::Librdkafka),
    ("sasl.jaas.config", Key::Jaas, Origin::Kafka),
    ("ssl.ca.location", Key::Authorities, Origin::Librdkafka),
    ("ssl.certificate.location", Key::OwnCertificate, Origin::Librdkafka),
    ("ssl.key.location", Key::OwnSecret, Origin::Librdkafka),
    ("ssl.truststore.location", Key::Authorities, Origin::Kafka),
    ("ssl.truststore.type", Key::AuthoritiesType, Origin::Kafka),
    ("ssl.keystore.location", Key::OwnBoth, Origin::Kafka),
    ("ssl.keystore.type", Key::OwnType, Origin::Kafka),
    ("ssl.endpoint.identification.algorithm", Key::NameCheck, Origin::Both),
];

/// Names of clients that are not taken, and what is instead.
const OTHERWISE: [(&str, &str); 10] = [
    ("enable.ssl.certificate.verification", "name the server's certificate in ssl.ca.location"),
    ("ssl.ca.pem", "ssl.ca.location names a file"),
    ("ssl.certificate.pem", "ssl.certificate.location names a file"),
    ("ssl.key.pem", "ssl.key.location names a file"),
    ("ssl.truststore.certificates", "ssl.truststore.location names a PEM file"),
    ("ssl.keystore.certificate.chain", "ssl.keystore.location names a PEM file"),
    ("ssl.keystore.key", "ssl.keystore.location names a PEM file"),
    ("ssl.key.password", "openssl pkey -in FILE -out FILE2 writes a key without one"),
    ("ssl.keystore.password", "a PEM file without one is taken"),
    ("ssl.truststore.password", "a PEM file without one is taken"),
];

/// Names that begin so say something about a connection's security.
const SECURITY: [&str; 4] = ["security.", "sasl.", "ssl.", "enable.ssl."];

/// A property that was given.
struct Given {
    name: &'static str,
    value: String,
}

/// What was given, the last of each. It cannot be printed, for it holds passwords.
#[derive(Default)]
pub struct Properties {
    given: BTreeMap<Key, Given>,
}

impl Properties {
    /// Takes `NAME=VALUE` of a command line. An error never shows the value: it may be a password.
    pub fn take_override(&mut self, text: &str) -> Result<()> {
        let Some((name, value)) = text.split_once('=') else {
            bail!("-X takes NAME=VALUE; a \"=\" is missing");
        };
        match find(name.trim()) {
            Ok((name, key, _)) => self.put(name, key, value.to_owned()),
            Err(reason) => bail!("{reason} (-X)"),
        }
        Ok(())
    }

    /// Takes the properties of a file.
    pub fn take_file(&mut self, path: &Path) -> Result<()> {
        let failed = || format!("cannot read properties of \"{}\"", path.display());
        let mut text = String::new();
        let file = File::open(path).with_context(failed)?;
        file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).with_context(failed)?;
        if text.len() as u64 > FILE_BYTES_MAX {
            bail!("{}: it has more than {FILE_BYTES_MAX} bytes", failed());
        }
        self.take_text(&text).with_context(failed)
    }

    fn take_text(&mut self, text: &str) -> Result<()> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut lines = (1..).zip(text.lines());
        while let Some((number, line)) = lines.next() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', '!']) {
                continue;
            }
            let (name, value) = parted(line);
            let (name, key, origin) = match find(name) {
                Ok(found) => found,
                Err(reason) if reason.is_slip() => bail!("line {number}: {reason}"),
                Err(_) => {
                    // Its further lines are no properties.
                    let mut line = line;
                    while goes_on(line) {
                        line = lines.next().map_or("", |(_, line)| line.trim());
                    }
                    continue;
                }
            };
            let mut value = value.to_owned();
            if origin == Origin::Kafka {
                while goes_on(&value) {
                    value.pop();
                    let Some((_, line)) = lines.next() else { break };
                    value.push_str(line.trim());
                }
                value = unescaped(&value);
            }
            self.put(name, key, value);
        }
        Ok(())
    }

    fn put(&mut self, name: &'static str, key: Key, value: String) {
        self.given.insert(key, Given { name, value });
    }

    /// Returns what was said last.
    pub fn get(&self, key: Key) -> Option<&str> {
        self.given.get(&key).map(|given| given.value.as_str())
    }

    /// Returns the name it was said with, for messages.
    pub fn name(&self, key: Key) -> &'static str {
        self.given.get(&key).map_or_else(|| usual_name(key), |given| given.name)
    }

    /// Returns one of the names that begin with `ssl.` and were given.
    pub fn one_of_tls(&self) -> Option<&'static str> {
        self.given.values().map(|given| given.name).find(|name| name.starts_with("ssl."))
    }
}

fn usual_name(key: Key) -> &'static str {
    NAMES.iter().find(|(_, other, _)| *other == key).expect("each has a name").0
}

/// Why a name is not taken.
enum Untaken {
    Otherwise(&'static str, &'static str),
    Unknown { name: String, meant: Option<&'static str> },
}

impl Untaken {
    /// Returns whether it must not be passed over: a slip in what makes a connection secure.
    fn is_slip(&self) -> bool {
        match self {
            Untaken::Otherwise(..) => true,
            Untaken::Unknown { name, meant } => {
                meant.is_some() || SECURITY.iter().any(|start| name.starts_with(start))
            }
        }
    }
}

impl std::fmt::Display for Untaken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Untaken::Otherwise(name, instead) => write!(f, "property {name:?} is not taken: {instead}"),
            Untaken::Unknown { name, meant } => {
                let start = name.split_once('.').map_or("", |(start, _)| start);
                let near = |known: &&str| known.split_once('.').is_some_and(|(first, _)| first == start);
                let known = || NAMES.iter().map(|(name, ..)| *name);
                let mut names: Vec<&str> = known().filter(near).collect();
                if names.is_empty() {
                    names = known().collect();
                }
                write!(f, "property {name:?} is unknown; ")?;
                if let Some(meant) = meant {
                    write!(f, "is {meant:?} meant? ")?;
                }
                write!(f, "there are {}", names.join(", "))
            }
        }
    }
}

fn find(name: &str) -> Result<(&'static str, Key, Origin), Untaken> {
    if let Some(found) = NAMES.into_iter().find(|(known, ..)| *known == name) {
        return Ok(found);
    }
    if let Some((known, instead)) = OTHERWISE.into_iter().find(|(known, _)| *known == name) {
        return Err(Untaken::Otherwise(known, instead));
    }
    let name: String = name.chars().take(NAME_LEN_MAX).collect();
    let meant = sql::nearest(&name, NAMES.iter().map(|(known, ..)| *known))
        .and_then(|meant| NAMES.iter().map(|(known, ..)| *known).find(|known| *known == meant));
    Err(Untaken::Unknown { name, meant })
}

/// Parts a line where its name ends: at `=` or `:`, or at a blank before neither.
fn parted(line: &str) -> (&str, &str) {
    let end = line.find(|c: char| c == '=' || c == ':' || c.is_whitespace()).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    let rest = rest.trim_start();
    (name, rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start())
}

/// Returns whether a line of Java's goes on with the next: an odd number of backslashes ends it.
fn goes_on(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// Undoes Java's escapes; what is none loses its backslash, as there.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('f') => out.push('\u{c}'),
            Some('u') => {
                let code = chars.as_str().get(..4).and_then(|hex| u32::from_str_radix(hex, 16).ok());
                match code.and_then(char::from_u32) {
                    Some(c) => {
                        out.push(c);
                        chars = chars.as_str()[4..].chars();
                    }
                    None => out.push('u'),
                }
            }
            Some(c) => out.push(c),
            None => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Properties {
        let mut properties = Properties::default();
        properties.take_text(text).unwrap();
        properties
    }

    fn fault(text: &str) -> String {
        format!("{:#}", Properties::default().take_text(text).unwrap_err())
    }

    #[test]
    fn file_of_kcat_is_read_as_it_stands() {
        let properties = read(
            "# kcat\n\nsecurity.protocol = sasl_ssl\nsasl.password=a\\b=c \\\n  sasl.mechanisms=PLAIN\n\
             group.id=x\nclient.id x\nmetadata.broker.list=a:1,b:2\n",
        );
        assert_eq!(properties.get(Key::Protocol), Some("sasl_ssl"));
        assert_eq!(properties.get(Key::Password), Some("a\\b=c \\"));
        assert_eq!(properties.get(Key::Mechanism), Some("PLAIN"));
        assert_eq!(properties.get(Key::Servers), Some("a:1,b:2"));
    }

    #[test]
    fn file_of_kafkas_tools_is_read_as_java_does() {
        let properties = read(
            "security.protocol: SSL\nsasl.jaas.config=a.PlainLoginModule required \\\n    \
             username=\"u\" \\\n  password=\"a\\\\b\\u0041\";\nssl.truststore.location c:\\\\ca.pem\n\
             interceptor.classes=a,\\\n  ssl.foo=b\nssl.endpoint.identification.algorithm=\n",
        );
        assert_eq!(
            properties.get(Key::Jaas),
            Some("a.PlainLoginModule required username=\"u\" password=\"a\\bA\";")
        );
        assert_eq!(properties.get(Key::Authorities), Some("c:\\ca.pem"));
        assert_eq!(properties.name(Key::Authorities), "ssl.truststore.location");
        assert_eq!(properties.get(Key::NameCheck), Some(""));
    }

    #[test]
    fn slips_are_told_with_the_names_that_are_near() {
        let told = fault("x=1\nssl.ca.locaton=ca.pem");
        assert!(told.contains("line 2") && told.contains("is \"ssl.ca.location\" meant?"), "{told}");
        assert!(fault("ssl.foo=1").contains("ssl.key.location"));
        assert!(fault("securty.protocol=SSL").contains("is \"security.protocol\" meant?"));
        assert!(fault("enable.ssl.certificate.verification=false").contains("ssl.ca.location"));
    }

    #[test]
    fn overrides_take_known_names_only_and_never_show_values() {
        let mut properties = Properties::default();
        properties.take_override("sasl.password=a=b").unwrap();
        assert_eq!(properties.get(Key::Password), Some("a=b"));
        for text in ["group.id=secret", "sasl.pasword=secret", "secret", "=secret"] {
            let told = format!("{:#}", properties.take_override(text).unwrap_err());
            assert!(!told.contains("secret"), "{told}");
        }
    }

    proptest! {
        #[test]
        fn files_never_panic(text in "(ssl\\.ca|sasl.jaas.config|[a-z.]|[=: \\n\\\\]|\\\\u00|\\PC){0,40}") {
            let _ = Properties::default().take_text(&text);
        }

        #[test]
        fn value_of_librdkafkas_name_is_what_stands_there(value in "[!-~]{0,20}") {
            prop_assume!(!value.starts_with(['=', ':']));
            let text = format!("sasl.password={value}");
            let properties = read(&text);
            prop_assert_eq!(properties.get(Key::Password), Some(value.as_str()));
        }
    }
}
