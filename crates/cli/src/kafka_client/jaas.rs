//! The login in Kafka's `sasl.jaas.config`: `MODULE required NAME="VALUE" …;`.

use anyhow::{Result, bail};

/// What it says. It cannot be printed, for it holds a password.
pub struct Jaas {
    pub user: Option<String>,
    pub password: Option<String>,
}

/// Reads one. Errors never show it.
pub fn parse(text: &str) -> Result<Jaas> {
    let (module, rest) = text.trim_start().split_once(char::is_whitespace).unwrap_or_default();
    if !matches!(module.rsplit('.').next(), Some("PlainLoginModule" | "ScramLoginModule")) {
        bail!(
            "sasl.jaas.config does not begin with a module that is known: PlainLoginModule and ScramLoginModule are"
        );
    }
    let Some(options) = rest.trim_start().strip_prefix("required") else {
        bail!("sasl.jaas.config has no word \"required\" behind its module");
    };
    let mut jaas = Jaas { user: None, password: None };
    let mut rest = options.trim_start();
    while let Some((name, after)) = rest.split_once('=') {
        let Some((value, after)) = value(after.trim_start()) else {
            bail!("sasl.jaas.config has a value without its closing quote");
        };
        match name.trim() {
            "username" => jaas.user = Some(value),
            "password" => jaas.password = Some(value),
            _ => {}
        }
        rest = after.trim_start();
    }
    if rest.trim() != ";" {
        bail!("sasl.jaas.config does not end with \";\"");
    }
    Ok(jaas)
}

/// Takes a value, quoted or not; returns what follows too.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quote) = text.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
        let end = text.find(|c: char| c.is_whitespace() || c == ';').unwrap_or(text.len());
        return Some((text[..end].to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut chars = text.chars();
    chars.next();
    loop {
        match chars.next()? {
            '\\' => value.push(chars.next()?),
            c if c == quote => return Some((value, chars.as_str())),
            c => value.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
        ] {
            let told = parse(text).err().unwrap().to_string();
            assert!(!told.contains("secret"), "{told}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "(PlainLoginModule|required|username|[= ;'\"\\\\]|\\PC){0,30}") {
            let _ = parse(&text);
        }
    }
}
