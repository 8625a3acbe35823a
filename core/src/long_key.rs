//! Texts as keys of maps.

use alloc::string::String;

/// A text that is ordered by a digest of it first: finding one among thousands compares numbers that lie in the map's
/// own nodes, in place of texts that lie all over memory. Who makes digests collide is compared by text, as ever.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LongKey {
    digest: u64,
    text: String,
}

impl LongKey {
    /// Of `text`.
    pub(crate) fn of(text: &str) -> Self {
        Self::from(String::from(text))
    }

    /// The text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

impl From<String> for LongKey {
    fn from(text: String) -> Self {
        Self { digest: digest(text.as_bytes()), text }
    }
}

/// Multiplied and folded, eight octets at a time.
fn digest(bytes: &[u8]) -> u64 {
    // An odd number with half of its bits set, and nothing else about it (2^64 divided by the golden ratio).
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |sum: u64, word: u64| {
        let product = (sum ^ word).wrapping_mul(FACTOR);
        product ^ (product >> 32)
    };
    let (words, rest) = bytes.as_chunks::<8>();
    let sum = words.iter().fold(FACTOR, |sum, word| mix(sum, u64::from_le_bytes(*word)));
    rest.iter().fold(sum, |sum, byte| mix(sum, u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::{BTreeMap, BTreeSet};
    use alloc::format;

    #[test]
    fn each_text_is_its_own_key() {
        let texts = || (0..10_000).map(|n| format!("{n}@192.0.2.{}", n % 256));
        let map: BTreeMap<LongKey, String> = texts().map(|text| (LongKey::of(&text), text)).collect();
        assert!(texts().all(|text| map.get(&LongKey::of(&text)) == Some(&text)));
        assert_eq!(map.keys().map(|key| key.digest).collect::<BTreeSet<_>>().len(), 10_000);
        assert!(map.iter().all(|(key, text)| key.text() == text) && !map.contains_key(&LongKey::of("10000")));
        let twins = ["a", "b"].map(|text| LongKey { digest: 1, text: text.into() });
        assert!(twins[0] < twins[1]);
    }
}
