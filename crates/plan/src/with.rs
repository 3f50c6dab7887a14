//! The WITH clause: known names, right types, nothing unknown.

use sql::ast::{Ident, Property, PropertyValue, Span};

use crate::error::{PlanError, Result};
use crate::settings::Settings;
use crate::step::{FormatSpec, WindowInfo};

/// Formats that can be read and written.
pub const FORMATS: [&str; 4] = ["JSON", "DELIMITED", "KAFKA", "NONE"];
/// Formats ksqlDB has and Tripline not yet.
pub const FORMATS_TO_COME: [&str; 4] = ["AVRO", "JSON_SR", "PROTOBUF", "PROTOBUF_NOSR"];

const NAMES: [&str; 23] = [
    "KAFKA_TOPIC",
    "FORMAT",
    "KEY_FORMAT",
    "VALUE_FORMAT",
    "PARTITIONS",
    "REPLICAS",
    "RETENTION_MS",
    "CLEANUP_POLICY",
    "TIMESTAMP",
    "TIMESTAMP_FORMAT",
    "WRAP_SINGLE_VALUE",
    "KEY_DELIMITER",
    "VALUE_DELIMITER",
    "KEY_SCHEMA_ID",
    "VALUE_SCHEMA_ID",
    "KEY_SCHEMA_FULL_NAME",
    "VALUE_SCHEMA_FULL_NAME",
    "VALUE_AVRO_SCHEMA_FULL_NAME",
    "WINDOW_TYPE",
    "WINDOW_SIZE",
    "SOURCED_BY_CONNECTOR",
    "QUERY_ID",
    "KEY",
];

/// A WITH clause whose names are all known.
pub struct With<'a> {
    properties: &'a [Property],
}

impl<'a> With<'a> {
    /// Checks the names; `refused` are known ones that this statement does not take.
    pub fn new(properties: &'a [Property], refused: &[&str]) -> Result<Self> {
        for (i, property) in properties.iter().enumerate() {
            let name: &str = &property.name.text;
            let upper = name.to_uppercase();
            if !NAMES.contains(&upper.as_str()) || refused.contains(&upper.as_str()) {
                let known: Vec<&str> = NAMES.iter().filter(|n| !refused.contains(n)).copied().collect();
                let error = PlanError::new(
                    "unknown_property",
                    format!("unknown property \"{name}\" in the WITH clause"),
                )
                .at(property.name.span);
                return Err(match crate::nearest(&upper, &known) {
                    Some(near) => error.hint(format!("did you mean {near}?")),
                    None => error,
                });
            }
            if properties[..i].iter().any(|p| p.name.text.eq_ignore_ascii_case(name)) {
                return Err(PlanError::new("duplicate_property", format!("\"{name}\" is set twice"))
                    .at(property.name.span));
            }
        }
        Ok(Self { properties })
    }

    fn get(&self, name: &str) -> Option<&'a Property> {
        self.properties.iter().find(|p| p.name.text.eq_ignore_ascii_case(name))
    }

    /// The place of a property's value.
    pub fn span(&self, name: &str) -> Span {
        self.get(name).map(|p| p.span).unwrap_or_default()
    }

    /// A text property.
    pub fn text(&self, name: &str) -> Result<Option<String>> {
        match self.get(name) {
            None => Ok(None),
            Some(Property { value: PropertyValue::Text(text), .. }) => Ok(Some(text.clone())),
            Some(property) => Err(wrong(property, "a quoted text")),
        }
    }

    /// A whole number, perhaps quoted.
    pub fn integer(&self, name: &str) -> Result<Option<i64>> {
        match self.get(name) {
            None => Ok(None),
            Some(Property { value: PropertyValue::Integer(n), .. }) => Ok(Some(*n)),
            Some(property) => match &property.value {
                PropertyValue::Text(text) if text.trim().parse::<i64>().is_ok() => {
                    Ok(text.trim().parse().ok())
                }
                _ => Err(wrong(property, "a whole number")),
            },
        }
    }

    /// A whole number of at least one.
    pub fn count(&self, name: &str) -> Result<Option<u32>> {
        match self.integer(name)? {
            None => Ok(None),
            Some(n @ 1..=100_000) => Ok(Some(n as u32)),
            Some(n) => Err(PlanError::new("bad_property", format!("{name} must be 1 to 100000, not {n}"))
                .at(self.span(name))),
        }
    }

    /// TRUE or FALSE, perhaps quoted.
    pub fn boolean(&self, name: &str) -> Result<Option<bool>> {
        match self.get(name) {
            None => Ok(None),
            Some(Property { value: PropertyValue::Boolean(b), .. }) => Ok(Some(*b)),
            Some(property) => match &property.value {
                PropertyValue::Text(t) if t.eq_ignore_ascii_case("true") => Ok(Some(true)),
                PropertyValue::Text(t) if t.eq_ignore_ascii_case("false") => Ok(Some(false)),
                _ => Err(wrong(property, "TRUE or FALSE")),
            },
        }
    }

    /// A column name: folded to upper case unless in backticks.
    pub fn column(&self, name: &str) -> Result<Option<String>> {
        Ok(self.text(name)?.map(|text| match text.strip_prefix('`').and_then(|t| t.strip_suffix('`')) {
            Some(quoted) => quoted.replace("``", "`"),
            None => text.to_uppercase(),
        }))
    }

    /// Key and value format.
    pub fn formats(
        &self,
        inherited: Option<(&FormatSpec, &FormatSpec)>,
        settings: &Settings,
    ) -> Result<(FormatSpec, FormatSpec)> {
        let both = self.format_name("FORMAT")?;
        let key = self.format_name("KEY_FORMAT")?;
        let value = self.format_name("VALUE_FORMAT")?;
        if let (Some(_), Some(_)) = (&both, key.as_ref().or(value.as_ref())) {
            return Err(PlanError::new(
                "bad_property",
                "FORMAT sets both formats and excludes KEY_FORMAT and VALUE_FORMAT",
            )
            .at(self.span("FORMAT")));
        }
        let key = self.format(
            key.or_else(|| both.clone()),
            "KEY_DELIMITER",
            inherited.map(|(key, _)| key),
            Some(&settings.key_format),
        )?;
        let mut value = self.format(
            value.or(both),
            "VALUE_DELIMITER",
            inherited.map(|(_, value)| value),
            settings.value_format.as_deref(),
        )?;
        match self.boolean("WRAP_SINGLE_VALUE")? {
            Some(wrap) => value.wrap_single = Some(wrap),
            None if inherited.is_none() => value.wrap_single = settings.wrap_single,
            None => {}
        }
        Ok((key, value))
    }

    fn format_name(&self, property: &str) -> Result<Option<String>> {
        let Some(name) = self.text(property)? else { return Ok(None) };
        let upper = name.trim().to_uppercase();
        if FORMATS.contains(&upper.as_str()) {
            return Ok(Some(upper));
        }
        let span = self.span(property);
        if FORMATS_TO_COME.contains(&upper.as_str()) {
            return Err(PlanError::new(
                "format_to_come",
                format!("{property}='{upper}' is not supported yet"),
            )
            .at(span)
            .hint("use JSON, DELIMITED or KAFKA; formats with a schema registry come in a later version"));
        }
        let error = PlanError::new("unknown_format", format!("unknown format \"{name}\"")).at(span);
        Err(match crate::nearest(&upper, &FORMATS) {
            Some(near) => error.hint(format!("did you mean {near}?")),
            None => error.hint(format!("there are {}", FORMATS.join(", "))),
        })
    }

    fn format(
        &self,
        name: Option<String>,
        delimiter_property: &str,
        inherited: Option<&FormatSpec>,
        default: Option<&str>,
    ) -> Result<FormatSpec> {
        let inherited = inherited.filter(|i| name.as_ref().is_none_or(|n| *n == i.name));
        let Some(name) =
            name.or_else(|| inherited.map(|i| i.name.clone())).or_else(|| default.map(Into::into))
        else {
            return Err(PlanError::new("missing_format", "the WITH clause needs VALUE_FORMAT")
                .hint("for example VALUE_FORMAT='JSON'"));
        };
        let delimiter = match self.text(delimiter_property)? {
            Some(text) => Some(self.delimiter(&name, delimiter_property, &text)?),
            None => inherited.and_then(|i| i.delimiter.clone()),
        };
        Ok(FormatSpec { name, delimiter, wrap_single: None })
    }

    fn delimiter(&self, format: &str, property: &str, text: &str) -> Result<String> {
        let refuse = |message: String| Err(PlanError::new("bad_property", message).at(self.span(property)));
        if format != "DELIMITED" {
            return refuse(format!("{property} is for the DELIMITED format, not {format}"));
        }
        match text {
            "SPACE" => Ok(" ".into()),
            "TAB" => Ok("\t".into()),
            _ if text.trim().is_empty() => {
                refuse(format!("{property} is empty; for a blank or tab write 'SPACE' or 'TAB'"))
            }
            _ if text.chars().count() == 1 => Ok(text.into()),
            _ => refuse(format!("{property} must be one character, 'SPACE' or 'TAB', not '{text}'")),
        }
    }

    /// WINDOW_TYPE and WINDOW_SIZE.
    pub fn window(&self) -> Result<Option<WindowInfo>> {
        let refuse = |message: &str, at: &str| {
            Err(PlanError::new("bad_property", message.to_owned()).at(self.span(at)))
        };
        let size = self.text("WINDOW_SIZE")?;
        let Some(kind) = self.text("WINDOW_TYPE")? else {
            return match size {
                Some(_) => refuse("WINDOW_SIZE needs WINDOW_TYPE", "WINDOW_SIZE"),
                None => Ok(None),
            };
        };
        match (kind.to_uppercase().as_str(), size) {
            ("SESSION", None) => Ok(Some(WindowInfo::Session)),
            ("SESSION", Some(_)) => refuse("SESSION windows have no WINDOW_SIZE", "WINDOW_SIZE"),
            ("TUMBLING" | "HOPPING", Some(size)) => match duration_ms(&size) {
                Some(size_ms) if size_ms > 0 => Ok(Some(WindowInfo::Time { size_ms })),
                _ => refuse("WINDOW_SIZE is a number and a unit, for example '30 SECONDS'", "WINDOW_SIZE"),
            },
            ("TUMBLING" | "HOPPING", None) => refuse("this WINDOW_TYPE needs WINDOW_SIZE", "WINDOW_TYPE"),
            _ => refuse("WINDOW_TYPE is SESSION, HOPPING or TUMBLING", "WINDOW_TYPE"),
        }
    }
}

fn wrong(property: &Property, expected: &str) -> PlanError {
    let Property { name: Ident { text, .. }, .. } = property;
    PlanError::new("bad_property", format!("\"{text}\" must be {expected}")).at(property.span)
}

/// A duration as WINDOW_SIZE gives it: a number and a unit.
fn duration_ms(text: &str) -> Option<i64> {
    let (number, unit) = text.trim().split_once(char::is_whitespace)?;
    let unit_ms: i64 = match unit.trim().to_uppercase().trim_end_matches('S') {
        "DAY" => 86_400_000,
        "HOUR" => 3_600_000,
        "MINUTE" => 60_000,
        "SECOND" => 1000,
        "MILLISECOND" => 1,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(unit_ms)
}
