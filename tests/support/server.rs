//! The binary under test: started on ports and a folder of its own, watched, killed, started again.

use super::ports::Ports;
use super::{TempDir, process, until};
use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The binary under test: cargo builds it beside the folder of the tests, for each profile and target.
pub fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().join(format!("siprec{}", std::env::consts::EXE_SUFFIX))
}

/// What sealed servers seal with.
pub const MASTER_KEY: &str = "5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e";

/// Runs it over a data directory with `--set` settings: `arguments` are parted by spaces.
pub fn run(data: &Path, settings: &[String], arguments: &str) -> Output {
    let mut command = Command::new(binary());
    command.args(arguments.split(' ')).arg("--data-dir").arg(data);
    for set in settings {
        command.args(["--set", set]);
    }
    command.output().unwrap()
}

/// What it printed; a failure of it is one of the test's.
#[track_caller]
pub fn must_run(data: &Path, settings: &[String], arguments: &str) -> String {
    let output = run(data, settings, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A key of the API that `siprec config key new` makes, and its row of `auth.api_keys`.
#[track_caller]
pub fn new_key(arguments: &str) -> (String, String) {
    let output = Command::new(binary()).args(["config", "key", "new"]).args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let (key, row) = text.trim_end().split_once('\n').unwrap();
    (key.to_owned(), row.strip_prefix("- ").unwrap().to_owned())
}

/// How long a start may take on a busy machine.
const START_WITHIN: Duration = Duration::from_secs(20);
/// How long a stop may take.
const STOP_WITHIN: Duration = Duration::from_secs(20);
const TAIL_LINES: usize = 60;
/// What the allocator may keep of a rush.
const RSS_SLACK_KIB: usize = 48 * 1024;

/// How a server is to be started.
#[derive(Debug)]
pub struct Setup {
    ip: IpAddr,
    sessions: u16,
    set: Vec<String>,
    args: Vec<String>,
    environment: Vec<(String, String)>,
    data: Option<PathBuf>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            sessions: 70,
            set: vec!["archive.min_free=16MiB".into()],
            args: Vec::new(),
            environment: Vec::new(),
            data: None,
        }
    }
}

impl Setup {
    pub fn on(ip: IpAddr) -> Self {
        Self { ip, ..Self::default() }
    }

    /// Ports for so many sessions of two legs.
    #[must_use]
    pub fn sessions(mut self, sessions: u16) -> Self {
        self.sessions = sessions;
        self
    }

    /// One more `--set key=value`; a later one wins.
    #[must_use]
    pub fn set(mut self, key_value: &str) -> Self {
        let key = key_value.split('=').next().unwrap();
        self.set.retain(|s| s.split('=').next().unwrap() != key);
        self.set.push(key_value.into());
        self
    }

    /// Journals and recordings are sealed.
    #[must_use]
    pub fn sealed(self) -> Self {
        self.set("archive.seal.enabled=true").set(&format!("archive.seal.master_key={MASTER_KEY}"))
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.into());
        self
    }

    /// A variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// A data directory the caller owns.
    #[must_use]
    pub fn data(mut self, dir: &Path) -> Self {
        self.data = Some(dir.into());
        self
    }

    #[track_caller]
    pub fn start(self) -> Server {
        let ports = Ports::for_sessions(self.sessions);
        let temp = TempDir::new("serve");
        let mut server = Server {
            sip: SocketAddr::new(self.ip, ports.sip()),
            tls: SocketAddr::new(self.ip, ports.tls()),
            api: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), ports.api()),
            data: self.data.clone().unwrap_or_else(|| temp.path().join("data")),
            setup: self,
            ports,
            running: None,
            said: Arc::default(),
            temp,
        };
        server.restart();
        server
    }
}

/// A line of the server's output and when it came.
#[derive(Debug, Clone)]
pub struct Line {
    pub at: Instant,
    pub text: String,
}

/// A server under test.
#[derive(Debug)]
pub struct Server {
    pub sip: SocketAddr,
    /// Where SIP over TLS is received, if it is.
    pub tls: SocketAddr,
    /// Where the API is.
    pub api: SocketAddr,
    pub data: PathBuf,
    setup: Setup,
    ports: Ports,
    running: Option<Child>,
    said: Arc<Mutex<Said>>,
    temp: TempDir,
}

#[derive(Debug, Default)]
struct Said {
    stdout: Vec<Line>,
    stderr: Vec<Line>,
    /// Ends of stdout: one a process.
    closed: usize,
}

impl Server {
    /// With all defaults.
    #[track_caller]
    pub fn start() -> Self {
        Setup::default().start()
    }

    /// The command line, from the binary on.
    pub fn command(&self) -> Command {
        let (first, last) = self.ports.media();
        let mut command = Command::new(binary());
        command.args(["serve", "--data-dir"]).arg(&self.data);
        command.arg("--set").arg(format!("server.address={}", self.sip));
        command.arg("--set").arg(format!("server.tls.address={}", self.tls));
        command.arg("--set").arg(format!("api.address={}", self.api));
        command.arg("--set").arg(format!("media.port_range={first}-{last}"));
        for set in &self.setup.set {
            command.args(["--set", set]);
        }
        command.args(&self.setup.args);
        command.envs(self.setup.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts it (again), on the same ports and folder, and waits until it says `ready`.
    #[track_caller]
    pub fn restart(&mut self) {
        assert!(self.running.is_none(), "it still runs");
        let before = self.readies();
        let mut child =
            self.command().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        collect(child.stdout.take().unwrap(), self.said.clone(), true);
        collect(child.stderr.take().unwrap(), self.said.clone(), false);
        self.running = Some(child);
        let ready = until(START_WITHIN, || {
            if self.readies() > before {
                return Some(true);
            }
            let child = self.running.as_mut()?;
            child.try_wait().unwrap().map(|_| false)
        });
        assert_eq!(ready, Some(true), "the server did not say `ready`; it said:\n{}", self.tail());
    }

    fn readies(&self) -> usize {
        super::src::lock(&self.said).stdout.iter().filter(|l| l.text == "ready").count()
    }

    /// When it said `ready` last.
    pub fn ready_at(&self) -> Instant {
        super::src::lock(&self.said).stdout.iter().rev().find(|l| l.text == "ready").expect("never ready").at
    }

    pub fn pid(&self) -> u32 {
        self.running.as_ref().expect("not running").id()
    }

    /// `kill -9`; gone when this returns.
    pub fn kill(&mut self) {
        let mut child = self.running.take().expect("not running");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM, and its exit status.
    #[track_caller]
    pub fn terminate(&mut self) -> ExitStatus {
        process::signal(self.pid(), libc::SIGTERM);
        let mut child = self.running.take().unwrap();
        let status = until(STOP_WITHIN, || child.try_wait().unwrap());
        if status.is_none() {
            child.kill().unwrap();
        }
        status.unwrap_or_else(|| panic!("SIGTERM did not end it in {STOP_WITHIN:?}:\n{}", self.tail()))
    }

    /// Whether the process is still there.
    pub fn lives(&mut self) -> bool {
        self.running.as_mut().is_some_and(|c| c.try_wait().unwrap().is_none())
    }

    /// What the process uses.
    pub fn usage(&self) -> process::Usage {
        process::usage(self.pid()).unwrap_or_else(|| panic!("the server is gone:\n{}", self.tail()))
    }

    /// Everything printed on stdout, since the first start.
    pub fn stdout(&self) -> Vec<Line> {
        super::src::lock(&self.said).stdout.clone()
    }

    /// Everything printed on stderr, since the first start.
    pub fn log(&self) -> String {
        super::src::lock(&self.said).stderr.iter().map(|line| format!("{}\n", line.text)).collect()
    }

    /// Waits for a line of the log that has all of `words`.
    #[track_caller]
    pub fn must_say(&self, words: &[&str]) -> String {
        let has_all = |line: &&Line| words.iter().all(|word| line.text.contains(word));
        let said = until(START_WITHIN, || {
            super::src::lock(&self.said).stderr.iter().find(has_all).map(|line| line.text.clone())
        });
        said.unwrap_or_else(|| panic!("the log does not say {words:?}:\n{}", self.tail()))
    }

    /// The last lines of both outputs.
    pub fn tail(&self) -> String {
        let said = super::src::lock(&self.said);
        let last = |lines: &[Line]| {
            let from = lines.len().saturating_sub(TAIL_LINES);
            lines[from..].iter().map(|l| format!("    {}\n", l.text)).collect::<String>()
        };
        format!("  stdout:\n{}  stderr:\n{}", last(&said.stdout), last(&said.stderr))
    }

    /// Sessions, descriptors, threads and memory must be back where they were; says what is not.
    pub fn left_over(&self, before: process::Usage, within: Duration) -> Option<String> {
        let live = || std::fs::read_dir(self.data.join("journals/live")).map_or(0, |d| d.flatten().count());
        let back = super::becomes_true(within, || {
            let now = self.usage();
            live() == 0
                && now.descriptors <= before.descriptors
                && now.threads <= before.threads
                && now.rss_kib <= before.rss_kib + RSS_SLACK_KIB
        });
        if back {
            return None;
        }
        // Whose journals those are: the first Call-ID in each.
        let whose = super::files_below(&self.data.join("journals/live")).into_iter().map(|file| {
            let bytes = std::fs::read(&file).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let call_id = text.lines().find(|l| l.to_ascii_lowercase().starts_with("call-id") || l.starts_with("i:"));
            call_id.unwrap_or("a journal without Call-ID").trim().to_owned()
        });
        let whose: Vec<String> = whose.collect();
        Some(format!("not back at the start: {before:?}, now {:?}, live: {whose:?}", self.usage()))
    }

    /// A panic in a thread of the server is a fault, even if the rest goes on.
    #[track_caller]
    pub fn assert_never_panicked(&self) {
        let said = super::src::lock(&self.said);
        let panics: Vec<_> = said.stderr.iter().filter(|l| l.text.contains("panicked at")).map(|l| &l.text).collect();
        assert!(panics.is_empty(), "the server panicked: {panics:#?}");
    }

    /// Its traffic, in the words of a capture filter.
    pub fn filter(&self) -> String {
        let (first, last) = self.ports.media();
        format!("port {} or portrange {first}-{last}", self.sip.port())
    }

    /// A folder for whatever belongs to this test.
    pub fn scratch(&self) -> &Path {
        self.temp.path()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.running.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("the server at {} said last:\n{}", self.sip, self.tail());
        }
    }
}

fn collect(from: impl Read + Send + 'static, into: Arc<Mutex<Said>>, stdout: bool) {
    std::thread::spawn(move || {
        for text in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            let line = Line { at: Instant::now(), text: String::from_utf8_lossy(&text).trim_end().to_owned() };
            let mut said = super::src::lock(&into);
            if stdout { said.stdout.push(line) } else { said.stderr.push(line) }
        }
        if stdout {
            super::src::lock(&into).closed += 1;
        }
    });
}
