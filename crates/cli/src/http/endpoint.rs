//! Where a server is: `http://user:password@host:port`, of which only the host must be there.

use anyhow::{Result, bail};
use base64::{Engine, engine::general_purpose::STANDARD};

/// ksqlDB's port, taken when an address without scheme names none.
const PORT_DEFAULT: u16 = 8088;

/// A server's address, and who we are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Name or address, IPv6 without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The header `authorization`.
    pub authorization: Option<String>,
}

impl Endpoint {
    /// Reads an address.
    pub fn parse(url: &str) -> Result<Self> {
        let (rest, port_default) = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (rest, 80),
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("https") => {
                bail!("server address {url:?} asks for https, only http is spoken so far")
            }
            Some((scheme, _)) => bail!("server address {url:?} has the unknown scheme {scheme:?}"),
            None => (url, PORT_DEFAULT),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        if !rest[authority.len()..].trim_matches('/').is_empty() {
            bail!("server address {url:?} has a path");
        }
        let (login, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, authority),
        };
        let (host, port) = match place.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => match place.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            },
        };
        let port = match port {
            None | Some("") => port_default,
            Some(text) => match text.parse() {
                Ok(port) => port,
                Err(_) => bail!("server address {url:?} has no valid port"),
            },
        };
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
        if host.is_empty() || !host.chars().all(is_host) {
            bail!("server address {url:?} has no valid host");
        }
        let endpoint = Self { host: host.to_owned(), port, authorization: None };
        Ok(match login {
            Some(login) => {
                let (user, password) = login.split_once(':').unwrap_or((login, ""));
                endpoint.with_login(user, password)
            }
            None => endpoint,
        })
    }

    /// Adds basic authentication.
    pub fn with_login(mut self, user: &str, password: &str) -> Self {
        self.authorization = Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))));
        self
    }

    /// Returns `host:port` as in the header `host`.
    pub fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    /// Returns the address without secrets.
    pub fn url(&self) -> String {
        format!("http://{}", self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_scheme() {
        for (url, shown) in [
            ("http://localhost:8088", "http://localhost:8088"),
            ("http://localhost:8088/", "http://localhost:8088"),
            ("ksqldb-server", "http://ksqldb-server:8088"),
            ("http://host", "http://host:80"),
            ("[::1]:9000", "http://[::1]:9000"),
        ] {
            assert_eq!(Endpoint::parse(url).unwrap().url(), shown);
        }
        let endpoint = Endpoint::parse("http://a:b@host:1").unwrap();
        assert_eq!(
            (endpoint.url().as_str(), endpoint.authorization.as_deref()),
            ("http://host:1", Some("Basic YTpi"))
        );
    }

    #[test]
    fn wrong_addresses_say_why() {
        for url in ["https://x", "ftp://x", "", "http://", "host:99999", "http://h/path", "ho st"] {
            assert!(Endpoint::parse(url).is_err(), "{url}");
        }
        assert!(Endpoint::parse("https://x").unwrap_err().to_string().contains("only http"));
    }
}
