//! Rows and keys as bytes in the stores.
//!
//! A row is its time (8 bytes, little endian), then the values as `types::row` writes them. A key is the values, and the
//! window's bounds behind them where there is one; equal keys have equal bytes.

use types::Value;

use crate::error::TaskError;

const TIME_BYTES: usize = 8;

/// Writes a key over what was in `out`.
pub(crate) fn put_key(key: &[Value], window: Option<(i64, i64)>, out: &mut Vec<u8>) {
    out.clear();
    types::row::encode(key, out);
    if let Some((start, end)) = window {
        out.extend_from_slice(&start.to_be_bytes());
        out.extend_from_slice(&end.to_be_bytes());
    }
}

/// A key with its window.
pub(crate) type WindowedKey = (Vec<Value>, Option<(i64, i64)>);

/// Reads what `put_key` wrote.
pub(crate) fn key(bytes: &[u8], is_windowed: bool) -> Result<WindowedKey, TaskError> {
    let mut values = Vec::new();
    let Some((body, bounds)) = bytes.split_last_chunk::<16>().filter(|_| is_windowed) else {
        values_into(bytes, &mut values)?;
        return Ok((values, None));
    };
    values_into(body, &mut values)?;
    let (start, end) = bounds.split_at(8);
    let number = |bytes: &[u8]| bytes.try_into().map(i64::from_be_bytes).unwrap_or_default();
    Ok((values, Some((number(start), number(end)))))
}

/// Writes a row with its time behind what is in `out`.
pub(crate) fn put_row(timestamp: i64, values: &[Value], out: &mut Vec<u8>) {
    out.extend_from_slice(&timestamp.to_le_bytes());
    types::row::encode(values, out);
}

/// Reads a row over what was in `values`; returns its time.
pub(crate) fn row_into(bytes: &[u8], values: &mut Vec<Value>) -> Result<i64, TaskError> {
    let Some((timestamp, row)) = bytes.split_first_chunk::<TIME_BYTES>() else {
        return Err(damaged("row is shorter than its time"));
    };
    values.clear();
    values_into(row, values)?;
    Ok(i64::from_le_bytes(*timestamp))
}

/// Reads values behind what is in `values`.
pub(crate) fn values_into(bytes: &[u8], values: &mut Vec<Value>) -> Result<(), TaskError> {
    types::row::decode_into(bytes, values).map_err(damaged)
}

pub(crate) fn damaged(cause: impl ToString) -> TaskError {
    TaskError::Damaged { cause: cause.to_string() }
}
