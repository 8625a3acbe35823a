//! Where a domain's SIP servers are: SRV records (RFC 2782, RFC 3263 4.2), asked of the machine's own name servers over UDP.
//!
//! Not here: NAPTR (the transport is the one that the address names, else UDP is asked for before TCP), answers too long for
//! a datagram (they are taken as far as they came), and caches: a run asks once. A name that has none of it is an
//! ordinary host name.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use siprec_core::seed::Random;
use siprec_core::sip::Transport;

/// Where the machine's name servers stand.
const RESOLV_CONF: &str = "/etc/resolv.conf";
const DNS_PORT: u16 = 53;
/// Name servers that are asked (resolv.conf(5) knows three), and how long each is waited for.
const MAX_SERVERS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(2);
/// Records of an answer that are looked at, and steps of a compressed name.
const MAX_RECORDS: usize = 64;
const MAX_LABELS: usize = 128;
/// RFC 1035 2.3.4.
const MAX_LABEL: usize = 63;
const MAX_NAME: usize = 253;
const HEADER: usize = 12;
const TYPE_SRV: u16 = 33;
const CLASS_IN: u16 = 1;

/// A server of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) host: String,
    pub(super) port: u16,
    priority: u16,
    weight: u16,
}

/// The servers of `domain` that speak `transport`, the one to be tried first in front; none where there are none, or where
/// nobody answers.
pub(super) fn lookup(domain: &str, transport: Transport, random: &mut Random) -> Vec<Service> {
    let servers = std::fs::read_to_string(RESOLV_CONF).map(|text| name_servers(&text)).unwrap_or_default();
    let name = format!("{}.{}", service(transport), domain.trim_end_matches('.'));
    let asked = servers.into_iter().take(MAX_SERVERS).find_map(|server| ask(server, &name, random).ok());
    in_order(asked.unwrap_or_default(), random)
}

/// RFC 3263 4.1.
fn service(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tcp => "_sip._tcp",
        Transport::Tls => "_sips._tcp",
    }
}

fn name_servers(text: &str) -> Vec<SocketAddr> {
    let server = |line: &str| {
        let address: IpAddr = line.trim().strip_prefix("nameserver")?.trim().parse().ok()?;
        Some(SocketAddr::new(address, DNS_PORT))
    };
    text.lines().filter_map(server).collect()
}

/// Asks one name server.
fn ask(server: SocketAddr, name: &str, random: &mut Random) -> io::Result<Vec<Service>> {
    let any: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(any)?;
    socket.connect(server)?;
    let id = (random.next_u32() & 0xffff) as u16;
    let question = question(id, name).ok_or(io::ErrorKind::InvalidInput)?;
    socket.send(&question)?;
    let (mut buffer, until) = ([0; 4_096], Instant::now() + PATIENCE);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        let length = socket.recv(&mut buffer)?;
        // Anything else that comes is not an answer to what was asked.
        if let Some(answer) = buffer.get(..length).filter(|answer| answers(answer, &question)) {
            return Ok(services(answer, question.len()));
        }
    }
}

/// RFC 1035 4.1: one question, recursion desired.
fn question(id: u16, name: &str) -> Option<Vec<u8>> {
    let mut out = Vec::from(id.to_be_bytes());
    out.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        let is_fit = (1..=MAX_LABEL).contains(&label.len()) && name.len() <= MAX_NAME;
        out.push(u8::try_from(label.len()).ok().filter(|_| is_fit)?);
        out.extend(label.as_bytes());
    }
    out.push(0);
    [TYPE_SRV, CLASS_IN].iter().for_each(|field| out.extend(field.to_be_bytes()));
    Some(out)
}

/// The same id and question, and said to be an answer.
fn answers(answer: &[u8], question: &[u8]) -> bool {
    let same =
        |range: std::ops::Range<usize>| answer.get(range.clone()).is_some_and(|a| Some(a) == question.get(range));
    let asked = answer.get(HEADER..question.len());
    same(0..2)
        && answer.get(2).is_some_and(|flags| flags & 0x80 != 0)
        && asked.is_some_and(|asked| asked.eq_ignore_ascii_case(&question[HEADER..]))
}

/// The SRV records of an answer whose question ends at `at`.
fn services(answer: &[u8], mut at: usize) -> Vec<Service> {
    let mut found = Vec::new();
    let records = usize::from(u16_at(answer, 6).unwrap_or(0));
    for _ in 0..records.min(MAX_RECORDS) {
        let Some(record) = record(answer, at) else { break };
        at = record.end;
        found.extend(record.service.filter(|service| !service.host.is_empty()));
    }
    found
}

/// A record: where the next one begins, and what it says if it is an SRV.
struct Record {
    end: usize,
    service: Option<Service>,
}

fn record(answer: &[u8], at: usize) -> Option<Record> {
    let (_, head) = name_at(answer, at)?;
    let (kind, length) = (u16_at(answer, head)?, usize::from(u16_at(answer, head + 8)?));
    let body = head + 10;
    let service = || {
        let field = |place: usize| u16_at(answer, body + place);
        let (host, _) = name_at(answer, body + 6)?;
        Some(Service { priority: field(0)?, weight: field(2)?, port: field(4)?, host })
    };
    let service = (kind == TYPE_SRV).then(service).flatten();
    Some(Record { end: body + length, service })
}

/// A name, and where what follows it begins. A pointer leads backwards only (RFC 1035 4.1.4), so it ends.
fn name_at(answer: &[u8], mut at: usize) -> Option<(String, usize)> {
    let (mut name, mut end) = (String::new(), None);
    for _ in 0..MAX_LABELS {
        let length = *answer.get(at)?;
        match length {
            0 => return Some((name, end.unwrap_or(at + 1))),
            1..=0x3f => {
                let label = answer.get(at + 1..at + 1 + usize::from(length))?;
                if !name.is_empty() {
                    name.push('.');
                }
                name.push_str(std::str::from_utf8(label).ok()?);
                at += 1 + usize::from(length);
            }
            0xc0.. => {
                let target = usize::from(u16_at(answer, at)? & 0x3fff);
                end = end.or(Some(at + 2));
                at = Some(target).filter(|&target| target < at)?;
            }
            _ => return None,
        }
    }
    None
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

/// By priority; of the same one by lot, the heavier the likelier (RFC 2782).
fn in_order(mut services: Vec<Service>, random: &mut Random) -> Vec<Service> {
    let mut ordered = Vec::new();
    while let Some(priority) = services.iter().map(|service| service.priority).min() {
        let weights = |services: &[Service]| -> u32 {
            services.iter().filter(|s| s.priority == priority).map(|s| u32::from(s.weight) + 1).sum()
        };
        let mut lot = random.next_u32() % weights(&services).max(1);
        let is_drawn = |service: &Service| {
            if service.priority != priority {
                return false;
            }
            let weight = u32::from(service.weight) + 1;
            let is_it = lot < weight;
            lot = lot.saturating_sub(weight);
            is_it
        };
        let Some(place) = services.iter().position(is_drawn) else { break };
        ordered.push(services.remove(place));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;
    use siprec_core::seed::Seed;

    fn random() -> Random {
        Random::new(Seed([3; 32]))
    }

    /// An answer with such records, their targets compressed into the question's domain.
    fn answer(question: &[u8], records: &[(u16, u16, u16, &str)]) -> Vec<u8> {
        let mut out = question.to_vec();
        (out[2], out[3]) = (0x81, 0x80);
        out[7] = u8::try_from(records.len()).unwrap();
        for (priority, weight, port, label) in records {
            out.extend([0xc0, 12]);
            [TYPE_SRV, CLASS_IN, 0, 60].iter().for_each(|field| out.extend(field.to_be_bytes()));
            // `_sip` and `_udp` before the domain.
            let target = [&[u8::try_from(label.len()).unwrap()], label.as_bytes(), &[0xc0, 12 + 10]].concat();
            out.extend((6 + u16::try_from(target.len()).unwrap()).to_be_bytes());
            [priority, weight, port].iter().for_each(|field| out.extend(field.to_be_bytes()));
            out.extend(target);
        }
        out
    }

    #[test]
    fn a_domains_servers_are_asked_for_and_come_by_priority() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = server.local_addr().unwrap();
        let answering = std::thread::spawn(move || {
            let mut buffer = [0; 512];
            let (length, from) = server.recv_from(&mut buffer).unwrap();
            let question = &buffer[..length];
            server.send_to(b"not an answer", from).unwrap();
            let records = [(20, 0, 5_070, "backup"), (10, 0, 5_080, "first")];
            server.send_to(&answer(question, &records), from).unwrap();
            question.to_vec()
        });
        let found = ask(at, "_sip._udp.example.org", &mut random()).unwrap();
        let question = answering.join().unwrap();
        assert_eq!(&question[12..], b"\x04_sip\x04_udp\x07example\x03org\x00\x00\x21\x00\x01");
        let ordered = in_order(found, &mut random());
        let named: Vec<(&str, u16)> = ordered.iter().map(|s| (s.host.as_str(), s.port)).collect();
        assert_eq!(named, [("first.example.org", 5_080), ("backup.example.org", 5_070)]);
    }

    #[test]
    fn of_one_priority_the_heavier_is_the_likelier() {
        let service = |host: &str, weight| Service { host: host.into(), port: 5_060, priority: 1, weight };
        let mut random = random();
        let mut light = 0;
        for _ in 0..1_000 {
            let ordered = in_order(vec![service("light", 9), service("heavy", 89)], &mut random);
            assert_eq!(ordered.len(), 2);
            light += u32::from(ordered[0].host == "light");
        }
        assert!((60..140).contains(&light), "{light} of 1,000");
    }

    #[test]
    fn torn_and_looping_answers_say_what_they_can_and_end() {
        let question = question(7, "_sip._udp.example.org").unwrap();
        let whole = answer(&question, &[(1, 1, 5_060, "a"), (2, 1, 5_060, "b")]);
        for end in 0..whole.len() {
            assert!(services(&whole[..end], question.len()).len() < 2);
        }
        let mut looping = whole.clone();
        let place = question.len();
        looping[place..place + 2].copy_from_slice(&[0xc0, u8::try_from(place).unwrap()]);
        assert!(services(&looping, question.len()).is_empty());
        let (long, empty) = ("x".repeat(64), "a..b");
        assert!(super::question(7, &long).is_none() && super::question(7, empty).is_none());
    }

    #[test]
    fn name_servers_are_those_of_the_machine() {
        let text = "# first\nsearch example.org\nnameserver 192.0.2.53\n nameserver\t2001:db8::53\nnameserver nobody\n";
        let expected = ["192.0.2.53:53", "[2001:db8::53]:53"].map(|at| at.parse().unwrap());
        assert_eq!(name_servers(text), expected);
    }
}
