//! What payload types and encoding names mean: the static table of RFC 3551 section 6, and the names we know.

use alloc::borrow::Cow;
use alloc::string::ToString;

use super::Format;

/// (payload type, encoding, clock rate, channels). 2 is RFC 1890's G721, which SBCs still offer.
const STATIC: &[(u8, &str, u32, u8)] = &[
    (0, "PCMU", 8000, 1),
    (2, "G721", 8000, 1),
    (3, "GSM", 8000, 1),
    (4, "G723", 8000, 1),
    (5, "DVI4", 8000, 1),
    (6, "DVI4", 16_000, 1),
    (7, "LPC", 8000, 1),
    (8, "PCMA", 8000, 1),
    // Sampled at 16 kHz; its RTP clock is 8000 by an old error (RFC 3551 4.5.2).
    (9, "G722", 8000, 1),
    (10, "L16", 44_100, 2),
    (11, "L16", 44_100, 1),
    (12, "QCELP", 8000, 1),
    (13, "CN", 8000, 1),
    (14, "MPA", 90_000, 1),
    (15, "G728", 8000, 1),
    (16, "DVI4", 11_025, 1),
    (17, "DVI4", 22_050, 1),
    (18, "G729", 8000, 1),
    // Comfort noise before RFC 3389 gave it 13.
    (19, "CN", 8000, 1),
    (25, "CelB", 90_000, 1),
    (26, "JPEG", 90_000, 1),
    (28, "nv", 90_000, 1),
    (31, "H261", 90_000, 1),
    (32, "MPV", 90_000, 1),
    (33, "MP2T", 90_000, 1),
    (34, "H263", 90_000, 1),
];

/// Audio encodings that can be named in a proof sheet, whether or not we decode them.
const AUDIO: &[&str] = &[
    "PCMU",
    "PCMA",
    "G721",
    "G722",
    "G7221",
    "G7291",
    "G723",
    "G726-16",
    "G726-24",
    "G726-32",
    "G726-40",
    "AAL2-G726-16",
    "AAL2-G726-24",
    "AAL2-G726-32",
    "AAL2-G726-40",
    "G728",
    "G729",
    "G729D",
    "G729E",
    "G711-0",
    "G719",
    "GSM",
    "GSM-EFR",
    "GSM-HR-08",
    "iLBC",
    "opus",
    "speex",
    "SILK",
    "iSAC",
    "AMR",
    "AMR-WB",
    "AMR-WB+",
    "EVS",
    "EVRC",
    "EVRC0",
    "EVRC1",
    "EVRCB",
    "EVRCB0",
    "EVRCB1",
    "EVRCWB",
    "EVRCWB0",
    "EVRCWB1",
    "EVRCNW",
    "EVRCNW0",
    "EVRCNW1",
    "SMV",
    "SMV0",
    "VMR-WB",
    "L8",
    "L16",
    "L20",
    "L24",
    "DVI4",
    "VDVI",
    "LPC",
    "QCELP",
    "MPA",
    "mpa-robust",
    "MP4A-LATM",
    "mpeg4-generic",
    "PCMU-WB",
    "PCMA-WB",
    "BV16",
    "BV32",
    "UEMCLIP",
    "G726",
    "CLEARMODE",
    "X-CCD",
    "MELP",
    "MELP600",
    "MELP1200",
    "MELP2400",
    "TSVCIS",
    "Scip",
];

/// What goes beside a codec and is nothing without one.
const SUPPLEMENTARY: &[&str] = &["telephone-event", "tone", "CN", "red", "parityfec", "ulpfec", "flexfec"];

/// Other names whose spelling we set right.
const OTHER: &[&str] = &["H261", "H263", "H264", "VP8", "VP9", "AV1", "t140", "rtx", "rtp-midi"];

/// The format of a static payload type (RFC 3551 section 6).
pub fn static_format(payload_type: u8) -> Option<Format> {
    let (_, encoding, clock_rate, channels) = STATIC.iter().find(|row| row.0 == payload_type)?;
    Some(Format {
        payload_type,
        encoding: Cow::Borrowed(encoding),
        clock_rate: *clock_rate,
        channels: *channels,
        fmtp: None,
    })
}

/// The static payload type of an encoding, if it has one.
pub(super) fn static_payload_type(encoding: &str) -> Option<u8> {
    STATIC.iter().find(|row| row.1.eq_ignore_ascii_case(encoding)).map(|row| row.0)
}

/// An encoding name in its registered spelling; an unknown one is left as it is. Names are case-insensitive
/// (RFC 4855 section 3).
pub fn canonical_encoding(name: &str) -> Cow<'static, str> {
    let mut known = AUDIO.iter().chain(SUPPLEMENTARY).chain(OTHER);
    known
        .find(|k| k.eq_ignore_ascii_case(name))
        .map_or_else(|| Cow::Owned(name.to_string()), |known| Cow::Borrowed(*known))
}

/// Whether we can name what is in such packets. Media subtypes under `x-` never can be.
pub fn is_known_audio(encoding: &str) -> bool {
    AUDIO.iter().any(|known| known.eq_ignore_ascii_case(encoding))
}

/// Whether it goes beside a codec: DTMF, comfort noise, redundancy.
pub fn is_supplementary(encoding: &str) -> bool {
    SUPPLEMENTARY.iter().any(|known| known.eq_ignore_ascii_case(encoding))
}

/// Whether `encoding` is meant by a policy's `name`; `G.711` means both laws, dots are optional.
pub(super) fn matches_policy(name: &str, encoding: &str) -> bool {
    let is = |other: &str| {
        let plain = name.bytes().filter(|byte| *byte != b'.').map(|byte| byte.to_ascii_lowercase());
        plain.eq(other.bytes().map(|byte| byte.to_ascii_lowercase()))
    };
    is(encoding) || (is("G711") && ["PCMU", "PCMA"].iter().any(|law| encoding.eq_ignore_ascii_case(law)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn static_types_keep_their_odd_clocks() {
        assert_eq!(static_format(9).map(|f| (f.encoding, f.clock_rate)), Some(("G722".into(), 8000)));
        assert_eq!(static_format(10).map(|f| f.channels), Some(2));
        assert_eq!(static_format(2).map(|f| f.encoding), Some("G721".into()));
        assert_eq!(static_format(96), None);
        assert_eq!(static_payload_type("pcma"), Some(8));
    }

    #[test]
    fn names_are_case_insensitive() {
        assert_eq!(canonical_encoding("OPUS"), "opus");
        assert_eq!(canonical_encoding("Telephone-Event"), "telephone-event");
        assert_eq!(canonical_encoding("x-proprietary"), "x-proprietary");
        assert!(is_known_audio("ilbc") && !is_known_audio("x-proprietary") && !is_known_audio("CN"));
    }

    #[test]
    fn a_policy_may_say_g711() {
        assert!(matches_policy("G.711", "PCMA") && matches_policy("g711", "PCMU") && !matches_policy("G.711", "G722"));
        assert!(matches_policy("G.722", "G722") && matches_policy("Opus", "opus"));
    }
}
