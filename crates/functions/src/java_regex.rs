//! Java's regular expressions on an engine that runs in linear time.
//!
//! The syntax is translated where it differs: `\d \w \s \b` know ASCII only, `\p{Alpha}` and the like
//! are POSIX classes, `\Q…\E` quotes, `\h \R \Z \e` have no counterpart. Look-around, back-references,
//! possessive quantifiers and atomic groups are refused: they need an engine that can be made to hang.

use regex::{Regex, RegexBuilder};
use types::EvalError;

/// Bytes a compiled pattern may take.
const SIZE_MAX: usize = 1 << 20;
/// Length of a pattern in bytes.
const PATTERN_BYTES_MAX: usize = 8192;

/// Compiles a pattern in Java's syntax.
pub(crate) fn compile(pattern: &str) -> Result<Regex, EvalError> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(EvalError::new(format!("pattern is longer than {PATTERN_BYTES_MAX} bytes")));
    }
    let refused = |why: &str| EvalError::new(format!("pattern \"{pattern}\" is not supported: {why}"));
    let translated = translate(pattern).map_err(refused)?;
    RegexBuilder::new(&translated)
        .size_limit(SIZE_MAX)
        .build()
        .map_err(|error| refused(error.to_string().lines().last().unwrap_or("invalid")))
}

/// POSIX classes that Java writes as properties.
const POSIX: [(&str, &str); 13] = [
    ("Lower", "[:lower:]"),
    ("Upper", "[:upper:]"),
    ("ASCII", "[:ascii:]"),
    ("Alpha", "[:alpha:]"),
    ("Digit", "[:digit:]"),
    ("Alnum", "[:alnum:]"),
    ("Punct", "[:punct:]"),
    ("Graph", "[:graph:]"),
    ("Print", "[:print:]"),
    ("Blank", "[:blank:]"),
    ("Cntrl", "[:cntrl:]"),
    ("XDigit", "[:xdigit:]"),
    ("Space", "[:space:]"),
];

fn translate(pattern: &str) -> Result<String, &'static str> {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    let mut class_depth = 0usize;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        rest = match c {
            '\\' => escape(after, class_depth > 0, &mut out)?,
            '[' => {
                class_depth += 1;
                out.push('[');
                after
            }
            ']' => {
                class_depth = class_depth.saturating_sub(1);
                out.push(']');
                after
            }
            '(' if class_depth == 0 => group(after, &mut out)?,
            '*' | '+' | '?' | '}' if class_depth == 0 && after.starts_with('+') => {
                return Err("possessive quantifiers are not available");
            }
            // Set operations of the engine that Java does not have.
            '-' | '~' if class_depth > 0 && after.starts_with(c) => {
                out.extend(['\\', c]);
                after
            }
            c => {
                out.push(c);
                after
            }
        };
    }
    Ok(out)
}

fn group<'a>(after: &'a str, out: &mut String) -> Result<&'a str, &'static str> {
    for look_around in ["?=", "?!", "?<=", "?<!"] {
        if after.starts_with(look_around) {
            return Err("look-around is not available");
        }
    }
    if after.starts_with("?>") {
        return Err("atomic groups are not available");
    }
    out.push('(');
    Ok(after)
}

/// Translates what follows a backslash; answers with the rest.
fn escape<'a>(after: &'a str, in_class: bool, out: &mut String) -> Result<&'a str, &'static str> {
    let c = after.chars().next().ok_or("it ends with a backslash")?;
    let rest = &after[c.len_utf8()..];
    let class = |items: &str| if in_class { items.to_owned() } else { format!("[{items}]") };
    match c {
        'd' => out.push_str(&class("0-9")),
        'w' => out.push_str(&class("a-zA-Z0-9_")),
        's' => out.push_str(&class(r" \t\n\x0B\f\r")),
        'h' => out.push_str(&class(r" \t\u00A0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000")),
        'v' => out.push_str(&class(r"\n\x0B\f\r\u0085\u2028\u2029")),
        'D' => out.push_str("[^0-9]"),
        'W' => out.push_str("[^a-zA-Z0-9_]"),
        'S' => out.push_str(r"[^ \t\n\x0B\f\r]"),
        'b' if !in_class => out.push_str(r"(?-u:\b)"),
        'R' => out.push_str(r"(?:\r\n|[\n\x0B\f\r\u0085\u2028\u2029])"),
        'Z' => out.push_str(r"(?:\n?\z)"),
        'e' => out.push_str(r"\x1B"),
        '1'..='9' | 'k' => return Err("back-references are not available"),
        'G' | 'X' | 'c' | '0' => return Err("this escape is not available"),
        'Q' => {
            let (quoted, rest) = rest.split_once("\\E").unwrap_or((rest, ""));
            out.push_str(&regex::escape(quoted));
            return Ok(rest);
        }
        'p' | 'P' => return Ok(property(c, rest, in_class, out)),
        '<' | '>' => out.push(c),
        c if c.is_ascii() => out.extend(['\\', c]),
        c => out.push(c),
    }
    Ok(rest)
}

/// `\p{…}`: POSIX classes and `Is…` names are translated, others passed on.
fn property<'a>(letter: char, rest: &'a str, in_class: bool, out: &mut String) -> &'a str {
    let Some((name, after)) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) else {
        out.extend(['\\', letter]);
        return rest;
    };
    match POSIX.iter().find(|(posix, _)| *posix == name) {
        Some((_, items)) if letter == 'P' => out.push_str(&format!("[^{items}]")),
        Some((_, items)) if in_class => out.push_str(items),
        Some((_, items)) => out.push_str(&format!("[{items}]")),
        None => {
            let name = name.strip_prefix("Is").unwrap_or(name);
            out.push_str(&format!("\\{letter}{{{name}}}"));
        }
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_to_java_are_translated() {
        let check = |pattern: &str, text: &str, expect: bool| {
            assert_eq!(compile(pattern).unwrap().is_match(text), expect, "{pattern} on {text:?}");
        };
        check(r"^\d+$", "123", true);
        check(r"^\d+$", "١٢٣", false);
        check(r"^[\w.-]+$", "a_b.c-d", true);
        check(r"^\w+$", "ä", false);
        check(r"^[^\s]+$", "a b", false);
        check(r"\bfoo\b", "a foo b", true);
        check(r"^\p{Alpha}\p{Digit}$", "a1", true);
        check(r"^[\p{Upper}x]+$", "AxB", true);
        check(r"^\P{Alpha}$", "1", true);
        check(r"^\p{IsGreek}$", "α", true);
        check(r"^\Qa.b*\E$", "a.b*", true);
        check(r"^\<a\>\/\-$", "<a>/-", true);
        check(r"^a\Z", "a\n", true);
        check(r"^(?<name>a)$", "a", true);
        check(r"^[+--]$", "-", true);
        check("(?i)ABC", "abc", true);
    }

    #[test]
    fn what_could_hang_is_refused() {
        for pattern in
            ["(?=a)", "(?!a)", "(?<=a)b", "(?<!a)b", r"(a)\1", "a++", "a*+", "a{2}+", "(?>a)", "(", "\\"]
        {
            assert!(compile(pattern).is_err(), "{pattern}");
        }
        assert!(compile(&"a".repeat(PATTERN_BYTES_MAX + 1)).is_err());
        assert!(compile("(a{1000}){1000}").is_err());
    }
}
