//! How a connection is made secure, from its properties. What is missing or contradicts itself is told before anything
//! is sent: a password never goes out in the clear unless that was asked for.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::{
    jaas,
    login::{Login, MECHANISMS, Mechanism},
    properties::{Key, Properties},
    tls::{Tls, TlsFiles},
};

/// What security.protocol says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Protocol {
    tls: bool,
    login: bool,
}

const PROTOCOLS: [(&str, Protocol); 4] = [
    ("PLAINTEXT", Protocol { tls: false, login: false }),
    ("SSL", Protocol { tls: true, login: false }),
    ("SASL_PLAINTEXT", Protocol { tls: false, login: true }),
    ("SASL_SSL", Protocol { tls: true, login: true }),
];

/// How a connection is made secure.
pub struct Security {
    pub tls: Option<Tls>,
    pub login: Option<Login>,
}

impl Security {
    /// Reads the files that are named. `password` is the one that is taken where no property has one.
    pub fn of(properties: &Properties, password: Option<String>) -> Result<Security> {
        let jaas = properties.get(Key::Jaas).map(jaas::parse).transpose()?;
        let (mut user, mut stored) = (None, None);
        if let Some(jaas) = jaas {
            (user, stored) = (jaas.user, jaas.password);
        }
        let user = properties.get(Key::User).map(str::to_owned).or(user);
        let stored = properties.get(Key::Password).map(str::to_owned).or(stored);
        if user.is_none() && stored.is_some() {
            bail!("a password is given without a user: -X sasl.username=…");
        }
        let protocol = protocol(properties, user.is_some())?;
        let login = match user {
            _ if !protocol.login => None,
            None => bail!(
                "a login needs a user: -X sasl.username=…, or sasl.jaas.config in the file of --command-config"
            ),
            Some(user) => {
                let password = stored.or(password).filter(|password| !password.is_empty()).with_context(|| {
                    format!(
                        "no password is given for user {user:?}: sasl.password in the file of --command-config, or \
                         TRIPLINE_KAFKA_PASSWORD in the environment"
                    )
                })?;
                Some(Login { mechanism: mechanism(properties)?, user, password })
            }
        };
        let tls = protocol.tls.then(|| Tls::load(files(properties)?)).transpose()?;
        Ok(Security { tls, login })
    }
}

fn protocol(properties: &Properties, has_user: bool) -> Result<Protocol> {
    let named = properties.get(Key::Protocol);
    let Some(name) = named else {
        let tls = properties.one_of_tls();
        return match (has_user, tls) {
            (false, None) => Ok(Protocol { tls: false, login: false }),
            (false, Some(property)) => {
                bail!("{property} is given, but no TLS is asked for: -X security.protocol=SSL")
            }
            (true, Some(_)) => {
                bail!("a user is given, but no login is asked for: -X security.protocol=SASL_SSL")
            }
            (true, None) => bail!(
                "a user is given, but no login is asked for: -X security.protocol=SASL_SSL, or SASL_PLAINTEXT \
                 where the password may go over the network in the clear"
            ),
        };
    };
    let found = PROTOCOLS.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name.trim()));
    let Some((_, protocol)) = found else {
        bail!("security.protocol {name:?} is unknown: PLAINTEXT, SSL, SASL_PLAINTEXT and SASL_SSL are known");
    };
    if has_user && !protocol.login {
        let other = if protocol.tls { "SASL_SSL" } else { "SASL_PLAINTEXT" };
        bail!("a user is given, but security.protocol={name} has no login: {other} has");
    }
    Ok(protocol)
}

fn mechanism(properties: &Properties) -> Result<Mechanism> {
    let Some(name) = properties.get(Key::Mechanism) else { return Ok(Mechanism::Plain) };
    let found = MECHANISMS.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name.trim()));
    found.map(|(_, mechanism)| mechanism).with_context(|| {
        let known = MECHANISMS.map(|(known, _)| known).join(", ");
        format!("{} {name:?} is unknown; there are {known}", properties.name(Key::Mechanism))
    })
}

fn files(properties: &Properties) -> Result<TlsFiles> {
    for key in [Key::AuthoritiesType, Key::OwnType] {
        if let Some(kind) = properties.get(key).filter(|kind| !kind.trim().eq_ignore_ascii_case("PEM")) {
            bail!(
                "{} {kind:?} is not read, PEM is; Java's keytool -exportcert -rfc, or openssl pkcs12 -nodes, writes it",
                properties.name(key)
            );
        }
    }
    let path = |key| properties.get(key).map(PathBuf::from);
    let own = match (path(Key::OwnCertificate), path(Key::OwnSecret), path(Key::OwnBoth)) {
        (Some(certificate), Some(key), _) => Some((certificate, key)),
        (Some(both), None, _) | (None, None, Some(both)) => Some((both.clone(), both)),
        (None, Some(_), _) => bail!("ssl.key.location is given without ssl.certificate.location"),
        (None, None, None) => None,
    };
    let checks_name = match properties.get(Key::NameCheck).map(str::trim) {
        None => true,
        Some(how) if how.eq_ignore_ascii_case("https") => true,
        Some(how) if how.is_empty() || how.eq_ignore_ascii_case("none") => false,
        Some(how) => bail!(
            "{} {how:?} is unknown: https checks the host's name, none does not",
            properties.name(Key::NameCheck)
        ),
    };
    Ok(TlsFiles { authorities: path(Key::Authorities), own, checks_name })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(given: &[&str], password: Option<&str>) -> Result<Security, String> {
        let mut properties = Properties::default();
        for text in given {
            properties.take_override(text).unwrap();
        }
        Security::of(&properties, password.map(str::to_owned)).map_err(|error| format!("{error:#}"))
    }

    #[track_caller]
    fn refused(given: &[&str], wanted: &str) {
        let told = of(given, None).err().unwrap();
        assert!(told.contains(wanted), "{told}");
        assert!(!told.contains("secret"), "{told}");
    }

    #[test]
    fn password_comes_from_where_it_is_said_most_exactly() {
        let asked = ["security.protocol=sasl_plaintext", "sasl.username=u"];
        let jaas = "sasl.jaas.config=ScramLoginModule required username=\"v\" password=\"of jaas\";";
        let check = |more: &[&str], user: &str, password: &str| {
            let login = of(&[&asked[..1], more].concat(), Some("of the environment")).unwrap().login.unwrap();
            assert_eq!((login.user.as_str(), login.password.as_str()), (user, password));
        };
        check(&asked[1..], "u", "of the environment");
        check(&[jaas], "v", "of jaas");
        check(&[jaas, asked[1], "sasl.password=p"], "u", "p");
    }

    #[test]
    fn contradictions_are_told_before_anything_is_sent() {
        refused(&["sasl.username=u", "sasl.password=secret"], "security.protocol=SASL_SSL");
        refused(&["sasl.password=secret"], "sasl.username");
        refused(&["ssl.ca.location=x"], "security.protocol=SSL");
        refused(&["security.protocol=SSL", "sasl.username=u"], "SASL_SSL has");
        refused(&["security.protocol=TLS"], "SASL_PLAINTEXT");
        refused(&["security.protocol=SASL_SSL"], "sasl.username");
        refused(&["security.protocol=SASL_PLAINTEXT", "sasl.username=u"], "TRIPLINE_KAFKA_PASSWORD");
        refused(&["security.protocol=SSL", "ssl.truststore.type=JKS"], "PEM");
        refused(&["security.protocol=SSL", "ssl.key.location=x"], "ssl.certificate.location");
        refused(&["security.protocol=SSL", "ssl.endpoint.identification.algorithm=no"], "none");
        let gssapi = ["security.protocol=SASL_PLAINTEXT", "sasl.mechanisms=GSSAPI", "sasl.username=u"];
        refused(&[&gssapi[..], &["sasl.password=secret"]].concat(), "SCRAM-SHA-512");
    }
}
