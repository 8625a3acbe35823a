//! The SDP of an offer.

use alloc::vec::Vec;

use super::lines;
use crate::deviation::{Deviations, codes, quote};
use crate::sdp::crypto::Crypto;
use crate::sdp::dtls::{Theirs, is_dtls};
use crate::sdp::{AnswerPolicy, Description, Direction, Host, Media, decide};
use crate::sip::Transport;

/// Payload types without a meaning of their own (RFC 3551 3).
const DYNAMIC: core::ops::RangeInclusive<u8> = 96..=127;

pub(super) fn inspect(sdp: &[u8], transport: Transport, deviations: &mut Deviations) {
    lines::inspect(sdp, deviations);
    let offer = match Description::parse(sdp) {
        Ok(offer) => offer,
        Err(error) => {
            deviations.add(&codes::SDP_UNREADABLE, format_args!("{error}"));
            return;
        }
    };
    if offer.media.is_empty() {
        deviations.add(&codes::SDP_NO_MEDIA, format_args!("there is no m-line"));
    } else if offer.media.iter().all(|media| media.port == 0) {
        deviations.add(&codes::SDP_CLOSED, format_args!("the port of each m-line is 0"));
    }
    if offer.media.iter().any(|media| media.host.is_none() && media.port != 0 && !media.unreadable) {
        deviations.add(&codes::SDP_NO_CONNECTION, format_args!("an m-line has no c= line, and the session none"));
    }
    if transport != Transport::Tls && offer.media.iter().any(|media| is_dtls(&media.proto)) {
        deviations.add(&codes::FINGERPRINT_IN_CLEAR, format_args!("a fingerprint came over signalling without TLS"));
    }
    for (place, media) in offer.media.iter().enumerate() {
        line(place + 1, media, deviations);
    }
    let mut labels: Vec<&str> = offer.media.iter().filter_map(|media| media.label.as_deref()).collect();
    labels.sort_unstable();
    if let Some([label, _]) = labels.array_windows::<2>().find(|[a, b]| a == b) {
        deviations.add(&codes::LABEL_TWICE, format_args!("two m-lines have the label {}", quote(label)));
    }
}

/// What of an offer is not recorded, and why: as the server decides it.
pub(super) fn not_recorded(sdp: &[u8], policy: &AnswerPolicy, deviations: &mut Deviations) {
    let Ok(offer) = Description::parse(sdp) else { return };
    match decide(&offer, &policy.clone().with_any_certificate()) {
        Ok(decision) => {
            for decided in &decision.media {
                if let Some(reason) = &decided.reason_if_not
                    && offer
                        .media
                        .get(usize::from(decided.m_line))
                        .is_some_and(|media| media.port != 0 || media.unreadable)
                {
                    let told = format_args!("m-line {} ({}): {reason}", decided.m_line + 1, quote(&decided.kind));
                    deviations.add(&codes::MEDIA_NOT_RECORDED, told);
                }
            }
        }
        Err(refusal) => deviations.add(&codes::NO_USABLE_CODEC, format_args!("{}", refusal.reason)),
    }
}

/// What is wrong with `a=crypto` lines, without a word of what stands in them.
fn keys(number: usize, media: &Media, deviations: &mut Deviations) {
    if media.crypto.is_empty() {
        return;
    }
    if !media.proto.to_ascii_uppercase().contains("/SAVP") {
        let told = format_args!("m-line {number} is {} and has a=crypto", quote(&media.proto));
        deviations.add(&codes::CRYPTO_ON_PLAIN, told);
        return;
    }
    if let Some(error) = media.crypto.iter().find_map(|line| Crypto::parse(line.as_ref()).err()) {
        deviations.add(&codes::CRYPTO_INVALID, format_args!("m-line {number}: an a=crypto line is not taken: {error}"));
    }
}

fn line(number: usize, media: &Media, deviations: &mut Deviations) {
    lines::media(number, media, deviations);
    if media.label.is_none() {
        deviations.add(&codes::LABEL_MISSING, format_args!("m-line {number} has no label"));
    }
    let labels = media.attributes.iter().filter(|(name, _)| name == "label").filter_map(|(_, value)| value.as_deref());
    if let Some(label) = labels.into_iter().find(|label| label.trim_ascii() != *label) {
        let told = format_args!("m-line {number} has the label '{}', read without its blanks", quote(label));
        deviations.add(&codes::LABEL_BLANKS, told);
    }
    if media.port == 0 {
        return;
    }
    match media.direction {
        Direction::SendRecv => {
            deviations.add(&codes::DIRECTION, format_args!("m-line {number} is offered sendrecv"));
        }
        Direction::RecvOnly => {
            deviations.add(&codes::DIRECTION_RECVONLY, format_args!("m-line {number} is offered recvonly"));
        }
        Direction::SendOnly | Direction::Inactive => {}
    }
    keys(number, media, deviations);
    if media.host.as_ref().is_some_and(Host::is_zero) && media.direction != Direction::Inactive {
        deviations.add(&codes::HOLD_BY_ADDRESS, format_args!("m-line {number} is held by its address"));
    }
    if is_dtls(&media.proto) && Theirs::read(&media.dtls).is_ok_and(|theirs| theirs.is_weak()) {
        let told = format_args!("m-line {number}: nothing stronger than SHA-1 names its certificate");
        deviations.add(&codes::WEAK_FINGERPRINT, told);
    }
    let dynamic = media.formats_raw.iter().filter_map(|format| format.parse().ok()).filter(|pt| DYNAMIC.contains(pt));
    if media.proto.to_ascii_uppercase().contains("RTP/")
        && let Some(unmapped) = dynamic.into_iter().find(|pt| !media.formats.iter().any(|f| f.payload_type == *pt))
    {
        deviations
            .add(&codes::PAYLOAD_UNMAPPED, format_args!("m-line {number}: payload type {unmapped} has no rtpmap"));
    }
}
