//! Firewall: what this machine's own rules do with SIP and RTP, as far as they can be read, and whether a packet to our own
//! address arrives. What stands between this machine and the SBC only a call from there can tell.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::check::Check;
use crate::config::Config;
use crate::listening::outgoing_address;

use chains::{Chain, Fate, Ports, fate};

mod chains;
mod iptables;
mod nft;

const AREA: &str = "firewall";
/// A packet within the machine takes microseconds.
const PATIENCE: Duration = Duration::from_secs(1);
/// Rule sets are not longer than this.
const MAX_RULES: usize = 16 << 20;

pub(super) fn examine(config: &Config) -> Vec<Check> {
    let sip = config.server.address.port;
    let range = config.media.port_range;
    let ours = [(sip, sip), (range.first, range.last)];
    vec![rules(&ruleset(), &ours), probe(outgoing_address(), range.first, range.last)]
}

/// What could be had of the rules.
#[derive(Debug)]
enum Rules {
    /// The chains that whoever could be asked told of.
    Read(Vec<Chain>),
    /// Why there is none.
    Unknown(String),
}

/// Who is asked besides `nft`, which family of nftables' that is, and what people call it. What iptables keeps in nftables is whole
/// only where iptables tells it, and rules of before nftables are known to the last two alone.
const SAVES: [(&str, &str, &str); 4] = [
    ("iptables-save", "ip", "iptables"),
    ("ip6tables-save", "ip6", "ip6tables"),
    ("iptables-legacy-save", "ip", "iptables"),
    ("ip6tables-legacy-save", "ip6", "ip6tables"),
];

fn ruleset() -> Rules {
    let nft = told_by("nft", &["--json", "list", "ruleset"]);
    let saves = SAVES.map(|(program, family, name)| (told_by(program, &[]), family, name));
    let mut chains = Vec::new();
    let mut families = Vec::new();
    for (text, family, name) in &saves {
        let own = text.as_ref().map(|text| iptables::chains(text, name)).unwrap_or_default();
        if !own.is_empty() {
            families.push(*family);
            chains.extend(own);
        }
    }
    if let Ok(text) = &nft {
        chains.extend(nft::chains(text, &families));
    }
    let asked = || std::iter::once(&nft).chain(saves.iter().map(|(text, ..)| text));
    let refused = asked().find_map(|text| text.as_ref().err().filter(|why| !why.is_empty()));
    match refused {
        // Where there is no table, some say so to everybody: that says nothing of the tables of others.
        Some(why) if chains.is_empty() => Rules::Unknown(why.clone()),
        None if asked().all(Result::is_err) => Rules::Unknown("neither nft nor iptables-save is installed".into()),
        Some(_) | None => Rules::Read(chains),
    }
}

/// What a program prints, or why it does not; nothing where it is not installed.
fn told_by(program: &str, arguments: &[&str]) -> Result<String, String> {
    match Command::new(program).args(arguments).stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() && output.stdout.len() < MAX_RULES => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(_) => Err(format!("{program} lets only root read the rules")),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(String::new()),
        Err(error) => Err(format!("{program}: {error}")),
    }
}

/// Judges the rules: whether they drop what no rule accepts while no rule names our ports, and whether a rule drops our ports.
fn rules(rules: &Rules, ours: &[Ports]) -> Check {
    const SUBJECT: &str = "rules of this machine";
    let chains = match rules {
        Rules::Read(chains) => chains,
        Rules::Unknown(why) => {
            return Check::warning(
                AREA,
                SUBJECT,
                format!("cannot tell: {why}"),
                "run siprec doctor as root, where nft or iptables-save is installed, to have them looked at",
            );
        }
    };
    let entries = chains.iter().filter(|chain| chain.policy.is_some());
    let fates: Vec<(&str, Fate)> = entries.map(|chain| (chain.told.as_str(), fate(chain, chains, ours))).collect();
    if let Some((chain, fate)) = fates.iter().find(|(_, fate)| !fate.dropped.is_empty()) {
        return Check::warning(
            AREA,
            SUBJECT,
            format!("{chain}: a rule drops udp {}", listed(&fate.dropped)),
            "accept udp to server.address and to media.port_range from the SBCs before that rule, unless one by address does",
        );
    }
    if let Some((chain, fate)) = fates.iter().find(|(_, fate)| !fate.unnamed.is_empty()) {
        return Check::warning(
            AREA,
            SUBJECT,
            format!(
                "{chain} drops what no rule accepts, and no rule that names a port accepts udp {}",
                listed(&fate.unnamed)
            ),
            "accept udp and tcp to server.address and udp to media.port_range from the SBCs, unless a rule by address does",
        );
    }
    match fates.iter().find(|(_, fate)| fate.is_shut) {
        Some((chain, _)) => Check::ok(AREA, SUBJECT, format!("{chain} drops by default, and rules accept SIP and RTP")),
        None => Check::ok(AREA, SUBJECT, "nothing that comes in is dropped by default"),
    }
}

fn listed(ports: &[u16]) -> String {
    ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")
}

/// Sends a packet from this machine to a media port of its own at the address that it is reached by.
fn probe(own: Option<IpAddr>, first: u16, last: u16) -> Check {
    const SUBJECT: &str = "packet to our own address";
    let remedy = "to try the whole way, run `siprec replay --to sip:THIS_MACHINE` on a machine beside the SBC";
    let Some(own) = own else {
        return Check::warning(AREA, SUBJECT, "cannot tell: this machine has no route to anywhere", remedy);
    };
    let free = (first..=last).find_map(|port| UdpSocket::bind(SocketAddr::new(own, port)).ok());
    let Some(receiver) = free else {
        return Check::warning(AREA, SUBJECT, "cannot tell: all media ports are taken", remedy);
    };
    judge(own, sent(own, &receiver))
}

/// Whether what is sent to `receiver` comes.
fn sent(own: IpAddr, receiver: &UdpSocket) -> std::io::Result<bool> {
    receiver.set_read_timeout(Some(PATIENCE))?;
    let sender = UdpSocket::bind(SocketAddr::new(own, 0))?;
    sender.send_to(b"siprec doctor", receiver.local_addr()?)?;
    let mut buffer = [0; 64];
    match receiver.recv_from(&mut buffer) {
        Ok((_, from)) => Ok(from == sender.local_addr()?),
        Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => Ok(false),
        Err(error) => Err(error),
    }
}

fn judge(own: IpAddr, arrived: std::io::Result<bool>) -> Check {
    const SUBJECT: &str = "packet to our own address";
    match arrived {
        Ok(true) => Check::ok(
            AREA,
            SUBJECT,
            format!("one to a media port of {own} arrived; what others send may still be kept out on its way"),
        ),
        Ok(false) => Check::failed(
            AREA,
            SUBJECT,
            format!("one to a media port of {own} did not arrive"),
            "rules of this machine drop udp to media.port_range: accept it",
        ),
        Err(error) => Check::failed(
            AREA,
            SUBJECT,
            format!("one to a media port of {own} could not be sent or was refused: {error}"),
            "rules of this machine refuse udp to media.port_range: accept it",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::Verdict::{Failed, Ok as Fine, Warning};

    const OURS: [Ports; 2] = [(5060, 5060), (10_000, 20_000)];

    #[test]
    fn what_is_dropped_is_told_by_chain_and_port() {
        let of = |text: &str| rules(&Rules::Read(iptables::chains(text, "iptables")), &OURS);
        let shut = of("*filter\n:INPUT DROP [0:0]\n");
        assert!(shut.verdict == Warning && shut.seen.ends_with("accepts udp 5060, 10000, 20000"), "{shut:?}");
        assert!(shut.seen.starts_with("iptables INPUT drops"), "{shut:?}");
        let named = of("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p udp --dport 9000:12000 -j DROP\n");
        assert!(named.verdict == Warning && named.seen == "iptables INPUT: a rule drops udp 10000", "{named:?}");
        let fine = of("*filter\n:INPUT DROP [0:0]\n-A INPUT -p udp -j ACCEPT\n");
        assert!(fine.verdict == Fine && fine.seen.contains("rules accept SIP and RTP"), "{fine:?}");
        assert!(of("*filter\n:INPUT ACCEPT [0:0]\n").seen.starts_with("nothing that comes in is dropped"));
    }

    #[test]
    fn chains_of_both_families_that_are_called_the_same_are_told_apart() {
        let text = |rule| format!("*filter\n:INPUT ACCEPT [0:0]\n:media - [0:0]\n-A INPUT -j media\n-A media {rule}\n");
        let mut chains = iptables::chains(&text("-p udp -j ACCEPT"), "iptables");
        chains.extend(iptables::chains(&text("-p udp --dport 10000:20000 -j DROP"), "ip6tables"));
        let check = rules(&Rules::Read(chains), &OURS);
        assert_eq!(check.seen, "ip6tables INPUT: a rule drops udp 10000, 20000");
    }

    #[test]
    fn what_cannot_be_read_is_said_and_not_guessed() {
        let check = rules(&Rules::Unknown("nft lets only root read the rules".into()), &OURS);
        assert!(
            check.verdict == Warning
                && check.seen.starts_with("cannot tell: ")
                && check.remedy.unwrap().contains("as root")
        );
    }

    #[test]
    fn a_packet_that_does_not_arrive_fails() {
        let own: IpAddr = "127.0.0.1".parse().unwrap();
        let receiver = UdpSocket::bind((own, 0)).unwrap();
        assert_eq!(judge(own, sent(own, &receiver)).verdict, Fine);
        assert_eq!(judge(own, Ok(false)).verdict, Failed);
        assert_eq!(judge(own, Err(ErrorKind::PermissionDenied.into())).verdict, Failed);
        assert_eq!(probe(None, 1, 2).verdict, Warning);
    }
}
