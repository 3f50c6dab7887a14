//! The login in Kafka's `sasl.jaas.config`: `MODULE required NAME="VALUE" …;`.

use anyhow::{Result, bail};

/// What it says. It cannot be printed, for it holds a password.
pub struct Jaas {
    pub user: Option<String>,
    pub password: Option<String>,
}

/// Reads one. Errors never show it.
pub fn parse(text: &str) -> Result<Jaas> {
    let read = match kafka::jaas::parse(text) {
        Ok(read) => read,
        Err(error) => bail!("sasl.jaas.config {error}"),
    };
    let mut words = read.words.iter().map(String::as_str);
    if !matches!(
        words.next().and_then(|module| module.rsplit('.').next()),
        Some("PlainLoginModule" | "ScramLoginModule")
    ) {
        bail!(
            "sasl.jaas.config does not begin with a module that is known: PlainLoginModule and ScramLoginModule are"
        );
    }
    if words.next() != Some("required") {
        bail!("sasl.jaas.config has no word \"required\" behind its module");
    }
    if words.next().is_some() {
        bail!("sasl.jaas.config has a name without a value");
    }
    if !read.is_ended {
        bail!("sasl.jaas.config does not end with \";\"");
    }
    let mut jaas = Jaas { user: None, password: None };
    for (name, value) in read.options {
        match name.as_str() {
            "username" => jaas.user = Some(value),
            "password" => jaas.password = Some(value),
            _ => {}
        }
    }
    Ok(jaas)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_are_read() {
        let check = |text: &str, user: Option<&str>, password: Option<&str>| {
            let jaas = parse(text).unwrap();
            assert_eq!((jaas.user.as_deref(), jaas.password.as_deref()), (user, password), "{text}");
        };
        let module = "org.apache.kafka.common.security.plain.PlainLoginModule required";
        check(&format!("{module} username=\"u\" password=\"a \\\"b\\\\=;\";"), Some("u"), Some("a \"b\\=;"));
        check(&format!("{module}\n  serviceName=x username=u\n  password='p' ;"), Some("u"), Some("p"));
        check("ScramLoginModule required;", None, None);
    }

    #[test]
    fn what_is_none_is_refused_without_being_shown() {
        for text in [
            "",
            "secret",
            "a.OAuthBearerLoginModule required;",
            "a.PlainLoginModule optional username=\"secret\";",
            "a.PlainLoginModule required password=\"secret;",
            "a.PlainLoginModule required password=\"secret\"",
            "a.PlainLoginModule required secret username=\"u\";",
        ] {
            let told = parse(text).err().unwrap().to_string();
            assert!(!told.contains("secret"), "{told}");
        }
    }
}
