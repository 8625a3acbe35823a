//! SDP as it would be without SRTP. What a capture of a recording holds is plain; where its SDP went on promising SRTP, Wireshark
//! would take the last octets of each packet for an authentication tag and play nothing.

use std::borrow::Cow;

/// Profiles with SRTP and those without (RFC 3711, RFC 5124, RFC 5764).
const PROFILES: [(&str, &str); 4] = [
    (" UDP/TLS/RTP/SAVPF ", " RTP/AVPF "),
    (" UDP/TLS/RTP/SAVP ", " RTP/AVP "),
    (" RTP/SAVPF ", " RTP/AVPF "),
    (" RTP/SAVP ", " RTP/AVP "),
];
/// A key's line keeps its place, under a name that nobody reads.
const KEY: &str = "a=crypto:";
const KEY_WAS: &str = "a=x-crypto:";

/// The message with its SDP's profiles changed to those without SRTP, and its Content-Length with them.
pub(super) fn without_srtp(message: &[u8]) -> Cow<'_, [u8]> {
    const END: &[u8] = b"\r\n\r\n";
    let as_it_is = Cow::Borrowed(message);
    let Some(head_ends) = message.windows(END.len()).position(|window| window == END) else { return as_it_is };
    let (head, body) = message.split_at(head_ends + END.len());
    let (Ok(head), Ok(body)) = (std::str::from_utf8(head), std::str::from_utf8(body)) else { return as_it_is };
    let changed: String = body.split_inclusive('\n').map(line).collect();
    if changed == body {
        return as_it_is;
    }
    let mut plain: String = head.split_inclusive('\n').map(|field| length(field, body.len(), changed.len())).collect();
    plain.push_str(&changed);
    Cow::Owned(plain.into_bytes())
}

fn line(line: &str) -> Cow<'_, str> {
    if let Some(key) = line.strip_prefix(KEY) {
        return format!("{KEY_WAS}{key}").into();
    }
    let profile = PROFILES.iter().find(|(secure, _)| line.starts_with("m=") && line.contains(secure));
    profile.map_or(line.into(), |(secure, plain)| line.replacen(secure, plain, 1).into())
}

/// A Content-Length that told how long the body was tells how long it is.
fn length(field: &str, was: usize, is: usize) -> Cow<'_, str> {
    let Some((name, value)) = field.split_once(':') else { return field.into() };
    let named = ["Content-Length", "l"].iter().any(|known| name.trim().eq_ignore_ascii_case(known));
    if named && value.trim().parse() == Ok(was) { format!("{name}: {is}\r\n").into() } else { field.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_and_keys_are_changed_and_nothing_else() {
        let sdp = |profile: &str, key: &str| {
            format!(
                "v=0\r\ns=RTP/SAVP \r\nm=audio 4000 {profile} 8 0\r\n{key}:1 AES_CM_128_HMAC_SHA1_80 inline:xxxx\r\n"
            )
        };
        for (secure, plain) in [("RTP/SAVP", "RTP/AVP"), ("UDP/TLS/RTP/SAVPF", "RTP/AVPF")] {
            let (before, after) = (sdp(secure, "a=crypto"), sdp(plain, "a=x-crypto"));
            let message =
                |body: &str, name| format!("SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\n{name}: {}\r\n\r\n{body}", body.len());
            for name in ["Content-Length", "l"] {
                let got = without_srtp(message(&before, name).as_bytes()).into_owned();
                assert_eq!(String::from_utf8(got).unwrap(), message(&after, name));
            }
        }
        let plain = sdp("RTP/AVP", "a=label");
        let message = format!("BYE sip:a@b SIP/2.0\r\nContent-Length: {}\r\n\r\n{plain}", plain.len());
        assert!(matches!(without_srtp(message.as_bytes()), Cow::Borrowed(_)));
        assert!(matches!(without_srtp(b"\r\n\r\n\xff m=audio 1 RTP/SAVP 0"), Cow::Borrowed(_)));
        assert!(matches!(without_srtp(b""), Cow::Borrowed(_)));
    }
}
