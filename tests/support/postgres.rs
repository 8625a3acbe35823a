//! A PostgreSQL of the tests' own: a cluster in a temporary folder, on a free port, from the machine's package; gone after.

use super::TempDir;
use super::tls::Identity;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How long a start may take on a busy machine.
const START_WITHIN: Duration = Duration::from_secs(30);

/// The superuser's and everybody else's; at home only here.
const PASSWORD: &str = "p@ss/word";

/// The same in a URL.
const PASSWORD_IN_URL: &str = "p%40ss%2Fword";

/// PostgreSQL refuses to run as root: then it is this user.
const NOBODY: u32 = 65534;

/// A running, or stopped, server.
#[derive(Debug)]
pub struct Cluster {
    bin: PathBuf,
    port: u16,
    running: Mutex<Option<Child>>,
    temp: TempDir,
}

impl Cluster {
    /// The one that the tests of this process share while any of them runs.
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cluster) = shared.upgrade() {
            return cluster;
        }
        let cluster = Arc::new(Self::start());
        *shared = Arc::downgrade(&cluster);
        cluster
    }

    /// One that a test may stop.
    pub fn start() -> Self {
        let cluster = Self::make();
        cluster.run();
        cluster
    }

    /// One that speaks only TLS, and shows `identity`.
    pub fn start_with_tls(identity: &Identity) -> Self {
        let cluster = Self::make();
        for (from, to) in [(&identity.cert, "server.crt"), (&identity.key, "server.key")] {
            let to = cluster.data().join(to);
            std::fs::copy(from, &to).unwrap();
            std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o600)).unwrap();
            give_away(&to);
        }
        cluster.configure("ssl = on\n");
        std::fs::write(cluster.data().join("pg_hba.conf"), "hostssl all all 127.0.0.1/32 scram-sha-256\n").unwrap();
        cluster.run();
        cluster
    }

    fn make() -> Self {
        let temp = TempDir::new("postgres");
        give_away(temp.path());
        let port = super::ports::single();
        let cluster = Self { bin: programs(), port, running: Mutex::new(None), temp };
        let password_file = cluster.temp.path().join("password");
        std::fs::write(&password_file, PASSWORD).unwrap();
        give_away(&password_file);
        let arguments = ["--auth=scram-sha-256", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync"];
        let made =
            cluster.command("initdb").args(arguments).arg("--pwfile").arg(&password_file).arg(cluster.data()).output();
        let made = made.unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        // What a test writes need not outlive the machine.
        cluster.configure(
            "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\nfsync = off\nmax_connections = 50\n",
        );
        cluster
    }

    fn configure(&self, lines: &str) {
        let path = self.data().join("postgresql.conf");
        let before = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, before + lines).unwrap();
    }

    fn data(&self) -> PathBuf {
        self.temp.path().join("data")
    }

    /// Starts it, on the port of before.
    pub fn run(&self) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.temp.path().join("log")).unwrap();
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data()).arg("-p").arg(self.port.to_string());
        let mut child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let begin = Instant::now();
        loop {
            let mut ready = Command::new(self.bin.join("pg_isready"));
            let ready = ready.args(["-q", "-h", "127.0.0.1", "-p"]).arg(self.port.to_string()).status().unwrap();
            if ready.success() {
                break;
            }
            let ended = child.try_wait().unwrap();
            let log = std::fs::read_to_string(self.temp.path().join("log")).unwrap_or_default();
            assert!(ended.is_none() && begin.elapsed() < START_WITHIN, "postgres does not start:\n{log}");
            super::pause(Duration::from_millis(20));
        }
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
    }

    /// Stops it, breaking its connections.
    pub fn stop(&self) {
        let Some(mut child) = self.running.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        super::process::signal(child.id(), libc::SIGINT);
        child.wait().unwrap();
    }

    /// A new database, as a connection string.
    pub fn database(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.address(&name)
    }

    /// The connection string of a database.
    pub fn address(&self, database: &str) -> String {
        format!("postgres://postgres:{PASSWORD_IN_URL}@127.0.0.1:{}/{database}", self.port)
    }

    /// What psql prints for `sql` in a database, given by name or connection string.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let address = if database.contains("://") { database.to_owned() } else { self.address(database) };
        let mut psql = Command::new(self.bin.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &address, "-c", sql]);
        let said = psql.stdin(Stdio::null()).output().unwrap();
        assert!(said.status.success(), "{sql}: {}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8(said.stdout).unwrap().trim().to_owned()
    }

    /// One of the package's programs, as a user that it runs for.
    fn command(&self, program: &str) -> Command {
        let program = self.bin.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args([format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")]).arg("--clear-groups").arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(self.temp.path()).env("LC_ALL", "C").stdin(Stdio::null());
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Where Debian puts what belongs to one version; the newest.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|version| Some((version.file_name().to_str()?.parse().ok()?, version.path().join("bin"))))
        .filter(|(_, bin)| bin.join("initdb").exists())
        .collect();
    found.sort();
    found.pop().expect("PostgreSQL is not installed: apt-get install postgresql").1
}

fn is_root() -> bool {
    // SAFETY: geteuid(2) touches no memory.
    unsafe { libc::geteuid() == 0 }
}

/// Makes a file the server's.
fn give_away(path: &Path) {
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}
