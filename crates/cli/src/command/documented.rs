//! The documentation and the command line agree: what is shown there is taken, and every option is told of.

use std::path::{Path, PathBuf};

use clap::{CommandFactory, Parser};

use super::CommandLine;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// README.md and all pages below `docs`: name and text.
fn pages() -> Vec<(String, String)> {
    let mut paths = vec![root().join("README.md"), root().join("docs")];
    let mut pages = Vec::new();
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            paths.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "md") {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            pages.push((name, std::fs::read_to_string(path).unwrap()));
        }
    }
    pages
}

/// The lines of a page that are typed into a shell, those that end in a backslash with the next one.
fn shell_lines(page: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut block = None;
    let mut goes_on = false;
    for line in page.lines().map(str::trim) {
        if let Some(kind) = line.strip_prefix("```") {
            block = if block.is_some() { None } else { Some(kind) };
            continue;
        }
        let typed = match block {
            Some("sh") => line,
            Some("console") => line.strip_prefix("$ ").unwrap_or_default(),
            _ => continue,
        };
        let text = typed.strip_suffix('\\').unwrap_or(typed);
        match lines.last_mut().filter(|_| goes_on) {
            Some(last) => last.push_str(text),
            None => lines.push(text.to_owned()),
        }
        goes_on = text.len() < typed.len();
    }
    lines
}

/// The commands of a line, each in words: pipes part them, redirections and comments end them.
fn commands(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let (mut word, mut quote) = (None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ' | '|' | '#' | '<' | '>') if c != '#' || word.is_none() => {
                commands.last_mut().unwrap().extend(word.take());
                match c {
                    '|' => commands.push(Vec::new()),
                    '#' | '<' | '>' => return commands,
                    _ => {}
                }
            }
            _ => word.get_or_insert_default().push(c),
        }
    }
    commands.last_mut().unwrap().extend(word);
    commands
}

#[test]
fn every_command_line_of_the_documentation_is_taken() {
    let (mut taken, mut faults) = (0, Vec::new());
    for (page, text) in pages() {
        for line in shell_lines(&text) {
            for words in commands(&line) {
                if words.first().is_none_or(|word| word != "tripline") {
                    continue;
                }
                match CommandLine::try_parse_from(&words) {
                    Ok(_) => taken += 1,
                    Err(error) => faults.push(format!("{page}: {line}\n{error}")),
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(taken > 25, "only {taken} command lines");
}

#[test]
fn every_option_is_on_a_page() {
    let text: String = pages().into_iter().map(|(_, text)| text).collect();
    let mut untold = Vec::new();
    let mut open = vec![("tripline".to_owned(), CommandLine::command())];
    while let Some((name, command)) = open.pop() {
        let options = command.get_arguments().filter(|option| !option.is_hide_set());
        for long in options.filter_map(|option| option.get_long()) {
            if !text.contains(&format!("--{long}")) {
                untold.push(format!("{name} --{long}"));
            }
        }
        open.extend(command.get_subcommands().map(|sub| (format!("{name} {}", sub.get_name()), sub.clone())));
    }
    assert!(untold.is_empty(), "no page tells of {}", untold.join(", "));
}
