//! The nearest known name to a misspelt one.

/// Names further away than this share nothing with what was meant.
const EDITS_MAX: usize = 3;
/// A name this long that begins a known one counts as one edit: SUBSTR means SUBSTRING, not INSTR.
const PREFIX_BYTES_MIN: usize = 3;

/// Returns the known name with the fewest edits, if they are few.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let edits_max = EDITS_MAX.min(name.len() / 2);
    let distance = |known: &str| {
        let is_prefix = name.len() >= PREFIX_BYTES_MIN && known.starts_with(name);
        if is_prefix { 1 } else { edits(name, known) }
    };
    let (edits, nearest) = known.map(|known| (distance(known), known)).min()?;
    (edits <= edits_max).then_some(nearest)
}

/// The number of letters to insert, delete or replace (Levenshtein's distance, one row at a time).
fn edits(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.bytes().enumerate() {
            let replace = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_name_finds_its_neighbour() {
        let known = ["SUBSTRING", "SUM", "SPLIT", "INSTR"];
        let check = |name, expect| assert_eq!(nearest(name, known.into_iter()), expect, "{name}");
        check("SUBSTR", Some("SUBSTRING"));
        check("SUBSTIRNG", Some("SUBSTRING"));
        check("SPLITT", Some("SPLIT"));
        check("XYZZY", None);
        check("", None);
    }
}
