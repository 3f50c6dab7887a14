//! Java's syntax in that of the engine below.
//!
//! | Java | here |
//! |---|---|
//! | `.` | anything but `\n \r U+0085 U+2028 U+2029`; with `(?d)` but `\n`; with `(?s)` anything |
//! | `^ $` with `(?m)` | at `\n`, `\r` and `\r\n`, with `(?d)` at `\n` |
//! | `(?i)` | ASCII letters are written in both cases; with `(?iu)` the engine's own folding |
//! | `\d \w \s \b` | ASCII only |
//! | `\p{Alpha}` and the like | POSIX classes |
//! | `\Q…\E \h \v \R \Z \e`, `(?x)` | written out |

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

/// Why a pattern cannot be translated.
type Refused = &'static str;

pub(super) fn translate(pattern: &str) -> Result<String, Refused> {
    let out = String::with_capacity(pattern.len() + 16);
    let mut translator =
        Translator { rest: pattern, out, flags: Flags::default(), outer: vec![], class_depth: 0 };
    while let Some(c) = translator.next() {
        if translator.class_depth > 0 {
            translator.in_class(c)?;
        } else {
            translator.outside(c)?;
        }
    }
    Ok(translator.out)
}

/// Java's flags, as far as they change what is written.
#[derive(Clone, Copy, Default)]
struct Flags {
    /// `i`
    ignores_case: bool,
    /// `u`: of all letters, not of ASCII ones alone.
    is_unicode_case: bool,
    /// `s`
    dot_is_all: bool,
    /// `m`
    is_multi_line: bool,
    /// `d`: only `\n` ends a line.
    is_unix_lines: bool,
    /// `x`
    has_comments: bool,
}

struct Translator<'p> {
    rest: &'p str,
    out: String,
    flags: Flags,
    /// The flags around each open group.
    outer: Vec<Flags>,
    class_depth: usize,
}

impl<'p> Translator<'p> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    /// A character outside of classes.
    fn outside(&mut self, c: char) -> Result<(), Refused> {
        match c {
            '\\' => self.escape()?,
            '[' => self.open_class(),
            '(' => self.group()?,
            ')' => {
                self.flags = self.outer.pop().unwrap_or(self.flags);
                self.out.push(')');
            }
            '*' | '+' | '?' | '}' if self.rest.starts_with('+') => {
                return Err("possessive quantifiers are not available");
            }
            '.' => self.out.push_str(match self.flags {
                Flags { dot_is_all: true, .. } => "(?s:.)",
                Flags { is_unix_lines: true, .. } => r"[^\n]",
                _ => r"[^\n\r\u{85}\u{2028}\u{2029}]",
            }),
            '^' | '$' if self.flags.is_multi_line => {
                self.out.push_str(if self.flags.is_unix_lines { "(?m:" } else { "(?mR:" });
                self.out.extend([c, ')']);
            }
            '^' | '$' | '*' | '+' | '?' | '{' | '}' | '|' => self.out.push(c),
            c if self.flags.has_comments && c.is_ascii_whitespace() => {}
            '#' if self.flags.has_comments => {
                self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
            }
            c => self.literal(c),
        }
        Ok(())
    }

    /// A character within a class.
    fn in_class(&mut self, c: char) -> Result<(), Refused> {
        match c {
            '[' => self.open_class(),
            ']' => {
                self.class_depth -= 1;
                self.out.push(']');
                if self.class_depth == 0 && self.folds_all() {
                    self.out.push(')');
                }
            }
            '\\' => self.escape()?,
            '&' => self.out.push('&'),
            c if self.flags.has_comments && c.is_ascii_whitespace() => {}
            c => self.range_from(c),
        }
        Ok(())
    }

    fn open_class(&mut self) {
        if self.class_depth == 0 && self.folds_all() {
            self.out.push_str("(?i:");
        }
        self.class_depth += 1;
        self.out.push('[');
        if let Some(rest) = self.rest.strip_prefix('^') {
            self.rest = rest;
            self.out.push('^');
        }
        // The first one does not close the class.
        if let Some(rest) = self.rest.strip_prefix(']') {
            self.rest = rest;
            self.out.push_str("\\]");
        }
    }

    /// A character of a class, or the range that begins with it.
    fn range_from(&mut self, low: char) {
        let high = self.rest.strip_prefix('-').and_then(|rest| {
            let c = rest.chars().next()?;
            match c {
                ']' | '[' => None,
                '\\' => code_point(&rest[1..]),
                c => Some((c, &rest[c.len_utf8()..])),
            }
        });
        let Some((high, rest)) = high else {
            self.literal(low);
            return;
        };
        self.rest = rest;
        self.range(low, high);
        if self.flags.ignores_case && !self.flags.is_unicode_case {
            for (from, to, first) in [('a', 'z', 'A'), ('A', 'Z', 'a')] {
                let (from_low, to_high) = (low.max(from), high.min(to));
                if from_low <= to_high {
                    let other = |c: char| char::from((c as u8) - (from as u8) + (first as u8));
                    self.range(other(from_low), other(to_high));
                }
            }
        }
    }

    fn range(&mut self, low: char, high: char) {
        self.plain(low);
        self.out.push('-');
        self.plain(high);
    }

    /// A character that stands for itself.
    fn literal(&mut self, c: char) {
        if !self.flags.ignores_case {
            return self.plain(c);
        }
        let in_class = self.class_depth > 0;
        if self.flags.is_unicode_case {
            // A class as a whole ignores it already.
            self.out.push_str(if in_class { "" } else { "(?i:" });
            self.plain(c);
            self.out.push_str(if in_class { "" } else { ")" });
        } else if c.is_ascii_alphabetic() {
            self.out.push_str(if in_class { "" } else { "[" });
            self.out.extend([c.to_ascii_lowercase(), c.to_ascii_uppercase()]);
            self.out.push_str(if in_class { "" } else { "]" });
        } else {
            self.plain(c);
        }
    }

    fn plain(&mut self, c: char) {
        let mut bytes = [0; 4];
        self.out.push_str(&regex::escape(c.encode_utf8(&mut bytes)));
    }

    /// Whether case is ignored as the engine does it.
    fn folds_all(&self) -> bool {
        self.flags.ignores_case && self.flags.is_unicode_case
    }

    /// What follows an opening parenthesis.
    fn group(&mut self) -> Result<(), Refused> {
        let Some(after) = self.rest.strip_prefix('?') else {
            self.outer.push(self.flags);
            self.out.push('(');
            return Ok(());
        };
        if ["=", "!", "<=", "<!"].iter().any(|look_around| after.starts_with(look_around)) {
            return Err("look-around is not available");
        }
        if after.starts_with('>') {
            return Err("atomic groups are not available");
        }
        if let Some((name, rest)) = after.strip_prefix('<').and_then(|name| name.split_once('>')) {
            self.outer.push(self.flags);
            self.out.push_str(&format!("(?<{name}>"));
            self.rest = rest;
            return Ok(());
        }
        let end = after.find([':', ')']).ok_or("a group has no end")?;
        let flags = changed(self.flags, &after[..end])?;
        self.rest = &after[end + 1..];
        if after[end..].starts_with(':') {
            self.outer.push(self.flags);
            self.out.push_str("(?:");
        }
        self.flags = flags;
        Ok(())
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<(), Refused> {
        let in_class = self.class_depth > 0;
        if let Some((c, rest)) = code_point(self.rest) {
            self.rest = rest;
            if in_class {
                self.range_from(c);
            } else {
                self.literal(c);
            }
            return Ok(());
        }
        let c = self.next().ok_or("it ends with a backslash")?;
        let class = |items: &str| if in_class { items.to_owned() } else { format!("[{items}]") };
        match c {
            'd' => self.out.push_str(&class("0-9")),
            'w' => self.out.push_str(&class("a-zA-Z0-9_")),
            's' => self.out.push_str(&class(r" \t\n\x0B\f\r")),
            'h' => self.out.push_str(&class(r" \t\u00A0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000")),
            'v' => self.out.push_str(&class(r"\n\x0B\f\r\u0085\u2028\u2029")),
            'D' => self.out.push_str("[^0-9]"),
            'W' => self.out.push_str("[^a-zA-Z0-9_]"),
            'S' => self.out.push_str(r"[^ \t\n\x0B\f\r]"),
            'b' if !in_class => self.out.push_str(r"(?-u:\b)"),
            'R' => self.out.push_str(r"(?:\r\n|[\n\x0B\f\r\u0085\u2028\u2029])"),
            'Z' => self.out.push_str(r"(?:\n?\z)"),
            '1'..='9' | 'k' => return Err("back-references are not available"),
            'G' | 'X' | 'c' | '0' => return Err("this escape is not available"),
            'Q' => {
                let (quoted, rest) = self.rest.split_once("\\E").unwrap_or((self.rest, ""));
                self.rest = rest;
                quoted.chars().for_each(|c| self.literal(c));
            }
            'p' | 'P' => self.property(c),
            c if c.is_ascii_alphanumeric() => self.out.extend(['\\', c]),
            c => {
                if in_class {
                    self.range_from(c);
                } else {
                    self.literal(c);
                }
            }
        }
        Ok(())
    }

    /// `\p{…}`: POSIX classes and `Is…` names are translated, others passed on.
    fn property(&mut self, letter: char) {
        let Some((name, after)) = self.rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) else {
            self.out.extend(['\\', letter]);
            // One letter without braces.
            self.out.extend(self.rest.chars().next());
            self.rest = self.rest.chars().next().map_or("", |c| &self.rest[c.len_utf8()..]);
            return;
        };
        self.rest = after;
        let name = match name {
            "Lower" | "Upper" if self.flags.ignores_case => "Alpha",
            name => name,
        };
        match POSIX.iter().find(|(posix, _)| *posix == name) {
            Some((_, items)) if letter == 'P' => self.out.push_str(&format!("[^{items}]")),
            Some((_, items)) if self.class_depth > 0 => self.out.push_str(items),
            Some((_, items)) => self.out.push_str(&format!("[{items}]")),
            None => {
                let name = name.strip_prefix("Is").unwrap_or(name);
                self.out.push_str(&format!("\\{letter}{{{name}}}"));
            }
        }
    }
}

/// The flags after `i-s` or the like.
fn changed(mut flags: Flags, written: &str) -> Result<Flags, Refused> {
    let mut value = true;
    for c in written.chars() {
        match c {
            '-' if value => value = false,
            'i' => flags.ignores_case = value,
            'u' => flags.is_unicode_case = value,
            's' => flags.dot_is_all = value,
            'm' => flags.is_multi_line = value,
            'd' => flags.is_unix_lines = value,
            'x' => flags.has_comments = value,
            // What \w and the like know: ASCII all the same.
            'U' => {}
            _ => return Err("a group begins with what is no flag"),
        }
    }
    Ok(flags)
}

/// A character given by number or name behind a backslash, and the rest.
fn code_point(after: &str) -> Option<(char, &str)> {
    let named = |c: char| Some((c, &after[1..]));
    let hex = |digits: &str| u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
    let is_hex = |digits: &&str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    match after.as_bytes().first()? {
        b't' => named('\t'),
        b'n' => named('\n'),
        b'r' => named('\r'),
        b'f' => named('\u{c}'),
        b'a' => named('\u{7}'),
        b'e' => named('\u{1b}'),
        b'x' if after[1..].starts_with('{') => {
            let (digits, rest) = after[2..].split_once('}')?;
            Some((hex(Some(digits).filter(is_hex)?)?, rest))
        }
        b'x' => Some((hex(after.get(1..3).filter(is_hex)?)?, &after[3..])),
        b'u' => Some((hex(after.get(1..5).filter(is_hex)?)?, &after[5..])),
        _ => None,
    }
}
