//! Who a client with a certificate is: the certificate's subject, or what rules make of it.
//!
//! The subject is written as RFC 2253 says, last part first (`CN=alice,OU=Ops,C=DE`), which is how Kafka writes it.
//! `ssl.principal.mapping.rules` is a list of `RULE:PATTERN/REPLACEMENT/[LU]` and `DEFAULT`; the first whose pattern fits
//! the whole subject decides.

use regex::Regex;

/// Bytes that a compiled pattern may take.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// Rules at most.
const RULES_MAX: usize = 100;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT: u8 = 0x06;
const EXPLICIT_VERSION: u8 = 0xa0;
const UTF8: u8 = 0x0c;
const PRINTABLE: u8 = 0x13;
const TELETEX: u8 = 0x14;
const IA5: u8 = 0x16;
const BMP: u8 = 0x1e;

/// Attributes that have a name in RFC 2253, by their object identifier.
const NAMES: &[(&[u8], &str)] = &[
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 9], "STREET"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1], "UID"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25], "DC"),
];

/// One rule.
#[derive(Debug)]
enum Rule {
    Default,
    Replace { pattern: Regex, replacement: String, case: Case },
}

#[derive(Debug, Clone, Copy)]
enum Case {
    AsItIs,
    Lower,
    Upper,
}

/// What makes a principal of a subject.
#[derive(Debug)]
pub(crate) struct Mapping {
    rules: Vec<Rule>,
}

impl Mapping {
    /// Reads `ssl.principal.mapping.rules`.
    pub(crate) fn parse(text: &str) -> Result<Mapping, String> {
        let mut rules = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix("DEFAULT") {
                rules.push(Rule::Default);
                rest = after;
            } else if let Some(after) = rest.strip_prefix("RULE:") {
                let (rule, after) = replace_rule(after)?;
                rules.push(rule);
                rest = after;
            } else {
                return Err(format!("has no rule at \"{rest}\""));
            }
            if rules.len() > RULES_MAX {
                return Err(format!("has more than {RULES_MAX} rules"));
            }
            rest = rest.trim_start();
            match rest.strip_prefix(',') {
                Some(after) => rest = after.trim_start(),
                None if rest.is_empty() => {}
                None => return Err(format!("has no comma before \"{rest}\"")),
            }
        }
        if rules.is_empty() {
            rules.push(Rule::Default);
        }
        Ok(Mapping { rules })
    }

    /// Returns the principal's name; `None` when no rule fits.
    pub(crate) fn name(&self, subject: &str) -> Option<String> {
        self.rules.iter().find_map(|rule| match rule {
            Rule::Default => Some(subject.to_owned()),
            Rule::Replace { pattern, replacement, case } => {
                let found = pattern.captures(subject)?;
                let name = replaced(&found, replacement);
                Some(match case {
                    Case::AsItIs => name,
                    Case::Lower => name.to_lowercase(),
                    Case::Upper => name.to_uppercase(),
                })
            }
        })
    }
}

/// Reads `PATTERN/REPLACEMENT/[LU]`; returns what stands behind it.
fn replace_rule(text: &str) -> Result<(Rule, &str), String> {
    let (pattern, rest) = until_slash(text)?;
    let (replacement, rest) = until_slash(rest)?;
    let (case, rest) = match rest.as_bytes().first() {
        Some(b'L') => (Case::Lower, &rest[1..]),
        Some(b'U') => (Case::Upper, &rest[1..]),
        _ => (Case::AsItIs, rest),
    };
    let built = regex::RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(PATTERN_BYTES_MAX).build();
    let compiled = built.map_err(|_| format!("has pattern \"{pattern}\", which is no regular expression"))?;
    Ok((Rule::Replace { pattern: compiled, replacement: replacement.to_owned(), case }, rest))
}

fn until_slash(text: &str) -> Result<(&str, &str), String> {
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '/' if !is_escaped => return Ok((&text[..at], &text[at + 1..])),
            '\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    Err(format!("has a rule without its end at \"{text}\""))
}

/// Puts in groups for `$1`, `$2` …
fn replaced(found: &regex::Captures<'_>, replacement: &str) -> String {
    let mut out = String::new();
    let mut rest = replacement.chars().peekable();
    while let Some(c) = rest.next() {
        let group = (c == '$').then(|| rest.peek().and_then(|digit| digit.to_digit(10))).flatten();
        match group.and_then(|number| found.get(number as usize)) {
            Some(group) => {
                out.push_str(group.as_str());
                rest.next();
            }
            None => out.push(c),
        }
    }
    out
}

/// Returns the subject of a certificate; `None` when it cannot be read.
pub(crate) fn subject(certificate: &[u8]) -> Option<String> {
    let (certificate, _) = content(certificate, SEQUENCE)?;
    let (mut fields, _) = content(certificate, SEQUENCE)?;
    if fields.first() == Some(&EXPLICIT_VERSION) {
        fields = element(fields)?.2;
    }
    // Serial number, signature algorithm, issuer, validity.
    for _ in 0..4 {
        fields = element(fields)?.2;
    }
    let (mut names, _) = content(fields, SEQUENCE)?;
    let mut parts = Vec::new();
    while !names.is_empty() {
        let (mut set, after) = content(names, SET)?;
        names = after;
        let mut attributes = Vec::new();
        while !set.is_empty() {
            let (attribute, after) = content(set, SEQUENCE)?;
            set = after;
            attributes.push(attribute_text(attribute)?);
        }
        parts.push(attributes.join("+"));
    }
    parts.reverse();
    Some(parts.join(","))
}

fn attribute_text(attribute: &[u8]) -> Option<String> {
    let (object, value) = content(attribute, OBJECT)?;
    let (tag, bytes, _) = element(value)?;
    let text = match tag {
        UTF8 | PRINTABLE | IA5 => std::str::from_utf8(bytes).ok().map(str::to_owned),
        TELETEX => Some(bytes.iter().map(|byte| char::from(*byte)).collect()),
        BMP => {
            let units = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units).collect::<Result<String, _>>().ok()
        }
        _ => None,
    };
    let name = NAMES.iter().find(|(known, _)| *known == object).map(|(_, name)| *name);
    match (name, text) {
        (Some(name), Some(text)) => Some(format!("{name}={}", escaped(&text))),
        _ => {
            let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
            Some(format!("{}=#{hex}", name.map_or_else(|| dotted(object), str::to_owned)))
        }
    }
}

/// Escapes a value as RFC 2253 says.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let last = text.chars().count().saturating_sub(1);
    for (at, c) in text.chars().enumerate() {
        let is_special = matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';');
        let is_at_edge = (c == ' ' && (at == 0 || at == last)) || (c == '#' && at == 0);
        if is_special || is_at_edge {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Writes an object identifier with dots.
fn dotted(object: &[u8]) -> String {
    let mut numbers = Vec::new();
    let mut number = 0u64;
    for byte in object {
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            numbers.push(number);
            number = 0;
        }
    }
    if let Some(first) = numbers.first().copied() {
        let root = (first / 40).min(2);
        numbers[0] = first - root * 40;
        numbers.insert(0, root);
    }
    numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(".")
}

/// Takes one element of DER: tag, content, what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (len, rest) = if first < 0x80 {
        (first as usize, rest)
    } else {
        let (len, rest) = rest.split_at_checked((first & 0x7f) as usize)?;
        if len.is_empty() || len.len() > 4 {
            return None;
        }
        (len.iter().fold(0usize, |all, byte| all << 8 | *byte as usize), rest)
    };
    let (content, rest) = rest.split_at_checked(len)?;
    Some((tag, content, rest))
}

/// Takes an element that must have a tag: content and what follows.
fn content(bytes: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    let (tag, content, rest) = element(bytes)?;
    (tag == wanted).then_some((content, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio_rustls::rustls::pki_types::CertificateDer;
    use tokio_rustls::rustls::pki_types::pem::PemObject;

    use super::*;

    fn client() -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(include_bytes!("../tests/certificates/client.pem")).unwrap()
    }

    #[test]
    fn subject_is_written_last_part_first_and_escaped() {
        assert_eq!(subject(&client()).as_deref(), Some("CN=alice,OU=Ops,O=Tripline\\, Inc.,C=DE"));
        assert_eq!(escaped(" #a+b "), "\\ #a\\+b\\ ");
        assert_eq!(dotted(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1]), "1.2.840.113549.1.9.1");
    }

    #[test]
    fn first_rule_that_fits_decides() {
        let map = |rules: &str, subject: &str| Mapping::parse(rules).unwrap().name(subject);
        let dn = "CN=Alice,OU=Ops,C=DE";
        assert_eq!(map("", dn).as_deref(), Some(dn));
        assert_eq!(map("RULE:^CN=(.*?),OU=Ops.*$/$1/", dn).as_deref(), Some("Alice"));
        assert_eq!(map("RULE:^CN=(.*?),OU=Ops.*$/$1/L", dn).as_deref(), Some("alice"));
        let two = "RULE:^CN=(.*?),OU=Dev.*$/$1/, RULE:^CN=(.*?),OU=(.*?),.*$/$1@$2/U,DEFAULT";
        assert_eq!(map(two, dn).as_deref(), Some("ALICE@OPS"));
        assert_eq!(map(two, "O=x").as_deref(), Some("O=x"));
        assert_eq!(map("RULE:^CN=x$/y/", dn), None);
        assert_eq!(map("RULE:^CN=(a\\/b)$/$1/", "CN=a/b").as_deref(), Some("a/b"));
    }

    #[test]
    fn malformed_rules_are_refused() {
        for rules in ["RULE:a", "RULE:a/b", "RULE:(/b/", "OTHER", "DEFAULT DEFAULT"] {
            assert!(Mapping::parse(rules).is_err(), "{rules}");
        }
    }

    proptest! {
        #[test]
        fn damaged_certificates_do_no_harm(at in 0usize..600, byte in any::<u8>(), len in 0usize..600) {
            let mut der = client().to_vec();
            if let Some(place) = der.get_mut(at) {
                *place = byte;
            }
            der.truncate(len);
            subject(&der);
        }
    }
}
