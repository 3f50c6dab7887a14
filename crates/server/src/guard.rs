//! Keeps web pages of other sites away from the server.
//!
//! A page can point its own name at 127.0.0.1 (DNS rebinding): on loopback listeners `Host` has to be one of
//! our names or an address. A page can also send forms anywhere: what changes something is refused when
//! its `Origin` is another site. Reading answers across sites is refused by browsers, as we send no CORS headers.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{HOST, ORIGIN};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode, Version};

use crate::config::ServerConfig;
use crate::error::ApiError;

/// Refuses requests that a foreign page may have made. `local` is where the connection came in.
pub fn check(parts: &Parts, local: SocketAddr, config: &ServerConfig) -> Result<(), ApiError> {
    let host = host_of(parts)?;
    if local.ip().to_canonical().is_loopback()
        && let Some(host) = &host
        && !is_own_name(host, config)
    {
        let refused = "the host that was asked for is not one of this server's names";
        return Err(ApiError::new(StatusCode::FORBIDDEN, 0, "foreign_host", refused)
            .hint("use \"localhost\", an address, or set \"tripline.http.host.names\""));
    }
    let changes = !matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
    if changes && let Some(origin) = parts.headers.get(ORIGIN) {
        let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        let authority = authority_of(parts);
        let is_own = origin.is_some_and(|(_, site)| {
            authority.is_some_and(|own| own.eq_ignore_ascii_case(site))
                || host_name(site).is_some_and(|name| config.host_names.contains(&name))
        });
        if !is_own {
            let refused = "requests from pages of another site are refused";
            return Err(ApiError::new(StatusCode::FORBIDDEN, 0, "foreign_origin", refused)
                .hint("add the site's host to \"tripline.http.host.names\""));
        }
    }
    Ok(())
}

fn authority_of(parts: &Parts) -> Option<&str> {
    match parts.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => parts.headers.get(HOST)?.to_str().ok(),
    }
}

fn host_of(parts: &Parts) -> Result<Option<String>, ApiError> {
    let bad = || ApiError::bad_request("bad_host", "the header \"Host\" is missing or not a host");
    if parts.headers.get_all(HOST).iter().count() > 1 {
        return Err(bad());
    }
    match authority_of(parts) {
        Some(authority) => host_name(authority).map(Some).ok_or_else(bad),
        // HTTP/1.0 has no Host; no browser speaks it.
        None if parts.version == Version::HTTP_10 && !parts.headers.contains_key(HOST) => Ok(None),
        None => Err(bad()),
    }
}

/// The host of `host:port` in lower case; addresses without their brackets.
fn host_name(authority: &str) -> Option<String> {
    let authority = authority.trim();
    if let Some(rest) = authority.strip_prefix('[') {
        let (address, after) = rest.split_once(']')?;
        let port_is_fine = after.is_empty() || after.strip_prefix(':').is_some_and(is_port);
        return port_is_fine.then(|| address.to_ascii_lowercase());
    }
    let host = match authority.split_once(':') {
        Some((host, port)) if is_port(port) => host,
        Some(_) => return None,
        None => authority,
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    (!host.is_empty() && host.bytes().all(is_name)).then(|| host.to_ascii_lowercase())
}

fn is_port(text: &str) -> bool {
    text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// An address cannot be rebound: only names have to be known.
fn is_own_name(host: &str, config: &ServerConfig) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok() || config.host_names.iter().any(|name| name == host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(method: &str, host: &str, origin: Option<&str>, local: &str) -> Result<(), &'static str> {
        let mut request = hyper::Request::builder().method(method).uri("/ksql").header(HOST, host);
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        let config = ServerConfig { host_names: vec!["siem.example".into()], ..ServerConfig::default() };
        let (parts, ()) = request.body(()).unwrap().into_parts();
        check(&parts, local.parse().unwrap(), &config).map_err(|error| error.code)
    }

    #[test]
    fn rebound_name_is_refused_on_loopback_only() {
        for host in ["localhost:8088", "LOCALHOST.", "127.0.0.1", "[::1]:8088", "siem.example", "10.0.0.1:1"]
        {
            assert_eq!(checked("GET", host, None, "127.0.0.1:8088"), Ok(()), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example:8088", "127.0.0.1.evil.example"] {
            assert_eq!(checked("GET", host, None, "127.0.0.1:8088"), Err("foreign_host"), "{host}");
            assert_eq!(checked("GET", host, None, "[::1]:8088"), Err("foreign_host"), "{host}");
            assert_eq!(checked("GET", host, None, "10.0.0.5:8088"), Ok(()), "{host}");
        }
        for host in ["", "a b", "localhost:x", "[::1", "localhost@evil"] {
            assert_eq!(checked("GET", host, None, "127.0.0.1:8088"), Err("bad_host"), "{host}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_authority_can_be_judged(authority in proptest::arbitrary::any::<String>()) {
            let _ = host_name(&authority);
        }
    }

    #[test]
    fn form_of_another_site_is_refused() {
        let local = "127.0.0.1:8088";
        let own = "localhost:8088";
        assert_eq!(checked("POST", own, Some("http://localhost:8088"), local), Ok(()));
        assert_eq!(checked("POST", own, Some("https://siem.example"), local), Ok(()));
        for origin in ["http://evil.example", "null", "http://localhost:9999", "http://localhost:8088.evil"] {
            assert_eq!(checked("POST", own, Some(origin), local), Err("foreign_origin"), "{origin}");
            assert_eq!(checked("GET", own, Some(origin), local), Ok(()), "{origin}");
        }
    }
}
