//! How a stream sounds to whoever hears it: the E-model (ITU-T G.107), with the codecs' impairments of ITU-T G.113
//! Appendix I. What it knows is what arrived here: the call's own delay and echo are not heard in a copy.

/// R of G.107 with every parameter at its default, in thousandths.
const R_DEFAULT_MILLI: i64 = 93_200;
/// The unit that shares and impairments are counted in here.
const ONE: i64 = 1_000_000;

/// What a codec costs (ITU-T G.113 Appendix I, tables I.1 and I.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Impairment {
    /// The codec as G.113 names it.
    pub codec: &'static str,
    /// Equipment impairment factor, without loss.
    pub ie: u8,
    /// Packet-loss robustness factor, tenths.
    pub bpl_tenths: u16,
}

/// Narrow-band codecs, by RTP encoding name. G.711 is taken with the concealment of its Appendix I, which is how it is rendered.
const IMPAIRMENTS: [(&str, Impairment); 4] = [
    ("PCMA", Impairment { codec: "G.711", ie: 0, bpl_tenths: 251 }),
    ("PCMU", Impairment { codec: "G.711", ie: 0, bpl_tenths: 251 }),
    ("G729", Impairment { codec: "G.729A", ie: 11, bpl_tenths: 190 }),
    ("GSM", Impairment { codec: "GSM 06.10", ie: 20, bpl_tenths: 430 }),
];

impl Impairment {
    /// That of an RTP encoding name; none for wide-band codecs, which G.107 does not judge, and for those that G.113
    /// has no figures of.
    pub fn of(encoding: &str) -> Option<Self> {
        IMPAIRMENTS.iter().find(|(name, _)| name.eq_ignore_ascii_case(encoding)).map(|(_, impairment)| *impairment)
    }
}

/// What the E-model says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rating {
    /// R, 0 to 100, thousandths.
    pub r_milli: u32,
    /// Mean opinion score, 1 to 4.5, hundredths (G.107 Annex B).
    pub mos_hundredths: u16,
    /// How much longer losses last than they would by chance (G.107 7.3), hundredths; 100 is random loss.
    pub burst_ratio_hundredths: u32,
}

/// How much longer losses last than they would by chance (G.107 7.3), hundredths: of `lost` of `expected` packets, in `runs`
/// runs. None where nothing was lost, or nothing can be told.
pub fn burst_ratio_hundredths(expected: u64, lost: u64, runs: u64) -> Option<u32> {
    // A ratio needs no codec.
    let anything = Impairment { codec: "", ie: 0, bpl_tenths: 10 };
    rate(anything, expected, lost, runs).filter(|_| lost > 0).map(|rating| rating.burst_ratio_hundredths)
}

/// Rates a stream of which `lost` of `expected` packets are missing, in `runs` runs. None where nothing was expected.
pub fn rate(impairment: Impairment, expected: u64, lost: u64, runs: u64) -> Option<Rating> {
    let expected = i64::try_from(expected).ok().filter(|expected| (1..=i64::MAX / ONE / 100).contains(expected))?;
    let lost = i64::try_from(lost).ok()?.min(expected);
    let runs = i64::try_from(runs).ok()?.clamp(1, lost.max(1));
    // The mean run over that of random loss, which is 1 / (1 - loss).
    let burst = (lost * ONE / runs / expected * (expected - lost)).max(ONE);
    let loss_percent = lost * 100 * ONE / expected;
    let (ie, bpl) = (i64::from(impairment.ie) * ONE, i64::from(impairment.bpl_tenths) * ONE / 10);
    let share = i128::from(95 * ONE - ie) * i128::from(loss_percent) / i128::from(loss_percent * ONE / burst + bpl);
    let effective = ie + i64::try_from(share).ok()?;
    let r = (R_DEFAULT_MILLI - effective / 1_000).clamp(0, 100_000);
    Some(Rating {
        r_milli: u32::try_from(r).unwrap_or(0),
        mos_hundredths: mos(r),
        burst_ratio_hundredths: u32::try_from(burst / (ONE / 100)).unwrap_or(u32::MAX),
    })
}

/// 1 + 0.035 R + R (R - 60) (100 - R) 7e-6 (G.107 Annex B), from thousandths to hundredths.
fn mos(r: i64) -> u16 {
    /// Of the last term's unit, in a hundredth.
    const UNIT: i64 = 10_000_000_000_000;
    let sum = 100 * UNIT + r * 35_000_000_000 + r * (r - 60_000) * (100_000 - r) * 7;
    u16::try_from((sum + UNIT / 2) / UNIT).unwrap_or(100).clamp(100, 450)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(encoding: &str) -> Impairment {
        Impairment::of(encoding).unwrap()
    }

    #[test]
    fn without_loss_a_codec_has_the_score_that_is_known_of_it() {
        let clean = |encoding| rate(of(encoding), 10_000, 0, 0).unwrap();
        assert_eq!((clean("pcma").r_milli, clean("PCMU").mos_hundredths), (93_200, 441));
        assert_eq!((clean("G729").r_milli, clean("G729").mos_hundredths), (82_200, 410));
        assert_eq!((clean("GSM").r_milli, clean("GSM").mos_hundredths), (73_200, 374));
        assert_eq!(Impairment::of("opus"), None);
    }

    #[test]
    fn random_loss_costs_what_g_107_7_3_says() {
        // Ie-eff = 95 * 1 / (1 + 25.1) = 3.64; 0 + 11 + 84 * 5 / (5 + 19) = 28.5.
        assert_eq!(rate(of("PCMA"), 10_000, 100, 100).unwrap().r_milli, 89_561);
        assert_eq!(rate(of("G729"), 10_000, 500, 500).unwrap().r_milli, 64_700);
    }

    #[test]
    fn loss_in_bursts_is_worse_and_no_loss_no_burst() {
        let random = rate(of("PCMA"), 10_000, 200, 200).unwrap();
        let bursts = rate(of("PCMA"), 10_000, 200, 20).unwrap();
        assert_eq!((random.burst_ratio_hundredths, bursts.burst_ratio_hundredths), (100, 980));
        assert!(bursts.mos_hundredths < random.mos_hundredths, "{bursts:?} {random:?}");
    }

    #[test]
    fn the_score_stays_within_its_scale() {
        let nothing_came = rate(of("PCMA"), 1_000, 1_000, 1).unwrap();
        assert!((100..=160).contains(&nothing_came.mos_hundredths), "{nothing_came:?}");
        assert_eq!((mos(0), mos(100_000)), (100, 450));
        assert_eq!(rate(of("PCMA"), 0, 0, 0), None);
        assert!(rate(of("PCMA"), u64::MAX, 1, 1).is_none());
        assert!(rate(of("PCMA"), 5, u64::MAX, 1).is_none());
    }
}
