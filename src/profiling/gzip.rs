//! One gzip member (RFC 1952).

use miniz_oxide::deflate::compress_to_vec;

/// Deflate, no name and no time, no flags of the compressor's, from Unix.
const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
const LEVEL: u8 = 6;

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len() % (1 << 32)).unwrap_or(0);
    [&HEAD[..], &compress_to_vec(bytes, LEVEL), &crc32fast::hash(bytes).to_le_bytes(), &length.to_le_bytes()].concat()
}
