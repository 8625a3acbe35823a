//! The calls that are to be made: what each offers, says and does, and when.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::Context as _;
use siprec_core::metadata::Document;
use siprec_core::sdp::Direction;
use siprec_core::sdp::crypto::{MasterKey, Suite};
use siprec_core::seed::Random;
use siprec_core::session::client::{Body, Change, Line, Plan};
use siprec_core::time::Wall;

use super::found::Found;
use super::legs::Leg;
use super::made::Made;
use super::options::Options;
use super::sound::{self, PTIME_MS, Payloads};
use super::stream::Source;

/// How long a made-up call lasts where nothing is said.
const DURATION: Duration = Duration::from_secs(10);

/// Something that a call does after it was answered.
#[derive(Debug, Clone)]
pub(super) enum Deed {
    /// A change of the call.
    Change(Box<Change>),
    /// The second participant is replaced.
    Transfer,
    /// The end.
    End,
}

/// A call about to begin.
pub(super) struct Ready {
    pub(super) plan: Plan,
    pub(super) lines: Vec<(Leg, Source, Random)>,
    /// In order of time after the answer, in real time.
    pub(super) deeds: Vec<(Duration, Deed)>,
    pub(super) made: Option<Made>,
}

/// Where calls come from.
pub(super) enum Calls {
    /// They are made up.
    Made(Vec<Payloads>),
    /// From files, each with the time of its beginning.
    Found(Vec<Found>),
}

impl Calls {
    /// How many calls there are where the caller does not say.
    pub(super) fn count(&self) -> u64 {
        match self {
            Self::Made(_) => 1,
            Self::Found(found) => found.len() as u64,
        }
    }

    /// When call `number` begins, where it is not paced by a rate: as in the file.
    pub(super) fn begins(&self, number: u64, speed: f64) -> Option<Duration> {
        let Self::Found(found) = self else { return None };
        let call = found.get(usize::try_from(number).ok()?)?;
        Some(call.begins.div_f64(speed))
    }

    /// Call `number`, its sockets bound.
    pub(super) fn ready(
        &self,
        number: u64,
        options: &Options,
        address: IpAddr,
        now: Wall,
        random: &mut Random,
    ) -> anyhow::Result<Ready> {
        match self {
            Self::Made(payloads) => made(number, payloads, options, address, now, random),
            Self::Found(found) => {
                let place = usize::try_from(number % found.len().max(1) as u64).unwrap_or(0);
                of_file(found.get(place).context("no call in the files")?, options, address, random)
            }
        }
    }
}

fn made(
    number: u64,
    payloads: &[Payloads],
    options: &Options,
    address: IpAddr,
    now: Wall,
    random: &mut Random,
) -> anyhow::Result<Ready> {
    let format = sound::format(options.codec);
    let (mut lines, mut sources) = (Vec::new(), Vec::new());
    for (n, payloads) in payloads.iter().enumerate() {
        let leg = Leg::bind(address).context("a socket for media")?;
        let (rtp, rtcp) = leg.ports()?;
        lines.push(Line {
            kind: "audio".to_owned(),
            proto: "RTP/AVP".to_owned(),
            formats: vec![format.clone()],
            label: (n + 1).to_string(),
            ptime: Some(PTIME_MS),
            rtp,
            rtcp,
            direction: Direction::SendOnly,
            key: options.srtp.map(|suite| MasterKey::draw(suite, random).into()),
            // RFC 3611 5: the server's reference times are answered.
            more: vec!["rtcp-xr:rcvr-rtt=all".to_owned()],
        });
        let source = Source::Made { payloads: payloads.clone(), payload_type: format.payload_type };
        sources.push((leg, source, Random::new(random.seed())));
    }
    let made = Made::new(payloads.len(), random);
    let document = made.document(number, now, "siprec.invalid");
    let mut deeds = Vec::new();
    if let Some((at, length)) = options.hold {
        deeds.push((at, Deed::Change(Box::new(Change::Hold))));
        deeds.push((at + length, Deed::Change(Box::new(Change::Resume))));
    }
    deeds.extend(options.transfer.map(|at| (at, Deed::Transfer)));
    deeds.push((options.duration.unwrap_or(DURATION), Deed::End));
    deeds.sort_by_key(|(at, _)| *at);
    Ok(Ready {
        plan: plan(options, address, lines, Some(Body::of(&document)), document),
        lines: sources,
        deeds,
        made: Some(made),
    })
}

fn plan(options: &Options, address: IpAddr, lines: Vec<Line>, metadata: Option<Body>, document: Document) -> Plan {
    let host = if address.is_ipv6() { format!("[{address}]") } else { address.to_string() };
    Plan { uri: options.to.clone(), from: format!("<sip:src@{host}>"), address, lines, metadata, document }
}

/// A call of a file: its description with our addresses and ports, its metadata as it stood, its packets.
fn of_file(found: &Found, options: &Options, address: IpAddr, random: &mut Random) -> anyhow::Result<Ready> {
    let mut sources = Vec::new();
    let mut ports = Vec::new();
    for packets in &found.packets {
        let leg = Leg::bind(address).context("a socket for media")?;
        ports.push((leg.ports()?, key(options.srtp, random)));
        sources.push((leg, Source::File(packets.clone()), Random::new(random.seed())));
    }
    let ours = |lines: &[Line]| -> Vec<Line> {
        let mut lines = lines.to_vec();
        for (line, ((rtp, rtcp), key)) in lines.iter_mut().zip(&ports) {
            if line.rtp != 0 {
                (line.rtp, line.rtcp) = (*rtp, *rtcp);
            }
            line.key.clone_from(key);
        }
        lines
    };
    let mut deeds: Vec<(Duration, Deed)> = Vec::new();
    for (at, lines, metadata) in &found.changes {
        let change = Change::Offer { lines: ours(lines), metadata: metadata.clone() };
        deeds.push((at.div_f64(options.speed), Deed::Change(Box::new(change))));
    }
    let end = options.duration.unwrap_or_else(|| found.length.div_f64(options.speed));
    deeds.retain(|(at, _)| *at < end);
    deeds.push((end, Deed::End));
    let plan = plan(options, address, ours(&found.lines), found.metadata.clone(), found.document.clone());
    Ok(Ready { plan, lines: sources, deeds, made: None })
}

fn key(suite: Option<Suite>, random: &mut Random) -> Option<siprec_core::sdp::crypto::InlineKey> {
    suite.map(|suite| MasterKey::draw(suite, random).into())
}
