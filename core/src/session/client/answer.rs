//! What the server's session description means to us (RFC 3264 6 and 7, RFC 7866 7.2).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::outcome::Destination;
use super::plan::Line;
use crate::sdp::crypto::Crypto;
use crate::sdp::{Description, Direction, Media};
use crate::sip::message::Message;
use crate::sip::multipart;

/// The session description of a message.
pub(super) fn description_of(message: &Message) -> Option<Description> {
    let content_type = message.content_type()?;
    let parts = multipart::parts(content_type, &message.body).ok()?;
    let part = parts.into_iter().find(|part| part.is_sdp())?;
    Description::parse(&part.body).ok()
}

/// What is wrong with an answer as a whole: its lines are not those of our offer, in its order.
pub(super) fn mismatch(lines: &[Line], answer: &Description) -> Option<String> {
    let (ours, theirs) = (lines.len(), answer.media.len());
    if ours != theirs {
        return Some(format!("{theirs} lines in the answer to an offer of {ours} (RFC 3264 6)"));
    }
    lines.iter().zip(&answer.media).enumerate().find_map(|(index, (line, media))| {
        let (n, label) = (index + 1, &line.label);
        if line.kind != media.kind {
            return Some(format!("line {n} is {} and was offered as {} (RFC 3264 6)", media.kind, line.kind));
        }
        let other = media.label.as_ref().filter(|theirs| *theirs != label);
        let moved = other.is_some_and(|theirs| lines.iter().any(|line| line.label == *theirs));
        moved.then(|| format!("line {n} has the label of another line: the order was changed (RFC 3264 6)"))
    })
}

/// Where each line goes, and what is to be told of lines that go nowhere.
pub(super) fn destinations(lines: &[Line], theirs: &Description) -> (Vec<Destination>, Vec<String>) {
    let mut told = Vec::new();
    let to = lines.iter().enumerate().map(|(index, line)| {
        let taken = theirs.media.get(index).map(|media| destination(line, media));
        match taken {
            Some(Ok(destination)) => destination,
            Some(Err(why)) => {
                told.push(format!("line {} ({}) {why}", index + 1, line.label));
                nowhere()
            }
            None => nowhere(),
        }
    });
    (to.collect(), told)
}

fn nowhere() -> Destination {
    Destination { rtp: None, rtcp: None, sends: false, key: None, their_key: None }
}

fn destination(line: &Line, media: &Media) -> Result<Destination, String> {
    if line.rtp == 0 {
        return Ok(nowhere());
    }
    if media.port == 0 {
        return Err("is not taken: port 0".into());
    }
    let Some(host) = media.connection else { return Err("has no address".into()) };
    let their_key = match &line.key {
        None => None,
        Some(key) => {
            let lines = media.crypto.iter().filter_map(|value| Crypto::parse(value.as_ref()).ok());
            let mut fitting = lines.filter(|crypto| crypto.tag == 1 && crypto.suite == key.key.suite());
            Some(fitting.next().ok_or("has no a=crypto that answers ours (RFC 4568 5.1.3)")?)
        }
    };
    let spoken = |raw: &String| line.formats.iter().any(|format| raw.parse() == Ok(format.payload_type));
    if !media.formats_raw.iter().any(spoken) {
        return Err("is taken with none of its payload types".into());
    }
    let rtcp = match media.rtcp {
        Some((port, address)) => SocketAddr::new(address.unwrap_or(host), port),
        None => SocketAddr::new(host, media.port.saturating_add(1)),
    };
    let hears = matches!(media.direction, Direction::RecvOnly | Direction::SendRecv) && !host.is_unspecified();
    let sends = hears && line.direction == Direction::SendOnly;
    Ok(Destination {
        rtp: Some(SocketAddr::new(host, media.port)),
        rtcp: Some(rtcp),
        sends,
        key: line.key.clone(),
        their_key,
    })
}
