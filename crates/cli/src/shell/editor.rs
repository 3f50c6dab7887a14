//! The shell at a terminal: line editing, history file, completion.

use std::{cell::RefCell, path::PathBuf};

use anyhow::{Context as _, Result};
use rustyline::{
    CompletionType, Config, Context, Editor, completion::Completer, error::ReadlineError,
    highlight::Highlighter, hint::Hinter, history::FileHistory, validate::Validator,
};
use tokio::runtime::Runtime;

use super::{Flow, Shell, input::expansion};
use crate::http::Client;

/// Lines kept in the history file.
const HISTORY_LINES_MAX: usize = 10_000;
/// Names taken for completion.
const NAMES_MAX: usize = 20_000;
/// How long the server may take to tell its names before Tab goes on without them.
const NAMES_TIMEOUT: std::time::Duration = std::time::Duration::from_millis(500);

/// Returns where the history is kept unless told otherwise.
pub fn history_path() -> Option<PathBuf> {
    let data = std::env::var_os("XDG_DATA_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    let data = data.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/share")))?;
    Some(data.join("tripline/history"))
}

/// Reads lines at the terminal until the shell is left.
pub fn interact(shell: &mut Shell, runtime: &Runtime, history: Option<PathBuf>) -> Result<()> {
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .history_ignore_space(true)
        .max_history_size(HISTORY_LINES_MAX)
        .context("cannot set up the history")?
        .build();
    let mut editor: Editor<Words, FileHistory> =
        Editor::with_config(config).context("cannot use the terminal")?;
    editor.set_helper(Some(Words::default()));
    if let Some(path) = &history {
        if let Some(folder) = path.parent() {
            let _ = std::fs::create_dir_all(folder);
        }
        // A first start has none.
        let _ = editor.load_history(path);
    }
    runtime.block_on(shell.greet())?;
    shell.output.flush()?;
    loop {
        let names = runtime.block_on(names(shell));
        if let Some(words) = editor.helper_mut() {
            words.names.replace(names);
        }
        if let Some((columns, _)) = editor.dimensions() {
            shell.output.width = usize::from(columns).max(10);
        }
        match editor.readline(shell.prompt()) {
            Ok(line) => {
                if !line.trim().is_empty() {
                    let _ = editor.add_history_entry(line.trim_end());
                }
                for part in line.lines() {
                    let flow = runtime.block_on(shell.feed(part))?;
                    shell.output.flush()?;
                    if flow == Flow::Exit {
                        save(&mut editor, &history);
                        return Ok(());
                    }
                }
            }
            Err(ReadlineError::Interrupted) => shell.abandon(),
            Err(ReadlineError::Eof) => {
                save(&mut editor, &history);
                return shell.output.print("Exiting Tripline.\n");
            }
            Err(error) => {
                save(&mut editor, &history);
                return Err(error).context("cannot read from the terminal");
            }
        }
    }
}

/// History is a convenience: a full disk does not end the shell.
fn save(editor: &mut Editor<Words, FileHistory>, path: &Option<PathBuf>) {
    if let Some(path) = path
        && let Err(error) = editor.save_history(path)
    {
        tracing::warn!(path = %path.display(), %error, "history not saved");
    }
}

async fn names(shell: &mut Shell) -> Vec<String> {
    if shell.input.is_pending() {
        return Vec::new();
    }
    let mut client = Client::new(shell.client.endpoint().clone());
    let asked = async { client.get("/api/v1/names").await?.checked().await?.json().await };
    match tokio::time::timeout(NAMES_TIMEOUT, asked).await {
        Ok(Ok(answer)) => {
            let names = answer["names"].as_array().map_or(&[][..], Vec::as_slice);
            let is_plain = |name: &&str| name.chars().all(|c| c.is_ascii_graphic());
            names
                .iter()
                .filter_map(|name| name.as_str())
                .filter(is_plain)
                .take(NAMES_MAX)
                .map(str::to_owned)
                .collect()
        }
        _ => Vec::new(),
    }
}

/// Words that Tab completes.
#[derive(Default)]
struct Words {
    names: RefCell<Vec<String>>,
}

/// Returns where the word before the cursor begins, and what it may become.
fn candidates(line: &str, names: &[String]) -> (usize, Vec<String>) {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '@');
    let start = line
        .char_indices()
        .rev()
        .take_while(|(_, c)| is_word(*c))
        .last()
        .map_or(line.len(), |(place, _)| place);
    let word = &line[start..];
    if word.is_empty() {
        return (start, Vec::new());
    }
    if line[..start].trim().is_empty()
        && let Some(long) = expansion(word)
    {
        return (start, vec![format!("{long} ")]);
    }
    let begins =
        |candidate: &&str| candidate.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word));
    let mut found: Vec<String> = names.iter().map(String::as_str).filter(begins).map(str::to_owned).collect();
    let is_quoted = line[..start].ends_with(['\'', '"', '`']);
    if !is_quoted {
        let is_lower = word.chars().all(|c| !c.is_ascii_uppercase());
        let keyword =
            |keyword: &str| if is_lower { keyword.to_ascii_lowercase() } else { keyword.to_owned() };
        found.extend(sql::KEYWORDS.iter().copied().filter(begins).map(keyword));
    }
    found.sort();
    found.dedup();
    (start, found)
}

impl Completer for Words {
    type Candidate = String;

    fn complete(&self, line: &str, place: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(candidates(&line[..place], &self.names.borrow()))
    }
}

impl Hinter for Words {
    type Hint = String;
}

impl Highlighter for Words {}
impl Validator for Words {}
impl rustyline::Helper for Words {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_names_and_short_words_are_completed() {
        let names = ["CONN_STREAM".to_owned(), "conn".to_owned(), "id.orig_h".to_owned()];
        let check = |line: &str, start: usize, expect: &[&str]| {
            assert_eq!(
                candidates(line, &names),
                (start, expect.iter().map(|c| (*c).to_owned()).collect()),
                "{line}"
            );
        };
        check("sel", 0, &["select"]);
        check("SELECT * FROM CONN", 14, &["CONNECTOR", "CONNECTORS", "CONN_STREAM", "conn"]);
        check("PRINT 'co", 7, &["CONN_STREAM", "conn"]);
        check("select \"id.o", 8, &["id.orig_h"]);
        check("csas", 0, &["CREATE STREAM "]);
        check("SELECT ", 7, &[]);
        check("日本", 0, &[]);
    }
}
