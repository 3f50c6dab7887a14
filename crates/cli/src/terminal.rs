//! Texts from outside made harmless for a terminal: what is shown cannot move the cursor, hide or reorder text.
//!
//! Shown as `\xNN` or `\u{NNNN}`: C0 and C1 controls and DEL (CWE-150), line separators, and the marks that
//! reorder text (U+202A–E, U+2066–9 and their relatives). Zero-width characters are kept, they write half of the
//! world's languages, but only [`MARKS_MAX`] in a row: more would pile up over other lines.

use std::{borrow::Cow, fmt::Write};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Most zero-width characters in a row that are shown as they are.
const MARKS_MAX: usize = 8;

/// Columns taken when the terminal does not say how many it has.
pub const WIDTH_DEFAULT: usize = 80;

/// Whether a character must not reach a terminal, wherever it stands.
fn is_dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Calls `show` for each character with whether it must be shown as an escape.
fn judge(text: &str, mut show: impl FnMut(char, bool)) {
    let mut marks = 0;
    for c in text.chars() {
        if is_dangerous(c) {
            marks = 0;
            show(c, true);
        } else if c.width() == Some(0) {
            marks += 1;
            show(c, marks > MARKS_MAX);
        } else {
            marks = 0;
            show(c, false);
        }
    }
}

fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

fn push_escape(out: &mut String, c: char) {
    let code = u32::from(c);
    let written = if code < 0x100 { write!(out, "\\x{code:02x}") } else { write!(out, "\\u{{{code:04X}}}") };
    written.expect("writing to memory does not fail");
}

/// Returns the text as it may be shown on one line.
pub fn neutralise(text: &str) -> Cow<'_, str> {
    neutralise_but(text, |_| false)
}

/// Returns the text as it may be shown on several lines: line feeds stay, tabs too.
pub fn neutralise_lines(text: &str) -> Cow<'_, str> {
    neutralise_but(text, |c| matches!(c, '\n' | '\t'))
}

fn neutralise_but(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    judge(text, |c, escape| {
        if escape && !keep(c) {
            push_escape(&mut out, c);
        } else {
            out.push(c);
        }
    });
    Cow::Owned(out)
}

/// Returns JSON with the same meaning in which dangerous characters are written as `\uNNNN`.
///
/// They can only stand inside of strings, where that is allowed; line feeds between members stay.
pub fn neutralise_json(json: &str) -> Cow<'_, str> {
    if is_plain(json) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len() + 16);
    judge(json, |c, escape| {
        if !escape || c == '\n' {
            return out.push(c);
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            write!(out, "\\u{unit:04x}").expect("writing to memory does not fail");
        }
    });
    Cow::Owned(out)
}

/// Returns how many columns a text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// Appends blanks until the last `width` columns written by `text` are filled.
pub fn push_padded(out: &mut String, text: &str, width_min: usize) {
    out.push_str(text);
    let blanks = width_min.saturating_sub(width(text));
    out.extend(std::iter::repeat_n(' ', blanks));
}

/// Cuts a text into pieces of at most `width_max` columns; a wider character stands alone.
pub fn pieces(text: &str, width_max: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut start, mut taken) = (0, 0);
    for (place, c) in text.char_indices() {
        let width = c.width().unwrap_or(0);
        if taken > 0 && taken + width > width_max {
            pieces.push(&text[start..place]);
            (start, taken) = (place, 0);
        }
        taken += width;
    }
    pieces.push(&text[start..]);
    pieces
}

/// Returns how wide the terminal at standard output is: its own word, else `COLUMNS`, else [`WIDTH_DEFAULT`].
pub fn columns() -> usize {
    let told = rustyline::DefaultEditor::new().ok().and_then(|mut editor| editor.dimensions());
    let told = told.map(|(columns, _)| usize::from(columns));
    let set = || std::env::var("COLUMNS").ok()?.parse().ok();
    told.or_else(set).filter(|columns| (10..=10_000).contains(columns)).unwrap_or(WIDTH_DEFAULT)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn controls_links_and_reordering_marks_are_shown_not_obeyed() {
        for (text, shown) in [
            ("plain text", "plain text"),
            ("\x1b]8;;http://x\x07a\r\n", "\\x1b]8;;http://x\\x07a\\x0d\\x0a"),
            ("\x1b]52;c;AAAA\x1b\\", "\\x1b]52;c;AAAA\\x1b\\"),
            ("\u{9b}2J\x7f\0\t", "\\x9b2J\\x7f\\x00\\x09"),
            ("exe.\u{202e}txt\u{2066}", "exe.\\u{202E}txt\\u{2066}"),
            ("e\u{301}é\u{2028}", "e\u{301}é\\u{2028}"),
        ] {
            assert_eq!(neutralise(text), shown);
        }
        assert_eq!(neutralise_lines("a\n\tb\x1b"), "a\n\tb\\x1b");
    }

    #[test]
    fn piled_up_combining_marks_are_cut_at_eight() {
        let shown = neutralise(&format!("a{}", "\u{301}".repeat(10_000))).into_owned();
        assert_eq!(shown.matches('\u{301}').count(), MARKS_MAX);
        assert_eq!(shown.matches("\\u{0301}").count(), 10_000 - MARKS_MAX);
    }

    #[test]
    fn pieces_respect_wide_characters() {
        assert_eq!(pieces("abcdef", 4), ["abcd", "ef"]);
        assert_eq!(pieces("日本語", 4), ["日本", "語"]);
        assert_eq!(pieces("日本", 1), ["日", "本"]);
        assert_eq!(pieces("", 4), [""]);
    }

    proptest! {
        #[test]
        fn nothing_dangerous_is_left(text in any::<String>()) {
            prop_assert!(!neutralise(&text).chars().any(is_dangerous));
            let json = serde_json::to_string(&text).unwrap();
            let safe = neutralise_json(&json);
            prop_assert!(!safe.chars().any(is_dangerous));
            prop_assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), text);
        }

        #[test]
        fn pieces_are_the_whole_text(text in any::<String>(), width_max in 1usize..20) {
            let pieces = pieces(&text, width_max);
            prop_assert_eq!(pieces.concat(), text.clone());
            for piece in pieces {
                prop_assert!(width(piece) <= width_max.max(2) || piece.chars().count() > 1);
            }
        }
    }
}
