//! Cases: read from their files, one for each format and setting.
//!
//! A file is `{"tests": [case, …]}`. A case with `format` runs once for each of them, put in for `{FORMAT}`;
//! one with `config` once for each value, put in for the property `{CONFIG}`. Fields nobody reads here are ignored.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use serde_json::Value;

use super::json_comments::without_comments;

/// One statement list with its records.
#[derive(Clone, Debug, Default)]
pub struct Case {
    /// The file's name without `.json`.
    pub file: String,
    /// `file - name - format - property=value`.
    pub name: String,
    /// Run one after the other; each text may have several statements.
    pub statements: Vec<String>,
    /// Settings.
    pub properties: Vec<(String, Value)>,
    /// Topics that are there before, as written.
    pub topics: Vec<Value>,
    /// Written to topics before queries run.
    pub inputs: Vec<Record>,
    /// Expected in topics.
    pub outputs: Vec<Record>,
    /// Expected of the statements one by one, in cases of the REST interface.
    pub responses: Vec<Value>,
    /// The SELECT is to run before the records are written.
    pub waits_for_push: bool,
    /// What has to fail, if something has to.
    pub expected_error: Option<Value>,
    /// Expected of the catalog and the topics.
    pub post: Option<Value>,
    /// False for cases that are not run.
    pub enabled: bool,
}

/// A record of a topic, key and value as JSON.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// The topic.
    pub topic: String,
    /// `Null` is a null key.
    pub key: Value,
    /// `Null` is a null value.
    pub value: Value,
    /// In ms.
    pub timestamp: Option<i64>,
    /// Start and end.
    pub window: Option<(i64, i64)>,
    /// Names and values in base64.
    pub headers: Vec<(String, Option<String>)>,
}

impl Case {
    /// Whether something has to fail.
    pub fn is_refusal(&self) -> bool {
        self.expected_error.is_some()
    }
}

/// Reads all cases of a directory, or of the `query-validation-tests` in it, by file name.
pub fn read_dir(dir: &Path) -> Result<Vec<Case>> {
    let inner = dir.join("query-validation-tests");
    let dir = if inner.is_dir() { inner.as_path() } else { dir };
    let entries = fs::read_dir(dir).with_context(|| format!("reading directory {}", dir.display()))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    let mut cases = Vec::new();
    for path in files {
        let read = || -> Result<Vec<Case>> {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            cases_of(&stem, &fs::read_to_string(&path)?)
        };
        cases.extend(read().with_context(|| format!("reading cases of {}", path.display()))?);
    }
    Ok(cases)
}

/// The cases of one file, expanded.
pub fn cases_of(file: &str, text: &str) -> Result<Vec<Case>> {
    let json: Value = serde_json::from_str(&without_comments(text))?;
    let tests = json["tests"].as_array().ok_or_else(|| anyhow!("no array \"tests\""))?;
    let mut cases = Vec::new();
    for test in tests {
        let name = test["name"].as_str().ok_or_else(|| anyhow!("a case has no name"))?;
        for variant in expand(test) {
            let name = format!("{file} - {name}{}", variant.suffix);
            cases.push(case(file, name.clone(), &variant.test).with_context(|| format!("case {name}"))?);
        }
    }
    Ok(cases)
}

struct Variant {
    test: Value,
    suffix: String,
}

fn expand(test: &Value) -> Vec<Variant> {
    let mut variants = vec![Variant { test: test.clone(), suffix: String::new() }];
    if let Some(formats) = test["format"].as_array() {
        variants = formats
            .iter()
            .map(|format| {
                let format = format.as_str().unwrap_or_default();
                Variant { test: replace(test, "{FORMAT}", format), suffix: format!(" - {format}") }
            })
            .collect();
    }
    let (Some(configs), Some(properties)) = (test["config"].as_array(), test["properties"].as_object())
    else {
        return variants;
    };
    let Some((property, _)) = properties.iter().find(|(_, value)| *value == "{CONFIG}") else {
        return variants;
    };
    let with_config = |variant: &Variant, config: &Value| {
        let mut test = variant.test.clone();
        test["properties"][property] = config.clone();
        let config = config.as_str().map_or_else(|| config.to_string(), str::to_owned);
        Variant { test, suffix: format!("{} - {property}={config}", variant.suffix) }
    };
    variants.iter().flat_map(|variant| configs.iter().map(|config| with_config(variant, config))).collect()
}

/// Puts a text in for a mark, in all texts of the JSON.
fn replace(json: &Value, mark: &str, text: &str) -> Value {
    match json {
        Value::String(old) => Value::String(old.replace(mark, text)),
        Value::Array(items) => items.iter().map(|item| replace(item, mark, text)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), replace(value, mark, text))).collect()
        }
        other => other.clone(),
    }
}

fn case(file: &str, name: String, test: &Value) -> Result<Case> {
    let list = |field: &str| test[field].as_array().map(Vec::as_slice).unwrap_or_default();
    let statements = list("statements").iter().filter_map(|s| s.as_str().map(str::to_owned)).collect();
    let properties = test["properties"].as_object();
    let optional = |field: &str| test.get(field).filter(|value| !value.is_null()).cloned();
    Ok(Case {
        file: file.to_owned(),
        name,
        statements,
        properties: properties.into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect(),
        topics: list("topics").to_vec(),
        inputs: list("inputs").iter().map(record).collect::<Result<_>>()?,
        outputs: list("outputs").iter().map(record).collect::<Result<_>>()?,
        responses: list("responses").to_vec(),
        waits_for_push: test["inputConditions"]["waitForActivePushQuery"] == Value::Bool(true),
        expected_error: optional("expectedException").or_else(|| optional("expectedError")),
        post: optional("post"),
        enabled: test["enabled"] != Value::Bool(false),
    })
}

fn record(json: &Value) -> Result<Record> {
    let window = &json["window"];
    let headers = json["headers"].as_array().into_iter().flatten().map(|header| {
        let text = |field: &str| header[field].as_str().map(str::to_owned);
        (text("KEY").unwrap_or_default(), text("VALUE"))
    });
    Ok(Record {
        topic: json["topic"].as_str().ok_or_else(|| anyhow!("a record has no topic"))?.to_owned(),
        key: json["key"].clone(),
        value: json["value"].clone(),
        timestamp: json["timestamp"].as_i64(),
        window: window["start"].as_i64().zip(window["end"].as_i64()),
        headers: headers.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{ // a comment
        "tests": [{
            "name": "copy", "format": ["JSON", "KAFKA"], "config": [true, "off"],
            "properties": {"a": 1, "p": "{CONFIG}"},
            "statements": ["A {FORMAT};", "B;"],
            "inputs": [{"topic": "t", "value": {"n": 1.10}, "timestamp": 5,
                "window": {"start": 1, "end": 2, "type": "time"}, "headers": [{"KEY": "h", "VALUE": null}]}]
        }]}"#;

    #[test]
    fn formats_are_outside_and_settings_inside() {
        let cases = cases_of("f", FILE).unwrap();
        let names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
        let expect = [
            "f - copy - JSON - p=true",
            "f - copy - JSON - p=off",
            "f - copy - KAFKA - p=true",
            "f - copy - KAFKA - p=off",
        ];
        assert_eq!(names, expect);
        assert_eq!(cases[3].statements, ["A KAFKA;", "B;"]);
        assert_eq!(cases[1].properties[1], ("p".to_owned(), Value::from("off")));
    }

    #[test]
    fn records_keep_what_was_written() {
        let case = cases_of("f", FILE).unwrap().remove(0);
        let record = &case.inputs[0];
        assert_eq!((record.window, record.timestamp), (Some((1, 2)), Some(5)));
        assert_eq!(record.headers, [("h".to_owned(), None)]);
        assert_eq!((&record.key, record.value.to_string().as_str()), (&Value::Null, r#"{"n":1.10}"#));
        assert!(case.enabled && !case.is_refusal() && case.outputs.is_empty());
    }
}
