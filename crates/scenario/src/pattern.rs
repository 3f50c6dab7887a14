//! A part of a message, in which `…` (or `...`) stands for anything.

/// Whether the message has the pattern's parts in their order.
pub(crate) fn matches(pattern: &str, message: &str) -> bool {
    let pattern = pattern.replace("...", "…");
    let mut rest = message;
    for part in pattern.split('…') {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn parts_are_found_in_their_order() {
        let message = "column \"USR\" cannot be resolved";
        assert!(matches("column … cannot be", message));
        assert!(matches("cannot be", message));
        assert!(matches("column ... resolved", message));
        assert!(!matches("resolved…column", message));
    }
}
