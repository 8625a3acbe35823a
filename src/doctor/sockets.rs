//! Which sockets of this machine are bound to which ports, and by whom: `/proc/net` and the open files of processes.

use std::collections::HashSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::listening::Transport;

/// The state of a TCP socket that listens, as the kernel writes it.
const LISTEN: &str = "0A";

/// A bound socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) address: SocketAddr,
    /// Whose it is.
    pub(super) uid: u32,
    pub(super) inode: u64,
}

/// Who holds a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Holder {
    /// A process.
    Process {
        /// Its number.
        pid: u32,
        /// Its name.
        name: String,
    },
    /// A process of this user that may not be looked into from here.
    Hidden(u32),
    /// The kernel's list does not have it.
    Unknown,
}

/// All sockets of this machine that hold a port: bound ones of UDP, listening ones of TCP. Empty where the system has no such list.
pub(super) fn all(transport: Transport) -> Vec<Bound> {
    let files = match transport {
        Transport::Udp => ["/proc/net/udp", "/proc/net/udp6"],
        Transport::Tcp => ["/proc/net/tcp", "/proc/net/tcp6"],
    };
    let only_listening = transport == Transport::Tcp;
    files.iter().filter_map(|file| fs::read_to_string(file).ok()).flat_map(|text| read(&text, only_listening)).collect()
}

/// The socket that keeps `address` from being bound.
pub(super) fn in_the_way(sockets: &[Bound], address: SocketAddr) -> Option<&Bound> {
    let same_port = || sockets.iter().filter(|bound| bound.address.port() == address.port());
    let meets = |bound: &&Bound| {
        let (theirs, ours) = (bound.address.ip(), address.ip());
        theirs.is_ipv4() == ours.is_ipv4() && (theirs == ours || theirs.is_unspecified() || ours.is_unspecified())
    };
    // One of IPv6 may take IPv4's port as well.
    same_port().find(meets).or_else(|| same_port().find(|bound| bound.address.ip() == Ipv6Addr::UNSPECIFIED))
}

/// Whose socket it is.
pub(super) fn holder(bound: Option<&Bound>) -> Holder {
    let Some(bound) = bound else { return Holder::Unknown };
    let wanted = format!("socket:[{}]", bound.inode);
    let processes = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let has_it = |pid: &u32| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().filter_map(Result::ok);
        files.into_iter().any(|file| fs::read_link(file.path()).is_ok_and(|to| to.as_os_str() == wanted.as_str()))
    };
    match pids.find(has_it) {
        Some(pid) => {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            Holder::Process { pid, name: name.trim().to_owned() }
        }
        None => Holder::Hidden(bound.uid),
    }
}

/// The sockets of a process, by their inodes; none where it may not be looked into.
pub(super) fn of_process(pid: u32) -> Option<HashSet<u64>> {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    let inode = |file: fs::DirEntry| {
        let to = fs::read_link(file.path()).ok()?;
        to.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    Some(files.filter_map(Result::ok).filter_map(inode).collect())
}

fn read(text: &str, only_listening: bool) -> Vec<Bound> {
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (local, state, uid, inode) = (words.get(1)?, words.get(3)?, words.get(7)?, words.get(9)?);
        if only_listening && *state != LISTEN {
            return None;
        }
        Some(Bound { address: address(local)?, uid: uid.parse().ok()?, inode: inode.parse().ok()? })
    };
    text.lines().skip(1).filter_map(line).collect()
}

/// `0100007F:1F90`: words of 32 bits as this machine has them in memory.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| Some(u32::from_str_radix(ip.get(at * 8..at * 8 + 8)?, 16).ok()?.to_ne_bytes());
    let ip: IpAddr = match ip.len() {
        8 => Ipv4Addr::from(word(0)?).into(),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?].concat();
            Ipv6Addr::from(<[u8; 16]>::try_from(words).ok()?).into()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, UdpSocket};

    #[test]
    fn a_socket_of_this_process_is_found_with_its_holder() {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let tcp = TcpListener::bind("[::1]:0").ok();
        let at = udp.local_addr().unwrap();
        let sockets = all(Transport::Udp);
        let found = in_the_way(&sockets, at);
        let Holder::Process { pid, .. } = holder(found) else { panic!("{found:?}") };
        assert_eq!(pid, std::process::id());
        assert!(in_the_way(&sockets, SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), at.port())).is_some());
        if let Some(tcp) = tcp {
            let at = tcp.local_addr().unwrap();
            assert!(in_the_way(&all(Transport::Tcp), at).is_some_and(|bound| bound.address == at));
        }
        drop(udp);
        assert!(in_the_way(&all(Transport::Udp), at).is_none());
        assert_eq!(holder(None), Holder::Unknown);
    }

    #[test]
    fn lines_of_the_kernel_are_read_and_others_left_out() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
                    0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0\n\
                    1: 0100007F:1F91 00000000:0000 01 00000000:00000000 00:00000000 00000000  1000        0 4712 1 0\n\
                    2: nonsense\n\n";
        let ports = |only| read(text, only).iter().map(|bound| bound.address.port()).collect::<Vec<_>>();
        assert_eq!((ports(true), ports(false)), (vec![8080], vec![8080, 8081]));
        assert_eq!(read(text, true)[0].uid, 1000);
        if cfg!(target_endian = "little") {
            assert_eq!(read(text, true)[0].address.to_string(), "127.0.0.1:8080");
        }
        for wrong in ["", ":", "0100007F", "0100007F:FFFFF", "0100007é:1F90", "01:01"] {
            assert_eq!(address(wrong), None, "{wrong}");
        }
    }
}
