//! PRINT as lines of text, as ksqlDB writes them.
//!
//! Event data is hostile and these lines are read in terminals: control characters are escaped, so that
//! a record is one line and cannot draw.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use engine::{EngineError, PrintedRecord};
use tokio::sync::mpsc;
use types::java_time::format_iso_timestamp;

use crate::backend::Printer;
use crate::state::State;

/// Pieces made ahead of the client.
const PIECES_MAX: usize = 4;

/// How often a quiet topic is asked again.
const ASK_INTERVAL: Duration = Duration::from_millis(50);

/// Starts to print into the channel that is returned; ends when nobody reads it any more.
pub fn print(printer: Box<dyn Printer>, state: Arc<State>) -> mpsc::Receiver<Bytes> {
    let (tx, rx) = mpsc::channel(PIECES_MAX);
    let mut stopping = state.stopping.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = run(printer, &state, &tx) => {}
            _ = stopping.wait_for(|is_stopping| *is_stopping) => {}
            () = tx.closed() => {}
        }
    });
    rx
}

async fn run(printer: Box<dyn Printer>, state: &State, tx: &mpsc::Sender<Bytes>) {
    let mut printer = printer;
    let mut head_is_due = true;
    loop {
        let (back, asked) = match ask(printer, state).await {
            Some(answer) => answer,
            None => return,
        };
        printer = back;
        let mut text = String::new();
        let is_last = match asked {
            Ok(None) => {
                tokio::time::sleep(ASK_INTERVAL).await;
                continue;
            }
            Ok(Some(records)) => {
                // The formats are guessed from records, so they are known now.
                if std::mem::take(&mut head_is_due) {
                    let (key, value) = printer.formats();
                    text.push_str(&format!("Key format: {key}\nValue format: {value}\n"));
                }
                records.iter().for_each(|record| push_record(&mut text, record));
                records.is_empty()
            }
            Err(error) => {
                push_neutral(&mut text, &error.render().replace('\n', " "));
                text.push('\n');
                true
            }
        };
        if tx.send(text.into()).await.is_err() || is_last {
            return;
        }
    }
}

type Asked = (Box<dyn Printer>, Result<Option<Vec<PrintedRecord>>, EngineError>);

/// Reading records may touch the disk: on a blocking thread, without waiting there.
pub async fn ask(mut printer: Box<dyn Printer>, state: &State) -> Option<Asked> {
    let asking = state.call(move |_| {
        let answer = printer.next(Duration::ZERO);
        (printer, answer)
    });
    asking.await.ok()
}

fn push_record(text: &mut String, record: &PrintedRecord) {
    // 2020-05-26T23:59:58.123 as 2020/05/26 23:59:58.123 Z
    let time = format_iso_timestamp(record.timestamp).replacen('-', "/", 2).replacen('T', " ", 1);
    text.push_str(&format!("rowtime: {time} Z, key: "));
    push_neutral(text, record.key.as_deref().unwrap_or("<null>"));
    text.push_str(", value: ");
    push_neutral(text, record.value.as_deref().unwrap_or("<null>"));
    text.push_str(&format!(", partition: {}\n", record.partition));
}

fn push_neutral(text: &mut String, raw: &str) {
    for c in raw.chars() {
        match c {
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => {
                text.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c if c.is_control() => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_is_one_line_whatever_it_holds() {
        let mut text = String::new();
        let record = PrintedRecord {
            timestamp: 0,
            key: None,
            value: Some("a\r\nrowtime: \u{1b}[2J\u{202e}".into()),
            partition: 1,
            offset: 2,
        };
        push_record(&mut text, &record);
        assert_eq!(
            text,
            "rowtime: 1970/01/01 00:00:00.000 Z, key: <null>, value: a\\u000d\\u000arowtime: \\u001b[2J\\u202e, partition: 1\n"
        );
    }
}
