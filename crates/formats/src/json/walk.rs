//! JSON of which nothing is known before: looked at value by value, without a tree.
//!
//! The rules are those of columns: as deep as [`DEPTH_MAX`](super::DEPTH_MAX), half a surrogate becomes U+FFFD, a number's text is
//! that of Java's `BigDecimal`. No key has a meaning of its own.

use std::borrow::Cow;

use super::lexer::{Child, Children, skip_space, value_end};
use super::number::java_text;
use super::scan::Kind;
use super::text::{compact_container, unescape, write_string};

/// A value within JSON text that was checked as a whole.
#[derive(Clone, Copy, Debug)]
pub struct Json<'a> {
    token: &'a str,
    kind: Kind,
}

impl<'a> Json<'a> {
    /// Reads a text that is one JSON value; `None` if it is not.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (found, rest) = Self::first(text)?;
        (skip_space(rest.as_bytes(), 0) == rest.len()).then_some(found)
    }

    /// Reads the JSON value that a text begins with, and gives what follows it.
    pub fn first(text: &'a str) -> Option<(Self, &'a str)> {
        let bytes = text.as_bytes();
        let start = skip_space(bytes, 0);
        let (end, kind) = value_end(bytes, start, &mut 0, 0).ok()?;
        Some((Self { token: &text[start..end], kind }, &text[end..]))
    }

    /// Returns what it is: never missing.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the value as it is written.
    pub fn raw(&self) -> &'a str {
        self.token
    }

    /// Returns the items of an array.
    pub fn items(&self) -> Option<impl Iterator<Item = Json<'a>> + use<'a>> {
        (self.kind == Kind::Array).then(|| Children::new(self.token.as_bytes()).filter_map(Self::child))
    }

    /// Returns the keys and values of an object, in their order; a key may be there twice.
    pub fn entries(&self) -> Option<impl Iterator<Item = (Cow<'a, str>, Json<'a>)> + use<'a>> {
        let entry = |child: Child<'a>| {
            let key = std::str::from_utf8(child.key).ok()?;
            Some((unescape(key.get(1..key.len().checked_sub(1)?)?), Self::child(child)?))
        };
        (self.kind == Kind::Object).then(|| Children::new(self.token.as_bytes()).filter_map(entry))
    }

    /// Returns the field of an object; of equal keys the last.
    pub fn field(&self, name: &str) -> Option<Self> {
        self.entries()?.filter(|(key, _)| key == name).last().map(|(_, value)| value)
    }

    /// Returns the text of a string.
    pub fn text(&self) -> Option<Cow<'a, str>> {
        match self.kind {
            Kind::String => Some(Cow::Borrowed(self.content())),
            Kind::EscapedString => Some(unescape(self.content())),
            _ => None,
        }
    }

    /// Returns it as JSON without spaces, strings and numbers as Jackson writes them.
    pub fn compact(&self) -> Cow<'a, str> {
        match self.kind {
            Kind::Object | Kind::Array => Cow::Owned(compact_container(self.token)),
            Kind::EscapedString => {
                let mut out = Vec::with_capacity(self.token.len());
                write_string(&unescape(self.content()), &mut out);
                Cow::Owned(String::from_utf8(out).unwrap_or_default())
            }
            Kind::Integer if self.token == "-0" => Cow::Borrowed("0"),
            Kind::Number | Kind::Exponent => Cow::Owned(java_text(self.token)),
            _ => Cow::Borrowed(self.token),
        }
    }

    fn child(child: Child<'a>) -> Option<Self> {
        // Quotes, digits and brackets are whole characters, so a token of a text is one too.
        Some(Self { token: std::str::from_utf8(child.value).ok()?, kind: child.kind })
    }

    fn content(&self) -> &'a str {
        &self.token[1..self.token.len() - 1]
    }
}

/// Appends a text as a JSON string, with the escapes that Jackson writes.
pub fn push_string(text: &str, out: &mut Vec<u8>) {
    write_string(text, out);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn json(text: &str) -> Json<'_> {
        Json::parse(text).unwrap()
    }

    #[test]
    fn values_are_found_within_each_other() {
        let found = json(r#" {"a": [1, "x\u0041", {"b": null}], "a\u0062": true} "#);
        assert_eq!(found.kind(), Kind::Object);
        assert_eq!(found.field("ab").map(|json| json.kind()), Some(Kind::True));
        let items: Vec<Json<'_>> = found.field("a").unwrap().items().unwrap().collect();
        assert_eq!(items[1].text().as_deref(), Some("xA"));
        assert_eq!(items[2].compact(), r#"{"b":null}"#);
        assert!(items[0].items().is_none() && items[0].entries().is_none() && items[0].text().is_none());
    }

    #[test]
    fn text_is_as_for_columns() {
        for (written, compact) in [
            ("1.50", "1.50"),
            ("1e2", "1E+2"),
            ("-0", "0"),
            (r#""a\/\u000b\ud800""#, "\"a/\\u000B\u{fffd}\""),
            ("[ 1 , [ ] , { } ]", "[1,[],{}]"),
            (r#"[{"a" : "b,\/"}]"#, r#"[{"a":"b,/"}]"#),
        ] {
            assert_eq!(json(written).compact(), compact);
        }
    }

    #[test]
    fn what_is_no_json_is_nothing() {
        for text in ["", " ", "{", "{} {}", "01", "[1,]", "{\"a\"}", "\"\n\"", "nul", "\u{feff}1"] {
            assert!(Json::parse(text).is_none(), "{text:?}");
        }
        assert!(Json::parse(&"[".repeat(100_000)).is_none());
        let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(Json::parse(&deep(super::super::DEPTH_MAX)).is_some());
        assert!(Json::parse(&deep(super::super::DEPTH_MAX + 1)).is_none());
    }

    /// The tree that a walk through all of a value gives.
    fn tree(json: Json<'_>) -> Value {
        if let Some(items) = json.items() {
            return items.map(tree).collect();
        }
        if let Some(entries) = json.entries() {
            return entries.map(|(key, value)| (key.into_owned(), tree(value))).collect();
        }
        json.text().map_or_else(|| serde_json::from_str(json.raw()).unwrap(), |text| text.into_owned().into())
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::from),
            ".{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((".{0,3}", inner), 0..5)
                    .prop_map(|entries| entries.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_walk_finds_what_a_tree_has(value in any_json(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            let text = text.unwrap();
            let found = json(&text);
            prop_assert_eq!(tree(found), value);
            let compact = found.compact();
            prop_assert_eq!(tree(json(&compact)), tree(found));
        }

        #[test]
        fn any_text_does_no_harm(text in r#"[\[\]{}",:\\u0-9a-f ]{0,40}"#) {
            let ours = Json::parse(&text);
            if serde_json::from_str::<Value>(&text).is_ok() {
                prop_assert!(ours.is_some());
            }
            if let Some(json) = ours {
                prop_assert!(Json::parse(&json.compact()).is_some());
            }
        }
    }
}
