//! Ports: SIP and the API are bound for a moment, as the server would; of the range for RTP it is looked up who holds what.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use super::check::Check;
use super::running::Running;
use super::sockets::{self, Bound, Holder};
use crate::config::{Config, PortRange};
use crate::listening::{self, Listening, Transport};

const AREA: &str = "ports";
/// Holders of media ports that are named.
const NAMED: usize = 3;

pub(super) fn examine(config: &Config, running: &Running) -> Vec<Check> {
    let udp = sockets::all(Transport::Udp);
    let tcp = sockets::all(Transport::Tcp);
    let wanted = listening::addresses(config);
    let mut checks: Vec<Check> = wanted
        .iter()
        .map(|listening| {
            let sockets = if listening.transport == Transport::Udp { &udp } else { &tcp };
            let bound = bind(listening.transport, listening.address).map_err(|error| {
                let found = sockets::in_the_way(sockets, listening.address);
                (error, sockets::holder(found))
            });
            signalling(listening, bound, running)
        })
        .collect();
    let range = config.media.port_range;
    checks.push(media(range, &strangers(range, &udp, running)));
    checks.push(ephemeral(range, &told("ip_local_port_range"), &told("ip_local_reserved_ports")));
    checks.extend(overlap(range, &wanted));
    checks
}

/// Binds as the server does, and lets go again.
fn bind(transport: Transport, address: SocketAddr) -> io::Result<()> {
    let kind = match transport {
        Transport::Udp => socket2::Type::DGRAM,
        Transport::Tcp => socket2::Type::STREAM,
    };
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), kind.cloexec(), None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if transport == Transport::Tcp {
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address.into())
}

/// A port of SIP or of the API, as binding it went; with who holds it where it did not go.
#[expect(clippy::wildcard_enum_match_arm, reason = "there are as many kinds as systems have errors")]
fn signalling(listening: &Listening, bound: Result<(), (io::Error, Holder)>, running: &Running) -> Check {
    let Listening { transport, address, key } = listening;
    let name = if *transport == Transport::Udp { "udp" } else { "tcp" };
    let subject = format!("{name} {address}");
    let Err((error, holder)) = bound else { return Check::ok(AREA, subject, format!("free ({key})")) };
    match error.kind() {
        ErrorKind::AddrInUse => match whose(&holder, running) {
            Whose::Ours => Check::ok(AREA, subject, "held by the server that runs"),
            Whose::Others(who) => Check::failed(
                AREA,
                subject,
                format!("taken by {who}"),
                format!("end that, or set {key} to another port; `ss -lnp` lists who listens where"),
            ),
        },
        ErrorKind::PermissionDenied => Check::failed(
            AREA,
            subject,
            "this user may not bind it: it is a privileged port",
            "let the service have CAP_NET_BIND_SERVICE (AmbientCapabilities=), or lower net.ipv4.ip_unprivileged_port_start, \
             or set another port",
        ),
        ErrorKind::AddrNotAvailable => Check::failed(
            AREA,
            subject,
            "this machine has no such address",
            format!("`ip address` lists those it has; set {key} to one of them, or leave the address out for all"),
        ),
        _ => Check::failed(AREA, subject, format!("it cannot be bound: {error}"), format!("set {key} otherwise")),
    }
}

enum Whose {
    Ours,
    Others(String),
}

fn whose(holder: &Holder, running: &Running) -> Whose {
    match holder {
        Holder::Process { pid, .. } if running.pid == Some(*pid) => Whose::Ours,
        Holder::Process { pid, name } if name.starts_with("siprec") => {
            Whose::Others(format!("another siprec (pid {pid}), on another data directory"))
        }
        Holder::Process { pid, name } => Whose::Others(format!("{name} (pid {pid})")),
        // What cannot be looked into, and is of the user that our server runs as, is our server's as far as can be told.
        Holder::Hidden(uid) if running.pid.is_some() && running.uid == Some(*uid) => Whose::Ours,
        Holder::Hidden(uid) => Whose::Others(format!("a process of user {uid} (root can see which)")),
        Holder::Unknown => {
            Whose::Others("somebody whom the kernel does not list here (another network namespace?)".into())
        }
    }
}

/// Who else holds ports of the range, one entry a port.
fn strangers(range: PortRange, udp: &[Bound], running: &Running) -> Vec<(u16, String)> {
    let within = |bound: &&Bound| (range.first..=range.last).contains(&bound.address.port());
    // As many as there are calls: they are known by one look at the server, or by their user where it may not be looked into.
    let own = running.pid.and_then(sockets::of_process);
    let is_own = |bound: &Bound| match &own {
        Some(inodes) => inodes.contains(&bound.inode),
        None => running.pid.is_some() && running.uid == Some(bound.uid),
    };
    let not_ours = udp.iter().filter(within).filter(|bound| !is_own(bound));
    let mut strangers: Vec<(u16, String)> = Vec::new();
    for bound in not_ours {
        let port = bound.address.port();
        if strangers.iter().any(|(known, _)| *known == port) {
            continue;
        }
        let who = if strangers.len() < NAMED {
            match whose(&sockets::holder(Some(bound)), running) {
                Whose::Ours => continue,
                Whose::Others(who) => who,
            }
        } else {
            String::new()
        };
        strangers.push((port, who));
    }
    strangers
}

fn media(range: PortRange, strangers: &[(u16, String)]) -> Check {
    let subject = format!("RTP {range}");
    let pairs = usize::from(range.last - range.first).div_ceil(2);
    if strangers.is_empty() {
        return Check::ok(AREA, subject, format!("free, enough for {} two-leg sessions", range.two_leg_sessions()));
    }
    let named: Vec<String> = strangers.iter().take(NAMED).map(|(port, who)| format!("{port} by {who}")).collect();
    let more = strangers.len().saturating_sub(named.len());
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    let seen = format!("{} of its ports are taken: {}{more}", strangers.len(), named.join(", "));
    let remedy = "set media.port_range to ports that nobody else uses; pairs that are taken are passed over";
    if strangers.len() >= pairs {
        Check::failed(AREA, subject, seen, remedy)
    } else {
        Check::warning(AREA, subject, seen, remedy)
    }
}

/// Whether the kernel hands ports of the range to whoever asks for any. `ephemeral` is `ip_local_port_range`, `reserved`
/// `ip_local_reserved_ports`.
fn ephemeral(range: PortRange, ephemeral: &str, reserved: &str) -> Check {
    const SUBJECT: &str = "ephemeral ports";
    let numbers: Vec<u16> = ephemeral.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [first, last] = numbers[..] else {
        return Check::warning(
            AREA,
            SUBJECT,
            "cannot tell: net.ipv4.ip_local_port_range cannot be read",
            "compare `sysctl net.ipv4.ip_local_port_range` with media.port_range: they should not meet",
        );
    };
    let meets = first.max(range.first)..=last.min(range.last);
    if meets.is_empty() {
        return Check::ok(AREA, SUBJECT, format!("{first}-{last}, apart from RTP's"));
    }
    let is_reserved = |port: u16| {
        reserved.trim().split(',').any(|piece| {
            let (from, to) = piece.split_once('-').unwrap_or((piece, piece));
            let bounds = from.parse::<u16>().ok().zip(to.parse::<u16>().ok());
            bounds.is_some_and(|(from, to)| (from..=to).contains(&port))
        })
    };
    if meets.clone().all(is_reserved) {
        return Check::ok(AREA, SUBJECT, format!("{first}-{last}, with RTP's reserved"));
    }
    Check::warning(
        AREA,
        SUBJECT,
        format!("{first}-{last} meets RTP's {range}: other programs get ports of the range by chance"),
        format!(
            "sysctl -w net.ipv4.ip_local_reserved_ports={range} (and into /etc/sysctl.d), or set media.port_range below {first}"
        ),
    )
}

/// Ports of SIP over UDP within the range for RTP.
fn overlap(range: PortRange, wanted: &[Listening]) -> Vec<Check> {
    let inside = |listening: &&Listening| {
        listening.transport == Transport::Udp && (range.first..=range.last).contains(&listening.address.port())
    };
    let check = |listening: &Listening| {
        let (port, key) = (listening.address.port(), listening.key);
        Check::warning(
            AREA,
            format!("RTP {range}"),
            format!("SIP's port {port} lies in it: that pair is never used for media"),
            format!("set media.port_range or {key} so that they do not meet"),
        )
    };
    wanted.iter().find(inside).map(check).into_iter().collect()
}

fn told(name: &str) -> String {
    std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::Verdict::{Failed, Ok as Fine, Warning};

    fn sip() -> Listening {
        Listening { transport: Transport::Udp, address: "0.0.0.0:5060".parse().unwrap(), key: "server.address" }
    }

    fn refused(kind: ErrorKind, holder: Holder, running: &Running) -> Check {
        signalling(&sip(), Err((kind.into(), holder)), running)
    }

    fn process(pid: u32, name: &str) -> Holder {
        Holder::Process { pid, name: name.into() }
    }

    #[test]
    fn a_port_is_free_ours_or_somebody_elses() {
        let (runs, none) = (Running::made_up(Some(7), Some(900)), Running::made_up(None, None));
        assert_eq!(signalling(&sip(), Ok(()), &none).verdict, Fine);
        assert_eq!(refused(ErrorKind::AddrInUse, process(7, "siprec"), &runs).verdict, Fine);
        assert_eq!(refused(ErrorKind::AddrInUse, Holder::Hidden(900), &runs).verdict, Fine);
        for (holder, said) in [
            (process(8, "asterisk"), "taken by asterisk (pid 8)"),
            (process(9, "siprec"), "taken by another siprec (pid 9), on another data directory"),
            (Holder::Hidden(0), "taken by a process of user 0"),
            (Holder::Unknown, "taken by somebody"),
        ] {
            let check = refused(ErrorKind::AddrInUse, holder, &runs);
            assert!(check.verdict == Failed && check.seen.starts_with(said), "{check:?}");
        }
        assert_eq!(refused(ErrorKind::AddrInUse, Holder::Hidden(900), &none).verdict, Failed);
    }

    #[test]
    fn a_port_that_may_not_be_bound_says_why() {
        let none = Running::made_up(None, None);
        let check = refused(ErrorKind::PermissionDenied, Holder::Unknown, &none);
        assert!(check.verdict == Failed && check.remedy.unwrap().contains("CAP_NET_BIND_SERVICE"));
        let check = refused(ErrorKind::AddrNotAvailable, Holder::Unknown, &none);
        assert!(check.verdict == Failed && check.seen.contains("no such address"));
        assert_eq!(refused(ErrorKind::OutOfMemory, Holder::Unknown, &none).verdict, Failed);
    }

    #[test]
    fn media_ports_of_others_are_named_and_counted() {
        let range: PortRange = "10000-10009".parse().unwrap();
        assert_eq!(media(range, &[]).verdict, Fine);
        let taken = |n: u16| (10_000 + n, format!("p{n} (pid {n})"));
        let check = media(range, &[taken(0), taken(2), taken(3), taken(4)]);
        assert_eq!(check.verdict, Warning);
        assert!(
            check.seen.starts_with("4 of its ports are taken: 10000 by p0 (pid 0), ")
                && check.seen.ends_with("and 1 more")
        );
        assert_eq!(media(range, &(0..5).map(taken).collect::<Vec<_>>()).verdict, Failed);
    }

    #[test]
    fn ports_that_the_kernel_gives_away_are_warned_of_unless_reserved() {
        let range: PortRange = "40000-50000".parse().unwrap();
        assert_eq!(ephemeral("10000-20000".parse().unwrap(), "32768\t60999\n", "").verdict, Fine);
        let check = ephemeral(range, "32768\t60999\n", "");
        assert!(check.verdict == Warning && check.remedy.unwrap().contains("ip_local_reserved_ports=40000-50000"));
        assert_eq!(ephemeral(range, "32768 60999", "1,40000-45000,45001-50000\n").verdict, Fine);
        assert_eq!(ephemeral(range, "32768 60999", "40000-49999").verdict, Warning);
        assert!(ephemeral(range, "", "").seen.starts_with("cannot tell"));
    }

    #[test]
    fn sip_within_the_range_for_rtp_is_told() {
        assert!(overlap("10000-20000".parse().unwrap(), &[sip()]).is_empty());
        assert_eq!(overlap("5000-6000".parse().unwrap(), &[sip()])[0].verdict, Warning);
    }
}
