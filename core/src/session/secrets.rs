//! Blanking secrets in a message that is kept, at equal length, so that every offset stays true.

use alloc::vec::Vec;

/// Overwrites SDES keys (`inline:`, RFC 4568) and credentials (`Authorization`, `Proxy-Authorization`) with `x`.
#[must_use]
pub fn blank_secrets(message: &[u8]) -> Vec<u8> {
    let mut out = message.to_vec();
    let mut start = 0;
    while start < out.len() {
        let end = out[start..].iter().position(|&b| b == b'\n').map_or(out.len(), |i| start + i);
        blank_line(&mut out[start..end]);
        start = end + 1;
    }
    out
}

fn blank_line(line: &mut [u8]) {
    const CREDENTIALS: [&[u8]; 2] = [b"authorization:", b"proxy-authorization:"];
    if let Some(name) = CREDENTIALS.iter().find(|name| starts_with(line, name)) {
        // The scheme stays readable: `Digest xxxx`.
        let scheme_end = name.len() + line[name.len()..].iter().take_while(|b| **b == b' ').count();
        let scheme_end = scheme_end + line[scheme_end..].iter().take_while(|b| b.is_ascii_alphabetic()).count();
        blank(&mut line[scheme_end..], |b| b == b'\r' || b == b' ');
        return;
    }
    if starts_with(line, b"a=crypto") || starts_with(line, b"k=") {
        const INLINE: &[u8] = b"inline:";
        let mut from = 0;
        while let Some(i) = line[from..].windows(INLINE.len()).position(|w| w.eq_ignore_ascii_case(INLINE)) {
            let key = from + i + INLINE.len();
            let end = line[key..].iter().position(|b| b"|; \r".contains(b)).map_or(line.len(), |e| key + e);
            blank(&mut line[key..end], |_| false);
            from = end;
        }
        if starts_with(line, b"k=") {
            blank(&mut line[2..], |b| b == b'\r');
        }
    }
}

fn starts_with(line: &[u8], lower: &[u8]) -> bool {
    line.get(..lower.len()).is_some_and(|start| start.eq_ignore_ascii_case(lower))
}

fn blank(bytes: &mut [u8], keep: impl Fn(u8) -> bool) {
    for byte in bytes {
        if !keep(*byte) {
            *byte = b'x';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_blanked_and_nothing_moves() {
        let sdp = b"v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZi|2^20|1:4 inline:AA==\r\na=label:1\r\n";
        let out = blank_secrets(sdp);
        assert_eq!(out.len(), sdp.len());
        let text = core::str::from_utf8(&out).unwrap();
        assert!(text.contains("AES_CM_128_HMAC_SHA1_80 inline:xxxxxxxxxxxxxxxxxxxx|2^20|1:4 inline:xxxx\r\na=label:1"));
    }

    #[test]
    fn credentials_are_blanked() {
        let out = blank_secrets(b"INVITE sip:a SIP/2.0\r\nAuthorization: Digest username=\"u\"\r\nTo: b\r\n");
        assert_eq!(out, b"INVITE sip:a SIP/2.0\r\nAuthorization: Digest xxxxxxxxxxxx\r\nTo: b\r\n");
        assert_eq!(blank_secrets(b"inline:not a crypto line"), b"inline:not a crypto line");
        assert_eq!(blank_secrets(b"Authorization:"), b"Authorization:");
    }
}
