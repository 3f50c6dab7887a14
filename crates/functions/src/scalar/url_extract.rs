//! URL_EXTRACT_FRAGMENT, _HOST, _PARAMETER, _PATH, _PORT, _PROTOCOL, _QUERY: the parts of a URL.
//!
//! The parts are those of RFC 3986: `protocol://user@host:port/path?query#fragment`, decoded. A part that
//! the URL does not have is NULL; a text with characters no URL may have is an error, as in Java.

use types::EvalError;

use super::url_param::decode;
use crate::adapter::lift;
use crate::function::Scalar;

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        text_part("URL_EXTRACT_FRAGMENT", "Returns what follows # in a URL.", |url| url.fragment),
        text_part("URL_EXTRACT_HOST", "Returns the host of a URL.", |url| url.host),
        Scalar::new("URL_EXTRACT_PARAMETER", "URL", "Returns a parameter of a URL's query.").overload(
            "(STRING, STRING) → STRING",
            lift!(|url: &str, name: &str| parameter(&Url::parse(url)?, name)),
        ),
        text_part("URL_EXTRACT_PATH", "Returns the path of a URL.", |url| Some(url.path)),
        Scalar::new("URL_EXTRACT_PORT", "URL", "Returns the port of a URL.")
            .overload("(STRING) → INT", lift!(|url: &str| Url::parse(url).map(|url| url.port))),
        text_part("URL_EXTRACT_PROTOCOL", "Returns the protocol of a URL.", |url| url.protocol),
        text_part("URL_EXTRACT_QUERY", "Returns what follows ? in a URL.", |url| url.query),
    ]
}

fn text_part(
    name: &'static str,
    description: &'static str,
    part: for<'a> fn(Url<'a>) -> Option<&'a str>,
) -> Scalar {
    let code = lift!(|url: &str| part(Url::parse(url)?).map(|part| decode(part, false)).transpose());
    Scalar::new(name, "URL", description).overload("(STRING) → STRING", code)
}

/// The parts of a URL, not decoded.
struct Url<'a> {
    protocol: Option<&'a str>,
    host: Option<&'a str>,
    port: Option<i32>,
    path: &'a str,
    query: Option<&'a str>,
    fragment: Option<&'a str>,
}

impl<'a> Url<'a> {
    fn parse(text: &'a str) -> Result<Self, EvalError> {
        let is_illegal = |c: char| c <= ' ' || c == '\u{7f}' || "\"<>\\^`{|}".contains(c);
        if text.contains(is_illegal) {
            return Err(EvalError::new(format!("\"{text}\" is not a URL")));
        }
        let (text, fragment) = split_off(text, '#');
        let (text, query) = split_off(text, '?');
        let (protocol, rest) = match text.split_once(':') {
            Some((protocol, rest)) if is_protocol(protocol) => (Some(protocol), rest),
            _ => (None, text),
        };
        let Some(rest) = rest.strip_prefix("//") else {
            return Ok(Self { protocol, host: None, port: None, path: rest, query, fragment });
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let address = authority.rsplit_once('@').map_or(authority, |(_, address)| address);
        let (host, port) = match address.rsplit_once(':') {
            // Within [::1] the colon parts no port.
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
            _ => (address, None),
        };
        let host = (!host.is_empty()).then_some(host);
        Ok(Self { protocol, host, port, path, query, fragment })
    }
}

fn split_off(text: &str, mark: char) -> (&str, Option<&str>) {
    text.split_once(mark).map_or((text, None), |(text, part)| (text, Some(part)))
}

fn is_protocol(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

/// A parameter without value is an empty text.
fn parameter(url: &Url<'_>, name: &str) -> Result<Option<String>, EvalError> {
    for pair in url.query.unwrap_or_default().split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if decode(key, true)? == name {
            return decode(value, true).map(Some);
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use crate::testing::{NULL, cases, fails};

    #[test]
    fn parts_of_a_url_are_found() {
        let url = || "https://me@example.com:8080/a%20b/c?q1=x+y&q2&q3=%26#top";
        cases!("URL_EXTRACT_PROTOCOL": (url()) => "https"; ("www.example.com") => NULL; (NULL) => NULL;);
        cases!("URL_EXTRACT_HOST": (url()) => "example.com"; ("http://[::1]:80/") => "[::1]";
            ("mailto:a@b") => NULL;);
        cases!("URL_EXTRACT_PORT": (url()) => 8080; ("http://example.com") => NULL; ("http://[::1]") => NULL;);
        cases!("URL_EXTRACT_PATH": (url()) => "/a b/c"; ("http://example.com") => "";);
        cases!("URL_EXTRACT_QUERY": (url()) => "q1=x+y&q2&q3=&"; ("http://a.b?q#f") => "q";
            ("http://a.b") => NULL;);
        cases!("URL_EXTRACT_FRAGMENT": (url()) => "top"; ("http://a.b") => NULL;);
        cases!("URL_EXTRACT_PARAMETER":
            (url(), "q1") => "x y"; (url(), "q2") => ""; (url(), "q3") => "&"; (url(), "q4") => NULL;
            ("http://a.b", "") => "";
        );
    }

    #[test]
    fn text_that_is_no_url_is_an_error() {
        fails!("URL_EXTRACT_HOST": ("http://a b"); ("<x>"););
    }
}
