//! A real terminal (tmux): keys go in, screens come out.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::{TempDir, becomes_true, until};

const SOON: Duration = Duration::from_secs(20);

/// A terminal of tmux's, with a shell in it.
#[derive(Debug)]
pub struct Terminal {
    /// tmux's own socket: other terminals are none of ours.
    socket: PathBuf,
    folder: TempDir,
}

impl Terminal {
    /// A terminal of this size, in `folder`.
    #[track_caller]
    pub fn open(width: u16, height: u16) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let folder = TempDir::new(&format!("terminal-{}", NUMBER.fetch_add(1, Ordering::Relaxed)));
        let terminal = Self { socket: folder.path().join("tmux"), folder };
        let (width, height) = (width.to_string(), height.to_string());
        let shell = "exec env -u NO_COLOR PS1='$ ' sh";
        let opened = terminal.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", &width, "-y", &height, shell]);
        assert!(opened.status.success(), "tmux: {}", String::from_utf8_lossy(&opened.stderr));
        terminal.must_show(&["$"]);
        terminal
    }

    /// Where files go that are named without a folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn tmux(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(&self.socket).args(arguments).current_dir(self.folder()).env("LC_ALL", "C.UTF-8");
        command.env_remove("TMUX").stdin(Stdio::null()).output().expect("tmux is there: make peers")
    }

    /// Keys by tmux's names, one after the other.
    pub fn keys(&self, keys: &[&str]) {
        assert!(self.tmux(&[&["send-keys"], keys].concat()).status.success());
    }

    /// Characters as they are.
    pub fn type_in(&self, text: &str) {
        assert!(self.tmux(&["send-keys", "-l", text]).status.success());
    }

    pub fn run(&self, line: &str) {
        self.type_in(line);
        self.keys(&["Enter"]);
    }

    pub fn seen(&self) -> String {
        String::from_utf8(self.tmux(&["capture-pane", "-p"]).stdout).unwrap()
    }

    /// What tmux says of it: `#{alternate_on}` ...
    pub fn says(&self, format: &str) -> String {
        String::from_utf8(self.tmux(&["display-message", "-p", format]).stdout).unwrap().trim().to_owned()
    }

    #[track_caller]
    pub fn must_show(&self, words: &[&str]) {
        let all = || words.iter().all(|word| self.seen().contains(word));
        assert!(becomes_true(SOON, all), "{words:?} are not seen in\n{}", self.seen());
    }

    #[track_caller]
    pub fn must_not_show(&self, word: &str) {
        assert!(becomes_true(SOON, || !self.seen().contains(word)), "{word} is seen in\n{}", self.seen());
    }

    /// The program that has the terminal.
    pub fn program(&self) -> u32 {
        let shell = self.says("#{pane_pid}");
        let children = format!("/proc/{shell}/task/{shell}/children");
        let child = || std::fs::read_to_string(&children).ok()?.split_whitespace().next()?.parse().ok();
        until(SOON, child).expect("nothing runs in the terminal")
    }

    /// The terminal is as it was: the shell's screen, its cursor, no mouse, and what is typed is seen.
    #[track_caller]
    pub fn must_be_restored(&self) {
        let state = "#{alternate_on}#{mouse_any_flag}#{cursor_flag}";
        assert!(becomes_true(SOON, || self.says(state) == "001"), "{}: {}", self.says(state), self.seen());
        static NUMBER: AtomicU32 = AtomicU32::new(100);
        let number = NUMBER.fetch_add(2, Ordering::Relaxed);
        let line = format!("echo still-$(({number} + 1))");
        self.run(&line);
        self.must_show(&[&line, &format!("still-{}", number + 1)]);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the terminal showed:\n{}", self.seen());
        }
        self.tmux(&["kill-server"]);
    }
}
