//! Settings from files and from the command line: `.properties` as Java reads them, `.toml` flattened.
//!
//! Only the form is checked here. Whether a name is known is the engine's to say.

use std::path::Path;

use crate::error::ServerError;

/// A setting: name, value, where it was given (`file PATH`, `command line`).
pub type Setting = (String, String, String);

/// Bytes a file of settings may have.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Reads a file of settings; `.toml` by its ending, anything else is read as `.properties`.
pub fn read_settings(path: &Path) -> Result<Vec<Setting>, ServerError> {
    use std::io::Read;
    let failed =
        |reason: String| ServerError::SettingsFile { path: path.display().to_string(), reason, line: None };
    let file = std::fs::File::open(path).map_err(|error| failed(error.to_string()))?;
    let mut text = String::new();
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| failed(error.to_string()))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(failed(format!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    let is_toml = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("toml"));
    let parsed = if is_toml { parse_toml(&text) } else { parse_properties(&text) };
    let origin = format!("file {}", path.display());
    let settings = parsed.map_err(|(line, reason)| ServerError::SettingsFile {
        path: path.display().to_string(),
        reason,
        line,
    })?;
    Ok(settings.into_iter().map(|(name, value)| (name, value, origin.clone())).collect())
}

/// Reads `NAME=VALUE` from the command line.
pub fn parse_override(text: &str) -> Result<Setting, ServerError> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.to_owned(), "command line".to_owned()))
        }
        _ => Err(ServerError::Override { text: text.to_owned() }),
    }
}

type Parsed = Result<Vec<(String, String)>, (Option<usize>, String)>;

/// Java's `Properties.load`: `=`, `:` or a blank ends the name, a backslash at the end joins lines.
fn parse_properties(text: &str) -> Parsed {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut settings = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let mut whole = line.to_owned();
        while ends_in_odd_backslashes(&whole) {
            whole.pop();
            match lines.next() {
                Some((_, next)) => whole.push_str(next.trim_start()),
                None => break,
            }
        }
        let (name, value) = split_property(&whole);
        let at = |reason: String| (Some(index + 1), reason);
        let name = unescape(name).map_err(at)?;
        if name.is_empty() {
            return Err((Some(index + 1), "the line has no name".to_owned()));
        }
        let value = unescape(value).map_err(|reason| (Some(index + 1), reason))?;
        settings.push((name, value.trim_end().to_owned()));
    }
    Ok(settings)
}

fn ends_in_odd_backslashes(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

fn split_property(line: &str) -> (&str, &str) {
    let mut is_escaped = false;
    let end = line
        .char_indices()
        .find(|(_, c)| {
            let ends = !is_escaped && matches!(c, '=' | ':' | ' ' | '\t');
            is_escaped = *c == '\\' && !is_escaped;
            ends
        })
        .map_or(line.len(), |(i, _)| i);
    let (name, rest) = line.split_at(end);
    let rest = rest.trim_start();
    (name, rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start())
}

fn unescape(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut units: Vec<u16> = Vec::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            flush(&mut out, &mut units)?;
            out.push(c);
            continue;
        }
        let next = rest.next();
        if next == Some('u') {
            let digits: String = rest.by_ref().take(4).collect();
            let unit = u16::from_str_radix(&digits, 16)
                .map_err(|_| format!("\"\\u{digits}\" is not a character"))?;
            units.push(unit);
            continue;
        }
        flush(&mut out, &mut units)?;
        match next {
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('f') => out.push('\u{c}'),
            Some(other) => out.push(other),
            None => {}
        }
    }
    flush(&mut out, &mut units)?;
    Ok(out)
}

fn flush(out: &mut String, units: &mut Vec<u16>) -> Result<(), String> {
    if !units.is_empty() {
        out.push_str(&String::from_utf16(units).map_err(|_| "\"\\u\" has half a character".to_owned())?);
        units.clear();
    }
    Ok(())
}

/// Tables become dotted names, lists become comma-separated texts as Kafka's settings are.
fn parse_toml(text: &str) -> Parsed {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error
            .span()
            .and_then(|span| text.get(..span.start))
            .map(|before| 1 + before.bytes().filter(|byte| *byte == b'\n').count());
        (line, error.message().to_owned())
    })?;
    let mut settings = Vec::new();
    flatten("", &table, &mut settings).map_err(|reason| (None, reason))?;
    Ok(settings)
}

fn flatten(prefix: &str, table: &toml::Table, settings: &mut Vec<(String, String)>) -> Result<(), String> {
    for (name, value) in table {
        let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            toml::Value::Table(inner) => flatten(&name, inner, settings)?,
            toml::Value::Array(items) => {
                let items: Option<Vec<String>> = items.iter().map(scalar).collect();
                let items = items.ok_or_else(|| format!("\"{name}\" has a list in a list"))?;
                settings.push((name, items.join(",")));
            }
            other => {
                let value = scalar(other).ok_or_else(|| format!("\"{name}\" has no plain value"))?;
                settings.push((name, value));
            }
        }
    }
    Ok(())
}

fn scalar(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(flag.to_string()),
        toml::Value::Datetime(time) => Some(time.to_string()),
        toml::Value::Array(_) | toml::Value::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(settings: &[(&str, &str)]) -> Vec<(String, String)> {
        settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn properties_are_read_as_java_reads_them() {
        let text = "# comment\n! too\r\n a = 1\nb:2\nc 3\nlong = x,\\\n   y\ne\\=f=\\u00e9\\t\\\\ \nempty=\n";
        let expect = [("a", "1"), ("b", "2"), ("c", "3"), ("long", "x,y"), ("e=f", "é\t\\"), ("empty", "")];
        assert_eq!(parse_properties(text).unwrap(), pairs(&expect));
    }

    #[test]
    fn wrong_line_is_named() {
        assert_eq!(parse_properties("a=1\nb=\\uZZ").unwrap_err().0, Some(2));
        assert_eq!(parse_properties("=1").unwrap_err().0, Some(1));
        assert_eq!(parse_toml("a=1\nb=").unwrap_err().0, Some(2));
    }

    #[test]
    fn toml_tables_become_dotted_names() {
        let text = "listeners = [\"http://127.0.0.1:1\", \"x\"]\n[ksql.query]\nn = 5\n'a.b' = true\n";
        let expect =
            [("listeners", "http://127.0.0.1:1,x"), ("ksql.query.n", "5"), ("ksql.query.a.b", "true")];
        let mut found = parse_toml(text).unwrap();
        found.sort();
        let mut expect = pairs(&expect);
        expect.sort();
        assert_eq!(found, expect);
    }

    #[test]
    fn file_is_read_with_its_origin() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.properties");
        std::fs::write(&path, "a=1").unwrap();
        let (name, value, origin) = read_settings(&path).unwrap().remove(0);
        assert_eq!((&*name, &*value), ("a", "1"));
        assert!(origin.starts_with("file "));
        assert!(read_settings(&folder.path().join("none")).is_err());
    }

    #[test]
    fn override_needs_a_name() {
        assert_eq!(parse_override("a=b=c").unwrap().1, "b=c");
        assert!(parse_override("a").is_err());
        assert!(parse_override("=a").is_err());
    }

    proptest! {
        #[test]
        fn any_file_can_be_read(text in any::<String>()) {
            let _ = (parse_properties(&text), parse_toml(&text));
        }
    }
}
