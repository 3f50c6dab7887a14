//! Strings in JSON: escapes taken away and put on.

use std::borrow::Cow;

use super::lexer::scalar_end;
use super::number::java_text;
use super::scan::Kind;

/// The text of a string's content, which was scanned before. A surrogate without its other half becomes
/// U+FFFD, as it has no UTF-8.
pub(super) fn unescape(content: &str) -> Cow<'_, str> {
    let Some(first) = content.find('\\') else {
        return Cow::Borrowed(content);
    };
    let mut text = String::with_capacity(content.len());
    text.push_str(&content[..first]);
    let mut rest = &content[first..];
    while let Some(escape) = rest.strip_prefix('\\') {
        let mut chars = escape.chars();
        let plain = match chars.next() {
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => {
                let (unicode, after) = unicode_escape(chars.as_str());
                chars = after.chars();
                unicode
            }
            Some(other) => other,
            None => char::REPLACEMENT_CHARACTER,
        };
        text.push(plain);
        rest = chars.as_str();
        let next = rest.find('\\').unwrap_or(rest.len());
        text.push_str(&rest[..next]);
        rest = &rest[next..];
    }
    Cow::Owned(text)
}

/// The character of the four digits after `\u`, with the second half of a pair, and what follows.
fn unicode_escape(digits: &str) -> (char, &str) {
    let unit = |text: &str| text.get(..4).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let Some(first) = unit(digits) else {
        return (char::REPLACEMENT_CHARACTER, "");
    };
    let after = &digits[4..];
    if let 0xd800..=0xdbff = first
        && let Some(low) = after.strip_prefix("\\u")
        && let Some(second @ 0xdc00..=0xdfff) = unit(low)
    {
        let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), &low[4..]);
    }
    (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), after)
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Writes a string with its quotes, escaping what Jackson escapes: quote, backslash, control characters.
pub(super) fn write_string(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let mut written = 0;
    for (i, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[written..i]);
        written = i + 1;
        let short = match byte {
            0x08 => b'b',
            0x09 => b't',
            0x0a => b'n',
            0x0c => b'f',
            0x0d => b'r',
            b'"' | b'\\' => byte,
            _ => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', short]);
    }
    out.extend_from_slice(&bytes[written..]);
    out.push(b'"');
}

/// The text that ksqlDB puts into a STRING column for an object or array, which was scanned before.
///
/// An object is written compactly. An array is a list as Java prints it, `[a, b]`, without quotes; arrays
/// inside an object are JSON again. Unlike ksqlDB, an object that has a key twice keeps both.
pub(super) fn container_text(container: &str) -> String {
    written(container, 0)
}

/// An object or array, which was scanned before, as JSON without spaces. One that has a key twice keeps both.
pub(super) fn compact_container(container: &str) -> String {
    written(container, 1)
}

/// `json_depth`: objects and arrays open since the outermost object; an array outside of all is a list.
fn written(container: &str, mut json_depth: usize) -> String {
    let bytes = container.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let (mut at, mut high) = (0, 0);
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        at += 1;
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => continue,
            b'{' => json_depth += 1,
            b'[' if json_depth > 0 => json_depth += 1,
            b'}' | b']' => json_depth = json_depth.saturating_sub(1),
            b',' if json_depth == 0 => {
                out.extend_from_slice(b", ");
                continue;
            }
            b'[' | b',' | b':' => {}
            _ => {
                let Ok((end, kind)) = scalar_end(bytes, start, &mut high) else { break };
                let token = &container[start..end];
                at = end;
                match kind {
                    Kind::String | Kind::EscapedString => {
                        let text = unescape(&token[1..token.len() - 1]);
                        if json_depth > 0 {
                            write_string(&text, &mut out);
                        } else {
                            out.extend_from_slice(text.as_bytes());
                        }
                    }
                    Kind::Number | Kind::Exponent => out.extend_from_slice(java_text(token).as_bytes()),
                    Kind::Integer if token == "-0" => out.push(b'0'),
                    _ => out.extend_from_slice(token.as_bytes()),
                }
                continue;
            }
        }
        out.push(byte);
    }
    // Only whole characters were copied.
    String::from_utf8(out).unwrap_or_default()
}
