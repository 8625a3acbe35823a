//! Who does something, and from where.

use std::path::Path;

use rustix::process::getuid;

/// The kernel's names of this machine and of the terminal that standard input is.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";
const STDIN: &str = "/proc/self/fd/0";
const USERS: &str = "/etc/passwd";

/// Who does something, and from where, as the log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// A user of the machine (`alice (uid 1000)`), the server (`siprec serve`), or a user of the API.
    pub who: String,
    /// The machine, with terminal and SSH client if there are any; the address of a peer.
    pub from: String,
}

impl Origin {
    /// The server itself.
    pub fn server() -> Self {
        Self { who: "siprec serve".to_owned(), from: host_name() }
    }

    /// Who runs this process. The uid is the kernel's; by whose `sudo` it is so, and the SSH client's address, are what the
    /// environment says.
    pub fn of_process() -> Self {
        let uid = getuid().as_raw();
        let users = std::fs::read_to_string(USERS).unwrap_or_default();
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let name = user_name(&users, uid).or_else(|| variable("LOGNAME")).unwrap_or_else(|| "unknown".to_owned());
        let sudo = variable("SUDO_USER").map(|user| format!(", sudo by {user}")).unwrap_or_default();
        let terminal = std::fs::read_link(STDIN).ok().and_then(|path| terminal(&path)).unwrap_or_default();
        let client = variable("SSH_CONNECTION").and_then(|line| ssh_client(&line)).unwrap_or_default();
        Self { who: format!("{name} (uid {uid}{sudo})"), from: format!("{}{terminal}{client}", host_name()) }
    }
}

fn host_name() -> String {
    let name = std::fs::read_to_string(HOST_NAME).unwrap_or_default();
    if name.trim().is_empty() { "localhost".to_owned() } else { name.trim().to_owned() }
}

fn user_name(users: &str, uid: u32) -> Option<String> {
    let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let mut named = fields.filter(|fields| fields.get(2).and_then(|id| id.parse().ok()) == Some(uid));
    named.find_map(|fields| fields.first().map(|name| (*name).to_owned()))
}

fn terminal(stdin: &Path) -> Option<String> {
    let name = stdin.strip_prefix("/dev").ok()?.to_str()?;
    (name.starts_with("pts/") || name.starts_with("tty")).then(|| format!(" {name}"))
}

/// `SSH_CONNECTION`: client address, client port, server address, server port.
fn ssh_client(line: &str) -> Option<String> {
    let address: std::net::IpAddr = line.split(' ').next()?.parse().ok()?;
    Some(format!(" ssh {address}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_told_by_name_terminal_and_address() {
        let users = "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\nodd line\n";
        assert_eq!(user_name(users, 1000).as_deref(), Some("alice"));
        assert_eq!(user_name(users, 7), None);
        assert_eq!(terminal(Path::new("/dev/pts/3")).as_deref(), Some(" pts/3"));
        assert_eq!(terminal(Path::new("/dev/null")), None);
        assert_eq!(ssh_client("192.0.2.9 50000 198.51.100.1 22").as_deref(), Some(" ssh 192.0.2.9"));
        assert_eq!(ssh_client("x; rm"), None);
        let origin = Origin::of_process();
        assert!(origin.who.contains(&format!("(uid {}", getuid().as_raw())), "{origin:?}");
        assert!(!origin.from.is_empty() && Origin::server().who == "siprec serve");
    }
}
