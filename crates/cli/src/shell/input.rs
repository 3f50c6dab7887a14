//! Lines as typed or pasted, put together to statements.
//!
//! A statement goes on until its `;`. Copied out of a tutorial it may carry the prompt (`ksql> `, `>`) and a
//! backslash at the end of each line: both are taken away. The `>` is only taken for a prompt when it cannot be
//! the operator.

use sql::{StatementText, split};

/// Longest statement that is gathered.
pub const STATEMENT_BYTES_MAX: usize = 8 << 20;

/// Clauses begin with these: a `>` in front of them is the continuation prompt.
const CLAUSE_WORDS: [&str; 24] = [
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP",
    "HAVING",
    "WINDOW",
    "WITH",
    "PARTITION",
    "JOIN",
    "INNER",
    "LEFT",
    "RIGHT",
    "FULL",
    "OUTER",
    "ON",
    "EMIT",
    "LIMIT",
    "AS",
    "WITHIN",
    "AND",
    "OR",
    "CREATE",
    "INSERT",
    "GRACE",
];

/// Short words for the beginnings of statements, as ksqlDB's shell has them.
const EXPANSIONS: [(&str, &str); 5] = [
    ("cs", "CREATE STREAM"),
    ("ct", "CREATE TABLE"),
    ("csas", "CREATE STREAM"),
    ("ctas", "CREATE TABLE"),
    ("ii", "INSERT INTO"),
];

/// Returns what a short word stands for.
pub fn expansion(word: &str) -> Option<&'static str> {
    EXPANSIONS.iter().find(|(short, _)| short.eq_ignore_ascii_case(word)).map(|(_, long)| *long)
}

/// Writes out a short word that begins a statement: `csas A * FROM B` is `CREATE STREAM A AS SELECT * FROM B`.
pub fn expand(statement: &str) -> String {
    let (word, rest) = statement.split_once(char::is_whitespace).unwrap_or((statement, ""));
    let Some(long) = expansion(word) else { return statement.to_owned() };
    if !word.to_ascii_lowercase().ends_with("as") {
        return format!("{long} {rest}");
    }
    let rest = rest.trim_start();
    let (name, query) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let next = query.split_whitespace().next().unwrap_or("");
    if next.is_empty() || next.eq_ignore_ascii_case("AS") || next.to_ascii_uppercase().starts_with("WITH") {
        return format!("{long} {rest}");
    }
    let select = if next.eq_ignore_ascii_case("SELECT") { "AS" } else { "AS SELECT" };
    format!("{long} {name} {select} {query}")
}

/// What is typed but not yet run.
#[derive(Default)]
pub struct Input {
    pending: String,
    /// The statement's first line carried a prompt.
    has_prompt: bool,
    /// The last line ended with a backslash.
    goes_on: bool,
}

impl Input {
    /// Tells whether a statement has begun.
    pub fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Forgets what was begun.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Returns the line without pasted prompts.
    pub fn strip_prompt<'a>(&mut self, line: &'a str) -> &'a str {
        let mut text = line;
        while let Some(rest) = text.trim_start().strip_prefix("ksql>") {
            self.has_prompt = true;
            text = rest.strip_prefix(' ').unwrap_or(rest);
        }
        if self.is_pending()
            && let Some(rest) = text.strip_prefix('>')
            && (self.has_prompt || self.goes_on || begins_clause(rest))
        {
            return rest;
        }
        text
    }

    /// Takes a line and returns the statements that are now complete.
    pub fn feed(&mut self, line: &str) -> Vec<StatementText> {
        let mut line = self.strip_prompt(line).trim_end();
        self.goes_on = line.ends_with('\\');
        line = line.strip_suffix('\\').unwrap_or(line);
        if self.pending.is_empty() && line.trim().is_empty() {
            self.clear();
            return Vec::new();
        }
        self.pending.push_str(line);
        self.pending.push('\n');
        let is_too_long = self.pending.len() > STATEMENT_BYTES_MAX;
        // Cutting anew for every line would be quadratic in a long paste.
        if !line.contains(';') && !is_too_long && !self.is_comment() {
            return Vec::new();
        }
        let (statements, rest) = split(&self.pending);
        match rest {
            Some(mut rest) if !is_too_long => {
                if !rest.ends_with('\n') {
                    rest.push('\n');
                }
                self.pending = rest;
            }
            _ => self.clear(),
        }
        statements
    }

    /// Returns what stands at the end of a script, which needs no `;`.
    pub fn finish(&mut self) -> Option<StatementText> {
        self.pending.push_str("\n;");
        let (mut statements, _) = split(&self.pending);
        self.clear();
        statements.pop()
    }

    /// Tells whether nothing but a comment was typed so far.
    fn is_comment(&self) -> bool {
        let text = self.pending.trim_start();
        text.starts_with("--") || text.starts_with("/*")
    }
}

fn begins_clause(text: &str) -> bool {
    let word = text.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or("");
    CLAUSE_WORDS.iter().any(|clause| clause.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(lines: &[&str], expect: &[&str]) {
        let mut input = Input::default();
        let found: Vec<String> =
            lines.iter().flat_map(|line| input.feed(line)).map(|statement| statement.text).collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn statement_goes_on_until_its_semicolon() {
        check(&["SELECT 1", "FROM a; LIST", "STREAMS;"], &["SELECT 1\nFROM a", "LIST\nSTREAMS"]);
        check(&["SELECT ';", "';"], &["SELECT ';\n'"]);
        check(&["-- only this", "SHOW TOPICS;"], &["SHOW TOPICS"]);
    }

    #[test]
    fn pasted_prompts_and_backslashes_are_taken_away() {
        check(
            &["ksql> CREATE STREAM A AS \\", ">SELECT * FROM B", "> WHERE x;"],
            &["CREATE STREAM A AS \nSELECT * FROM B\n WHERE x"],
        );
        check(&["CREATE STREAM A AS", ">SELECT * FROM B;"], &["CREATE STREAM A AS\nSELECT * FROM B"]);
        check(&["ksql> ", "ksql> SHOW TOPICS;"], &["SHOW TOPICS"]);
    }

    #[test]
    fn greater_than_at_the_start_of_a_line_stays_an_operator() {
        check(&["SELECT * FROM a WHERE b", "> 5;"], &["SELECT * FROM a WHERE b\n> 5"]);
        check(&["SELECT * FROM a WHERE b", ">c;"], &["SELECT * FROM a WHERE b\n>c"]);
    }

    #[test]
    fn last_statement_of_a_script_needs_no_semicolon() {
        let mut input = Input::default();
        assert!(input.feed("SHOW TOPICS").is_empty());
        assert_eq!(input.finish().unwrap().text, "SHOW TOPICS");
        assert_eq!(input.finish(), None);
    }

    #[test]
    fn endless_statement_is_given_up() {
        let mut input = Input::default();
        let line = "x".repeat(1 << 20);
        for _ in 0..20 {
            input.feed(&line);
            assert!(input.pending.len() <= STATEMENT_BYTES_MAX + line.len());
        }
    }

    #[test]
    fn short_words_are_written_out() {
        for (short, long) in [
            ("cs A (x INT) WITH (y='z')", "CREATE STREAM A (x INT) WITH (y='z')"),
            ("CT A", "CREATE TABLE A"),
            ("csas A * FROM B", "CREATE STREAM A AS SELECT * FROM B"),
            ("csas A AS SELECT * FROM B", "CREATE STREAM A AS SELECT * FROM B"),
            ("ctas A SELECT * FROM B", "CREATE TABLE A AS SELECT * FROM B"),
            ("ii A VALUES (1)", "INSERT INTO A VALUES (1)"),
            ("select 1", "select 1"),
        ] {
            assert_eq!(expand(short), long);
        }
    }
}
