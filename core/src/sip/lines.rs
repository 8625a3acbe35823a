//! Where lines end.

/// The place of the first line feed.
pub(crate) fn line_feed(bytes: &[u8]) -> Option<usize> {
    memchr::memchr(b'\n', bytes)
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
