//! The nearest known name to one that is not known.

/// `: did you mean `x`?` for the nearest of `known`, or nothing where none is near.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    nearest(name, known).map_or_else(String::new, |near| format!(": did you mean `{near}`?"))
}

/// The one of `known` that takes the fewest edits, if those are few for its length. A dotted key is compared by its
/// last part too, so that a key in the wrong section is found.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    known
        .map(|key| {
            let whole = distance(&name.to_ascii_lowercase(), &key.to_ascii_lowercase());
            let moved = distance(&last(name), &last(key)) * 2 + 1;
            (whole.min(moved), key)
        })
        .min_by_key(|(edits, _)| *edits)
        .filter(|(edits, key)| *edits <= key.len().min(name.len()) / 3 + 1)
        .map(|(_, key)| key)
}

/// Levenshtein's distance: insertions, deletions and substitutions, one each.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (to, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let above = *cell;
            left = (left + 1).min(above + 1).min(diagonal + usize::from(from != *to));
            diagonal = above;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_levenshteins() {
        for (a, b, edits) in [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("abc", "abc", 0), ("ab", "ba", 2)]
        {
            assert_eq!(distance(a, b), edits, "{a} {b}");
        }
    }

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let known = ["server.address", "server.max_connections", "media.port_range"];
        let near = |name| nearest(name, known.into_iter());
        assert_eq!(near("server.adress"), Some("server.address"));
        assert_eq!(near("media.address"), Some("server.address"));
        assert_eq!(near("portrange"), Some("media.port_range"));
        assert_eq!(near("colour"), None);
    }
}
