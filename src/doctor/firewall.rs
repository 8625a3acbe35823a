//! Firewall: what this machine's own rules do with SIP and RTP, as far as they can be read, and whether a packet to our own
//! address arrives. What stands between this machine and the SBC only a call from there can tell.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::check::Check;
use crate::config::Config;
use crate::listening::outgoing_address;

const AREA: &str = "firewall";
/// A packet within the machine takes microseconds.
const PATIENCE: Duration = Duration::from_secs(1);
/// Rule sets are not longer than this.
const MAX_RULES: usize = 16 << 20;

pub(super) fn examine(config: &Config) -> Vec<Check> {
    let sip = config.server.address.port;
    let range = config.media.port_range;
    vec![rules(&ruleset(), sip, range.first), probe(outgoing_address(), range.first, range.last)]
}

/// What could be had of the rules.
#[derive(Debug)]
enum Rules {
    /// The output of `nft --json list ruleset`.
    Nft(String),
    /// The output of `iptables-save`.
    Iptables(String),
    /// Why there is none.
    Unknown(String),
}

fn ruleset() -> Rules {
    let mut why = String::from("neither nft nor iptables-save is installed");
    for (program, arguments) in [("nft", &["--json", "list", "ruleset"][..]), ("iptables-save", &[])] {
        let run = Command::new(program).args(arguments).stdin(Stdio::null()).output();
        match run {
            Ok(output) if output.status.success() && output.stdout.len() < MAX_RULES => {
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                return if program == "nft" { Rules::Nft(text) } else { Rules::Iptables(text) };
            }
            Ok(_) => why = format!("{program} lets only root read the rules"),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => why = format!("{program}: {error}"),
        }
    }
    Rules::Unknown(why)
}

/// Judges the rules: whether they drop what no rule accepts, and whether a rule names our ports.
fn rules(rules: &Rules, sip: u16, media: u16) -> Check {
    const SUBJECT: &str = "rules of this machine";
    let open = match rules {
        Rules::Unknown(why) => {
            return Check::warning(
                AREA,
                SUBJECT,
                format!("cannot tell: {why}"),
                "run siprec doctor as root, where nft or iptables-save is installed, to have them looked at",
            );
        }
        Rules::Nft(text) => nft(text, &[sip, media]),
        Rules::Iptables(text) => iptables(text, &[sip, media]),
    };
    let Some(shut) = open else {
        return Check::ok(AREA, SUBJECT, "nothing that comes in is dropped by default");
    };
    match &shut.unnamed[..] {
        [] => Check::ok(AREA, SUBJECT, format!("{} drops by default, and rules accept SIP and RTP", shut.chain)),
        ports => {
            let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
            Check::warning(
                AREA,
                SUBJECT,
                format!(
                    "{} drops what no rule accepts, and no rule that names a port accepts udp {}",
                    shut.chain,
                    ports.join(", ")
                ),
                "accept udp and tcp to server.address and udp to media.port_range from the SBCs, unless a rule by address does",
            )
        }
    }
}

/// A chain that drops by default, and those of our ports that no rule names.
#[derive(Debug, PartialEq, Eq)]
struct Shut {
    chain: String,
    unnamed: Vec<u16>,
}

fn nft(text: &str, ports: &[u16]) -> Option<Shut> {
    let parsed: Value = serde_json::from_str(text).ok()?;
    let entries = parsed.get("nftables")?.as_array()?;
    let chain = entries.iter().filter_map(|entry| entry.get("chain")).find(|chain| {
        let is = |key: &str, value: &str| chain.get(key).and_then(Value::as_str) == Some(value);
        is("hook", "input") && is("policy", "drop")
    })?;
    let word = |key: &str| chain.get(key).and_then(Value::as_str).unwrap_or_default();
    let accepting: Vec<&Vec<Value>> = entries
        .iter()
        .filter_map(|entry| entry.get("rule")?.get("expr")?.as_array())
        .filter(|parts| parts.iter().any(|part| part.get("accept").is_some()))
        .collect();
    let names = |parts: &[Value], port: u16| {
        parts
            .iter()
            .filter_map(|part| part.get("match"))
            .any(|part| is_port(part) && part.get("right").is_some_and(|set| holds(set, port)))
    };
    let unnamed = ports.iter().copied().filter(|port| !accepting.iter().any(|rule| names(rule, *port))).collect();
    Some(Shut { chain: format!("{} {} {}", word("family"), word("table"), word("name")), unnamed })
}

/// `{"left": {"payload": {"protocol": "udp", "field": "dport"}}}`.
fn is_port(part: &Value) -> bool {
    let payload = part.get("left").and_then(|left| left.get("payload"));
    let is = |key: &str, values: &[&str]| {
        payload.and_then(|payload| payload.get(key)?.as_str()).is_some_and(|value| values.contains(&value))
    };
    is("field", &["dport"]) && is("protocol", &["udp", "th"])
}

/// A port, a range or a set of such.
fn holds(set: &Value, port: u16) -> bool {
    let port = u64::from(port);
    match set {
        Value::Number(number) => number.as_u64() == Some(port),
        Value::Object(object) => {
            let list = |key: &str| object.get(key).and_then(Value::as_array);
            let range = list("range").map(|bounds| bounds.iter().filter_map(Value::as_u64).collect::<Vec<_>>());
            let in_range = range.is_some_and(|bounds| matches!(bounds[..], [from, to] if (from..=to).contains(&port)));
            let own = u16::try_from(port).unwrap_or_default();
            in_range || list("set").is_some_and(|members| members.iter().any(|member| is_member(member, own)))
        }
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) => false,
    }
}

/// Sets hold ports and ranges, not sets.
fn is_member(member: &Value, port: u16) -> bool {
    member.get("set").is_none() && holds(member, port)
}

fn iptables(text: &str, ports: &[u16]) -> Option<Shut> {
    text.lines().find(|line| line.starts_with(":INPUT DROP") || line.starts_with(":INPUT REJECT"))?;
    let accepting: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("-A ") && line.contains("-j ACCEPT") && line.contains("-p udp"))
        .collect();
    let names = |line: &str, port: u16| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.windows(2).filter(|pair| ["--dport", "--dports"].contains(&pair[0])).any(|pair| {
            pair[1].split(',').any(|piece| {
                let (from, to) = piece.split_once(':').unwrap_or((piece, piece));
                let bounds = from.parse::<u16>().ok().zip(to.parse::<u16>().ok());
                bounds.is_some_and(|(from, to)| (from..=to).contains(&port))
            })
        })
    };
    let unnamed = ports.iter().copied().filter(|port| !accepting.iter().any(|rule| names(rule, *port))).collect();
    Some(Shut { chain: "iptables INPUT".into(), unnamed })
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

    const CHAIN: &str =
        r#"{"chain": {"family": "inet", "table": "filter", "name": "input", "hook": "input", "policy": "drop"}}"#;

    fn accept(right: &str) -> String {
        format!(
            r#"{{"rule": {{"expr": [{{"match": {{"op": "==", "left": {{"payload": {{"protocol": "udp", "field": "dport"}}}},
               "right": {right}}}}}, {{"accept": null}}]}}}}"#
        )
    }

    fn of_nft(entries: &[String]) -> Check {
        rules(&Rules::Nft(format!(r#"{{"nftables": [{}]}}"#, entries.join(","))), 5060, 10_000)
    }

    #[test]
    fn rules_of_nftables_that_drop_are_warned_of_unless_they_name_our_ports() {
        assert_eq!(of_nft(&[CHAIN.replace("drop", "accept")]).verdict, Fine);
        let shut = of_nft(&[CHAIN.into()]);
        assert!(shut.verdict == Warning && shut.seen.ends_with("accepts udp 5060, 10000"), "{shut:?}");
        assert!(shut.seen.starts_with("inet filter input drops"));
        let half = of_nft(&[CHAIN.into(), accept("5060")]);
        assert!(half.verdict == Warning && half.seen.ends_with("accepts udp 10000"), "{half:?}");
        assert_eq!(of_nft(&[CHAIN.into(), accept("5060"), accept(r#"{"range": [10000, 20000]}"#)]).verdict, Fine);
        assert_eq!(of_nft(&[CHAIN.into(), accept(r#"{"set": [5060, {"range": [9000, 20000]}]}"#)]).verdict, Fine);
        let deep = format!("{}5060{}", r#"{"set": ["#.repeat(50), "]}".repeat(50));
        assert_eq!(of_nft(&[CHAIN.into(), accept(&deep)]).verdict, Warning);
    }

    #[test]
    fn so_are_those_of_iptables() {
        let of = |text: &str| rules(&Rules::Iptables(text.into()), 5060, 10_000);
        assert_eq!(of(":INPUT ACCEPT [0:0]\n").verdict, Fine);
        assert_eq!(of(":INPUT DROP [0:0]\n").verdict, Warning);
        let rule = "-A INPUT -p udp -m multiport --dports 5060,10000:20000 -j ACCEPT\n";
        assert_eq!(of(&format!(":INPUT DROP [0:0]\n{rule}")).verdict, Fine);
        assert_eq!(of(&format!(":INPUT DROP [0:0]\n{}", rule.replace("ACCEPT", "LOG"))).verdict, Warning);
    }

    #[test]
    fn what_cannot_be_read_is_said_and_not_guessed() {
        let check = rules(&Rules::Unknown("nft lets only root read the rules".into()), 5060, 10_000);
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
