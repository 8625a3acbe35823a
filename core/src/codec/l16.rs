//! L16 (RFC 3551 4.5.11): uncompressed 16-bit samples in network byte order.

use alloc::vec::Vec;

/// Appends the samples of a payload; an odd last byte is left out.
pub(super) fn decode(payload: &[u8], out: &mut Vec<i16>) {
    out.extend(samples(payload));
}

/// The samples of a payload, in its order.
pub(super) fn samples(payload: &[u8]) -> impl Iterator<Item = i16> {
    payload.chunks_exact(2).map(|pair| i16::from_be_bytes([pair[0], pair[1]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_big_endian() {
        let mut out = Vec::new();
        decode(&[0x00, 0x01, 0xff, 0xfe, 0x7f, 0xff, 0x80, 0x00, 0x55], &mut out);
        assert_eq!(out, [1, -2, i16::MAX, i16::MIN]);
    }
}
