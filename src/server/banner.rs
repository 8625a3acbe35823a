//! What `siprec serve` says at its start: where it listens, where it writes, what to point the SBC at.

use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::media::ports::QUARANTINE;
use super::recovery::Recovered;
use super::serve::Addresses;
use crate::config::{ArchiveConfig, Config, PortRange, StorageConfig};
use crate::limits::{Descriptors, StallMemory, bytes};
use crate::listening::outgoing_address;
use crate::policy::VERSION;

/// Prints it to standard output, at once whatever standard output is; its last line is `ready`.
pub(super) fn print(
    config: &Config,
    addresses: &Addresses,
    (descriptors, stall): (Descriptors, StallMemory),
    recovered: &Recovered,
    took: Duration,
) -> io::Result<()> {
    let list = |transport: &str, addresses: &[SocketAddr]| -> String {
        addresses.iter().map(|address| format!("{transport} {address}")).collect::<Vec<_>>().join(", ")
    };
    let data = &recovered.data;
    let free = recovered.free.map_or_else(|| "free space unknown".to_owned(), |free| format!("{} free", bytes(free)));
    let range = config.media.port_range;
    let mut out = io::stdout().lock();
    writeln!(out, "siprec {VERSION}")?;
    let all = [("udp", &addresses.udp), ("tcp", &addresses.tcp), ("tls", &addresses.tls)];
    let all: Vec<String> =
        all.iter().filter(|(_, at)| !at.is_empty()).map(|(transport, at)| list(transport, at)).collect();
    writeln!(out, "  SIP      {}", all.join(", "))?;
    if let Some(certificate) = &addresses.certificate {
        writeln!(out, "  TLS      {certificate}")?;
    }
    if let Some(api) = addresses.api.first() {
        let scheme = if config.api.tls.enabled { "https" } else { "http" };
        writeln!(out, "  API      {scheme}://{api}")?;
    }
    writeln!(out, "  RTP      ports {}-{} ({})", range.first, range.last, carried(range))?;
    writeln!(out, "  data     {} ({free})", data.display())?;
    writeln!(out, "  keeps    {}{}", kept(&config.storage), recompressed(&config.archive))?;
    writeln!(out, "  recovery {}", recovered.words())?;
    if let Some(sessions) = descriptors.sessions_if_short() {
        writeln!(
            out,
            "  limit    {} open files are enough for {sessions} sessions; raise it (ulimit -n, LimitNOFILE=) to {}",
            descriptors.limit, descriptors.needed
        )?;
    }
    if let Some(seconds) = stall.seconds_if_short() {
        writeln!(
            out,
            "  memory   a disk that stalls loses packets of all sessions after {seconds} s, not 10: add memory, or lower \
             server.max_connections"
        )?;
    }
    let sbc = reachable(config, addresses);
    let clear = if config.server.require_tls { None } else { Some(format!("sip:{sbc} (UDP or TCP)")) };
    let secure = addresses.tls.first().map(|at| format!("sip:{};transport=tls", SocketAddr::new(sbc.ip(), at.port())));
    let ways: Vec<String> = clear.into_iter().chain(secure).collect();
    writeln!(out, "  point the SBC at {}", ways.join(" or "))?;
    tracing::debug!(?took, "started");
    writeln!(out, "ready")?;
    out.flush()
}

/// How long recordings are kept, and where.
fn kept(storage: &StorageConfig) -> String {
    let days = match storage.retention_days {
        0 => "recordings for ever (storage.retention_days: 0)".to_owned(),
        days => format!("recordings {days} days, then DELETES them (storage.retention_days; 0: never)"),
    };
    let rules = match storage.retention.len() {
        0 => String::new(),
        1 => ", some by a rule of storage.retention".to_owned(),
        rules => format!(", some by {rules} rules of storage.retention"),
    };
    let targets: Vec<String> = storage.all_targets().iter().map(|target| target.called()).collect();
    let stored = if targets.is_empty() { String::new() } else { format!("; stored in {}", targets.join(", ")) };
    format!("{days}{rules}{stored}")
}

/// What becomes of files as they grow old.
fn recompressed(archive: &ArchiveConfig) -> String {
    let to = archive.recompress_to;
    let after =
        archive.recompress_after.map(|after| format!("; WAV becomes {to} after {after} (archive.recompress_after)"));
    after.unwrap_or_default()
}

/// What the ports are enough for. One that was used rests before it is used again, so short calls want more of them.
fn carried(range: PortRange) -> String {
    let (sessions, rest) = (range.two_leg_sessions(), QUARANTINE.as_secs());
    let within = |seconds: u64| (u64::from(sessions) * seconds).checked_div(rest).unwrap_or_default();
    let rate = if within(1) > 0 {
        format!("{} new ones a second", within(1))
    } else {
        format!("{} new ones a minute", within(60))
    };
    format!("{sessions} two-leg sessions, at most {rate}: ports rest {rest} s between calls")
}

/// An address that an SBC can reach, as far as it can be known from here.
fn reachable(config: &Config, addresses: &Addresses) -> SocketAddr {
    let first = addresses.udp.first().copied().unwrap_or_else(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, 5060)));
    if let Some(ip) = config.server.advertised_address {
        return SocketAddr::new(ip, first.port());
    }
    if !first.ip().is_unspecified() {
        return first;
    }
    SocketAddr::new(outgoing_address().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), first.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_how_many_calls_a_second_the_ports_are_enough_for() {
        let told = carried("10000-20000".parse().unwrap());
        assert_eq!(told, "2500 two-leg sessions, at most 83 new ones a second: ports rest 30 s between calls");
        let told = carried("10000-10100".parse().unwrap());
        assert_eq!(told, "25 two-leg sessions, at most 50 new ones a minute: ports rest 30 s between calls");
    }
}
