//! Who a client's certificate is for: the subject as RFC 2253 writes it, which is the principal's name in Kafka.
//!
//! Only as much of X.509 is read as leads to the subject: certificate › what is signed › version, serial number,
//! signature algorithm, issuer, validity, subject. The chain was verified before.

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OID: u8 = 0x06;
const VERSION: u8 = 0xa0;
const UTF8: u8 = 0x0c;
const PRINTABLE: u8 = 0x13;
const T61: u8 = 0x14;
const IA5: u8 = 0x16;

/// Attributes that RFC 2253 gives a short name, by their object identifier's bytes.
const NAMES: &[(&[u8], &str)] = &[
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 9], "STREET"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01], "UID"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19], "DC"),
];

/// Returns the principal's name (`CN=client,O=Acme`), the last part of the subject first.
pub(crate) fn subject(certificate: &[u8]) -> Option<String> {
    let mut whole = Der(certificate);
    let mut signed = Der(Der(whole.expect(SEQUENCE)?).expect(SEQUENCE)?);
    if signed.0.first() == Some(&VERSION) {
        signed.take()?;
    }
    // Serial number, algorithm, issuer, validity.
    for _ in 0..4 {
        signed.take()?;
    }
    let mut parts = Vec::new();
    let mut names = Der(signed.expect(SEQUENCE)?);
    while !names.0.is_empty() {
        let mut set = Der(names.expect(SET)?);
        let mut values = Vec::new();
        while !set.0.is_empty() {
            values.push(attribute(set.expect(SEQUENCE)?)?);
        }
        parts.push(values.join("+"));
    }
    parts.reverse();
    Some(parts.join(","))
}

fn attribute(bytes: &[u8]) -> Option<String> {
    let mut rest = Der(bytes);
    let oid = rest.expect(OID)?;
    let value = rest.0;
    let (tag, content) = rest.take()?;
    let name = NAMES.iter().find(|(known, _)| *known == oid).map(|(_, name)| *name);
    let text = matches!(tag, UTF8 | PRINTABLE | T61 | IA5).then(|| std::str::from_utf8(content).ok());
    match (name, text.flatten()) {
        (Some(name), Some(text)) => Some(format!("{name}={}", escaped(text))),
        // As its bytes, since nobody says how it is written.
        _ => {
            let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
            Some(format!("{}=#{hex}", name.map_or_else(|| dotted(oid), str::to_owned)))
        }
    }
}

fn escaped(text: &str) -> String {
    let last = text.chars().count().saturating_sub(1);
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.chars().enumerate() {
        let is_special = matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';')
            || at == 0 && c == '#'
            || c == ' ' && (at == 0 || at == last);
        if is_special {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn dotted(oid: &[u8]) -> String {
    let mut arcs: Vec<u64> = Vec::new();
    let mut arc = 0u64;
    for byte in oid {
        arc = arc << 7 | (byte & 0x7f) as u64;
        if byte & 0x80 == 0 {
            match arcs.is_empty() {
                true => arcs.extend([(arc / 40).min(2), arc - 40 * (arc / 40).min(2)]),
                false => arcs.push(arc),
            }
            arc = 0;
        }
    }
    arcs.iter().map(u64::to_string).collect::<Vec<_>>().join(".")
}

/// Elements one after the other.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// Takes an element's tag and content.
    fn take(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (len, rest) = match first {
            0..=0x7f => (first as usize, rest),
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked((first & 0x7f) as usize)?;
                (bytes.iter().fold(0, |len, byte| len << 8 | *byte as usize), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some((tag, content))
    }

    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.take().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![tag];
        match content.len() {
            len @ 0..=0x7f => out.push(len as u8),
            len => out.extend([0x82, (len >> 8) as u8, len as u8]),
        }
        out.extend(content);
        out
    }

    fn certificate(names: &[(&[u8], u8, &str)]) -> Vec<u8> {
        let names: Vec<u8> = names
            .iter()
            .flat_map(|(oid, tag, text)| {
                let pair = [element(OID, oid), element(*tag, text.as_bytes())].concat();
                element(SET, &element(SEQUENCE, &pair))
            })
            .collect();
        let empty = element(SEQUENCE, &[]);
        let signed = [
            element(VERSION, &element(2, &[2])),
            element(2, &[1]),
            empty.clone(),
            empty.clone(),
            empty.clone(),
            element(SEQUENCE, &names),
            element(SEQUENCE, &[0; 300]),
        ]
        .concat();
        element(SEQUENCE, &[element(SEQUENCE, &signed), empty].concat())
    }

    #[test]
    fn subject_is_written_from_its_end() {
        let email = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1];
        let found = subject(&certificate(&[
            (&[0x55, 4, 6], PRINTABLE, "DE"),
            (&[0x55, 4, 10], UTF8, "Acme, Inc "),
            (&[0x55, 4, 3], UTF8, "#zeek"),
            (&email, IA5, "a"),
        ]));
        assert_eq!(found.as_deref(), Some("1.2.840.113549.1.9.1=#160161,CN=\\#zeek,O=Acme\\, Inc\\ ,C=DE"));
        assert_eq!(subject(&certificate(&[])).as_deref(), Some(""));
        assert_eq!(subject(&[]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(at in 0usize..400, with in any::<u8>(), cut in 0usize..400) {
            let mut bytes = certificate(&[(&[0x55, 4, 3], UTF8, "client"), (&[0x55, 4, 99], UTF8, "x")]);
            let len = bytes.len();
            bytes[at % len] = with;
            let _ = subject(&bytes);
            let _ = subject(&bytes[..cut % len]);
        }
    }
}
