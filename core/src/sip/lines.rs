//! Where lines end: eight bytes at a time, because every byte that arrives is looked at for it, some more than once.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The place of the first line feed.
pub(crate) fn line_feed(bytes: &[u8]) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<8>();
    for (place, word) in words.iter().enumerate() {
        // A byte of `word` that is a line feed is zero here; the lowest zero byte is the lowest that borrows.
        let bits = u64::from_le_bytes(*word) ^ (ONES * u64::from(b'\n'));
        let found = bits.wrapping_sub(ONES) & !bits & HIGHS;
        if found != 0 {
            return Some(place * 8 + usize::try_from(found.trailing_zeros() / 8).unwrap_or(0));
        }
    }
    let start = bytes.len() - rest.len();
    rest.iter().position(|byte| *byte == b'\n').map(|at| start + at)
}

/// The lines of `bytes` without their line feeds; the last is what follows the last one.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(bytes);
    core::iter::from_fn(move || {
        let bytes = rest?;
        let Some(end) = line_feed(bytes) else {
            rest = None;
            return Some(bytes);
        };
        rest = bytes.get(end + 1..);
        bytes.get(..end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_where_a_plain_search_finds_it(bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(0x0b), Just(0x8a), Just(0), any::<u8>()], 0..40)) {
            prop_assert_eq!(line_feed(&bytes), bytes.iter().position(|byte| *byte == b'\n'));
            let plain: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
            prop_assert_eq!(lines(&bytes).collect::<Vec<_>>(), plain);
        }
    }
}
