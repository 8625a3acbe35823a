//! What our reports may ask for, where an m-line says so: a whole picture of video (RFC 4585 4.2, RFC 5104 7.1), and an answer that
//! tells the round trip (RFC 3611 5).

use serde::{Deserialize, Serialize};

use super::Media;

/// What was agreed on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feedback {
    /// `ccm fir`: full intra requests (RFC 5104 4.3.1).
    pub fir: bool,
    /// `nack pli`: picture loss indications (RFC 4585 6.3.1).
    pub pli: bool,
    /// `rcvr-rtt`: whoever sends media answers a receiver's reference time (RFC 3611 4.4, 4.5).
    #[serde(default)]
    pub round_trip: bool,
}

impl Feedback {
    /// What of `media` we agree to: all that is offered, pictures' of video under a profile with feedback.
    pub fn offered(media: &Media) -> Self {
        Self { round_trip: offers_round_trip(media), ..Self::of_pictures(media) }
    }

    fn of_pictures(media: &Media) -> Self {
        let has_feedback = media.kind == "video" && media.proto.to_ascii_uppercase().ends_with("AVPF");
        let mut agreed = Self::default();
        for (name, value) in media.attributes.iter().filter(|_| has_feedback) {
            if !name.eq_ignore_ascii_case("rtcp-fb") {
                continue;
            }
            let mut words = value.as_deref().unwrap_or("").split_ascii_whitespace().skip(1);
            let kind = [words.next().unwrap_or(""), words.next().unwrap_or("")];
            let is =
                |wanted: [&str; 2]| kind.iter().zip(wanted).all(|(word, wanted)| word.eq_ignore_ascii_case(wanted));
            agreed.fir |= is(["ccm", "fir"]);
            agreed.pli |= is(["nack", "pli"]);
        }
        agreed
    }

    /// Nothing was agreed on.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a whole picture can be asked for.
    pub fn asks_for_pictures(&self) -> bool {
        self.fir || self.pli
    }

    /// The lines that say so, for every format.
    pub(super) fn lines(self) -> impl Iterator<Item = &'static str> {
        let lines = [
            (self.fir, "a=rtcp-fb:* ccm fir"),
            (self.pli, "a=rtcp-fb:* nack pli"),
            (self.round_trip, "a=rtcp-xr:rcvr-rtt=all"),
        ];
        lines.into_iter().filter(|(is, _)| *is).map(|(_, line)| line)
    }
}

/// `a=rtcp-xr` with `rcvr-rtt=all` or `=sender` (RFC 3611 5.1): either way whoever sends media answers.
fn offers_round_trip(media: &Media) -> bool {
    let reports = media.attributes.iter().filter(|(name, _)| name.eq_ignore_ascii_case("rtcp-xr"));
    reports.filter_map(|(_, value)| value.as_deref()).flat_map(str::split_ascii_whitespace).any(|report| {
        let (name, mode) = report.split_once('=').unwrap_or((report, ""));
        let mode = mode.split(':').next().unwrap_or("");
        name.eq_ignore_ascii_case("rcvr-rtt") && ["all", "sender"].iter().any(|known| mode.eq_ignore_ascii_case(known))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::Description;

    fn offered(line: &str) -> Feedback {
        let text =
            alloc::format!("v=0\r\n{line}\r\na=rtcp-fb:* CCM fir\r\na=rtcp-fb:96 nack pli\r\na=rtcp-fb:96 nack\r\n");
        Feedback::offered(&Description::parse(text.as_bytes()).unwrap().media[0])
    }

    #[test]
    fn it_is_of_video_under_a_profile_with_feedback() {
        let both = Feedback { fir: true, pli: true, round_trip: false };
        assert_eq!(offered("m=video 4000 RTP/AVPF 96"), both);
        assert_eq!(offered("m=video 4000 UDP/TLS/RTP/SAVPF 96"), both);
        for (fir, pli) in [(true, true), (true, false), (false, true), (false, false)] {
            let feedback = Feedback { fir, pli, round_trip: true };
            assert_eq!(feedback.asks_for_pictures(), fir || pli, "{feedback:?}");
        }
        assert!(offered("m=video 4000 RTP/AVP 96").is_none());
        assert!(offered("m=audio 4000 RTP/AVPF 96").is_none());
        let text = "v=0\r\nm=video 1 RTP/AVPF 96\r\na=rtcp-fb:96 nack\r\na=rtcp-fb\r\na=rtcp-fb:96 ccm tmmbr\r\n";
        assert!(Feedback::offered(&Description::parse(text.as_bytes()).unwrap().media[0]).is_none());
    }
    #[test]
    fn a_round_trip_is_agreed_on_where_it_is_offered_whatever_else_is() {
        let of = |lines: &str| {
            let text = alloc::format!("v=0\r\nm=audio 4000 RTP/AVP 8\r\n{lines}");
            Feedback::offered(&Description::parse(text.as_bytes()).unwrap().media[0]).round_trip
        };
        assert!(of("a=rtcp-xr:rcvr-rtt=all\r\n"));
        assert!(of("a=rtcp-xr:voip-metrics stat-summary=loss,dup Rcvr-RTT=sender:400\r\n"));
        assert!(of("a=rtcp-xr:pkt-loss-rle\r\na=rtcp-xr:rcvr-rtt=all:800\r\n"));
        assert!(!of("a=rtcp-xr\r\n") && !of("a=rtcp-xr:voip-metrics\r\n") && !of("a=rtcp-xr:rcvr-rtt=none\r\n"));
    }
}
