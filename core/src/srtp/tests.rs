//! Receivers and senders against vectors, long streams and forgers.

mod forged;
mod life;
mod stream;
mod vectors;

use alloc::vec::Vec;

use super::{Receiver, Sender};
use crate::sdp::crypto::{Encryption, InlineKey, MasterKey, Suite};
use crate::seed::{Random, Seed};

const SSRC: u32 = 0xcafe_f00d;
const SPEECH: usize = 160;

fn key_of(suite: Suite, seed: u8) -> InlineKey {
    MasterKey::draw(suite, &mut Random::new(Seed([seed; 32]))).into()
}

/// Sender and receiver under one key.
fn pair(suite: Suite) -> (Sender, Receiver) {
    let key = key_of(suite, 1);
    let encryption = Encryption::default();
    (Sender::new(&key, encryption).unwrap(), Receiver::new(&[key], encryption))
}

/// An RTP packet whose payload tells its place in the stream.
fn rtp(ssrc: u32, number: u64) -> Vec<u8> {
    let mut packet = Vec::from([0x80, 8]);
    packet.extend((number as u16).to_be_bytes());
    packet.extend((number as u32).wrapping_mul(160).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend((0..SPEECH).map(|n| (number as usize + n) as u8));
    packet
}

/// An empty receiver report with something behind it.
fn rtcp(ssrc: u32) -> Vec<u8> {
    let mut packet = Vec::from([0x80, 201, 0, 1]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0x81, 202, 0, 2]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend([1, 2, b'h', b'i']);
    packet
}

fn protected(sender: &mut Sender, mut packet: Vec<u8>) -> Vec<u8> {
    sender.protect(&mut packet).unwrap();
    packet
}

fn report(sender: &mut Sender) -> Vec<u8> {
    if let Some(state) = sender.reservation_due() {
        sender.reserve(state);
    }
    let mut packet = rtcp(SSRC);
    sender.protect_report(&mut packet).unwrap();
    packet
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}
