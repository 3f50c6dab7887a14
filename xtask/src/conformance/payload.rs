//! Keys and values of cases, which are JSON, to the bytes of a topic and back.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use formats::Properties;
use plan::catalog::Source;
use plan::step::{FormatSpec, WindowInfo};
use serde_json::Value as Json;
use types::{DataType, Value, bytes_from_base64};

use super::case::Record;
use super::compare::Actual;
use super::driver::TopicRecord;
use super::windowed_key::{join_window, split_window};

type Columns = Vec<(Arc<str>, DataType)>;

/// What lies in a topic.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicFormat {
    key_format: FormatSpec,
    key: Columns,
    value_format: FormatSpec,
    value: Columns,
    window: Option<WindowInfo>,
}

impl TopicFormat {
    /// As a stream or table has it.
    pub fn of(source: &Source) -> Self {
        Self {
            key_format: source.key_format.clone(),
            key: source.schema.key().map(|c| (c.name.clone(), c.data_type.clone())).collect(),
            value_format: source.value_format.clone(),
            value: source.schema.value().map(|c| (c.name.clone(), c.data_type.clone())).collect(),
            window: source.window,
        }
    }

    /// The record of a case as it is written to the topic.
    pub fn encode(&self, record: &Record) -> Result<TopicRecord> {
        let mut key = encode(&self.key_format, &self.key, true, &record.key).context("encoding a key")?;
        if let (Some(key), Some(window), Some(bounds)) = (&mut key, self.window, record.window) {
            join_window(key, window, bounds);
        }
        let value =
            encode(&self.value_format, &self.value, false, &record.value).context("encoding a value")?;
        let headers = record.headers.iter().map(|(name, value)| {
            let bytes = match value {
                Some(text) => Some(bytes_from_base64(text).ok_or_else(|| anyhow!("header is not base64"))?),
                None => None,
            };
            Ok((name.clone(), bytes))
        });
        let headers = headers.collect::<Result<_>>()?;
        Ok(TopicRecord { key, value, timestamp: record.timestamp.unwrap_or(0), headers })
    }

    /// A topic's key and its window.
    pub fn decode_key(&self, bytes: Option<&[u8]>) -> Result<(Actual, Option<(i64, i64)>)> {
        let (bytes, window) = match (bytes, self.window) {
            (Some(bytes), Some(window)) => {
                let (key, bounds) =
                    split_window(bytes, window).ok_or_else(|| anyhow!("key has no window"))?;
                (Some(key), Some(bounds))
            }
            (bytes, _) => (bytes, None),
        };
        Ok((decode(&self.key_format, &self.key, true, bytes).context("decoding a key")?, window))
    }

    /// A topic's value.
    pub fn decode_value(&self, bytes: Option<&[u8]>) -> Result<Actual> {
        decode(&self.value_format, &self.value, false, bytes).context("decoding a value")
    }
}

fn encode(
    spec: &FormatSpec,
    columns: &[(Arc<str>, DataType)],
    is_key: bool,
    json: &Json,
) -> Result<Option<Vec<u8>>> {
    if json.is_null() {
        return Ok(None);
    }
    let text = |json: &Json| json.as_str().map_or_else(|| json.to_string(), str::to_owned);
    match (spec.name.as_str(), columns) {
        ("JSON", _) => Ok(Some(json.to_string().into_bytes())),
        ("KAFKA", [(_, data_type)]) => {
            let value = primitive(json, data_type)?;
            let properties = Properties { is_key, ..Properties::default() };
            let mut bytes = Vec::new();
            let serializer = formats::by_name("KAFKA")?.serializer(columns, &properties)?;
            let is_there = serializer.serialize(Some(&[value]), &mut bytes)?;
            Ok(is_there.then_some(bytes))
        }
        _ => Ok(Some(text(json).into_bytes())),
    }
}

/// A value of a type that the KAFKA format has.
fn primitive(json: &Json, data_type: &DataType) -> Result<Value> {
    let number = || {
        json.as_f64().or_else(|| json.as_str()?.parse().ok()).ok_or_else(|| anyhow!("not a number: {json}"))
    };
    let whole = || match json.as_i64() {
        Some(whole) => Ok(whole),
        None => number().map(|n| n as i64),
    };
    Ok(match data_type {
        DataType::Int => Value::Int(whole()? as i32),
        DataType::BigInt => Value::BigInt(whole()?),
        DataType::Double => Value::Double(number()?),
        DataType::String => Value::text(json.as_str().map_or_else(|| json.to_string(), str::to_owned)),
        DataType::Bytes => Value::bytes(json.as_str().unwrap_or_default().as_bytes()),
        other => bail!("the KAFKA format has no {other}"),
    })
}

fn decode(
    spec: &FormatSpec,
    columns: &[(Arc<str>, DataType)],
    is_key: bool,
    bytes: Option<&[u8]>,
) -> Result<Actual> {
    let Some(bytes) = bytes else { return Ok(Actual::Null) };
    match (spec.name.as_str(), columns) {
        ("JSON", _) => Ok(match serde_json::from_slice(bytes)? {
            Json::Null => Actual::Null,
            json => Actual::Json(json),
        }),
        ("KAFKA", [_]) => {
            let properties = Properties { is_key, ..Properties::default() };
            let row =
                formats::by_name("KAFKA")?.deserializer(columns, &properties)?.deserialize(Some(bytes))?;
            Ok(row.and_then(|mut row| row.pop()).map_or(Actual::Null, Actual::Value))
        }
        _ => Ok(Actual::Text(String::from_utf8_lossy(bytes).into_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::compare::{Numbers, is_expected};
    use serde_json::json;

    fn topic(key_format: &str, value_format: &str, window: Option<WindowInfo>) -> TopicFormat {
        let format = |name: &str| FormatSpec { name: name.into(), delimiter: None, wrap_single: None };
        TopicFormat {
            key_format: format(key_format),
            key: vec![("K".into(), DataType::BigInt)],
            value_format: format(value_format),
            value: vec![("V".into(), DataType::String)],
            window,
        }
    }

    #[test]
    fn what_is_written_is_read_back_as_expected() {
        let check = |topic: TopicFormat, key: Json, value: Json, window| {
            let record = Record { key, value, window, ..Record::default() };
            let written = topic.encode(&record).unwrap();
            let (key, bounds) = topic.decode_key(written.key.as_deref()).unwrap();
            let value = topic.decode_value(written.value.as_deref()).unwrap();
            assert!(is_expected(&key, &record.key, Numbers::WithScale), "{key:?}");
            assert!(is_expected(&value, &record.value, Numbers::WithScale), "{value:?}");
            assert_eq!(bounds, window);
        };
        check(topic("KAFKA", "JSON", None), json!(5), json!({"V": "a"}), None);
        check(topic("KAFKA", "DELIMITED", Some(WindowInfo::Session)), json!(5), json!("a,b"), Some((1, 2)));
        check(
            topic("JSON", "KAFKA", Some(WindowInfo::Time { size_ms: 4 })),
            json!(5),
            json!("x"),
            Some((1, 5)),
        );
        check(topic("NONE", "JSON", None), Json::Null, Json::Null, None);
    }
}
