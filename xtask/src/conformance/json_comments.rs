//! Takes comments out of JSON: the cases are written with `//` and `/* */`.

/// Returns the text with comments replaced by blanks; texts in quotes stay.
pub fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['"', '/']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let len = if rest.starts_with('"') {
            let len = quoted_len(rest);
            out.push_str(&rest[..len]);
            len
        } else if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            out.push(' ');
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else {
            out.push('/');
            1
        };
        rest = &rest[len..];
    }
    out.push_str(rest);
    out
}

/// Bytes of the quoted text that `text` begins with.
fn quoted_len(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_go_and_quoted_slashes_stay() {
        assert_eq!(without_comments("{ // a \" b\n\"x//\\\"/*\": 1 /* \" */ }"), "{ \n\"x//\\\"/*\": 1   }");
        assert_eq!(without_comments("1 / 2 // end"), "1 / 2 ");
        assert_eq!(without_comments("/* open"), " ");
    }
}
