//! How a whole picture is asked for (RFC 4585 4.2, RFC 5104 7.1), where an m-line of video says that it may be.

use serde::{Deserialize, Serialize};

use super::Media;

/// What was agreed on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feedback {
    /// `ccm fir`: full intra requests (RFC 5104 4.3.1).
    pub fir: bool,
    /// `nack pli`: picture loss indications (RFC 4585 6.3.1).
    pub pli: bool,
}

impl Feedback {
    /// What of `media` we agree to: all that is offered, of video under a profile with feedback.
    pub fn offered(media: &Media) -> Self {
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

    /// Values of the `a=rtcp-fb` lines that say so, for every format.
    pub(super) fn lines(self) -> impl Iterator<Item = &'static str> {
        [(self.fir, "* ccm fir"), (self.pli, "* nack pli")].into_iter().filter(|(is, _)| *is).map(|(_, line)| line)
    }
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
        assert_eq!(offered("m=video 4000 RTP/AVPF 96"), Feedback { fir: true, pli: true });
        assert_eq!(offered("m=video 4000 UDP/TLS/RTP/SAVPF 96"), Feedback { fir: true, pli: true });
        assert!(offered("m=video 4000 RTP/AVP 96").is_none());
        assert!(offered("m=audio 4000 RTP/AVPF 96").is_none());
        let text = "v=0\r\nm=video 1 RTP/AVPF 96\r\na=rtcp-fb:96 nack\r\na=rtcp-fb\r\na=rtcp-fb:96 ccm tmmbr\r\n";
        assert!(Feedback::offered(&Description::parse(text.as_bytes()).unwrap().media[0]).is_none());
    }
}
