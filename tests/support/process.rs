//! A process as `/proc` shows it.

use std::path::PathBuf;

/// What must be back at the start when the work is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    pub descriptors: usize,
    pub threads: usize,
    pub rss_kib: usize,
}

/// What the process uses now; `None` when it is gone.
pub fn usage(pid: u32) -> Option<Usage> {
    let proc = PathBuf::from(format!("/proc/{pid}"));
    let descriptors = std::fs::read_dir(proc.join("fd")).ok()?.count();
    let status = std::fs::read_to_string(proc.join("status")).ok()?;
    let field = |name: &str| {
        let line = status.lines().find(|l| l.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<usize>().ok()
    };
    Some(Usage { descriptors, threads: field("Threads:")?, rss_kib: field("VmRSS:")? })
}

/// The id of a process's thread of that name.
#[track_caller]
pub fn thread(pid: u32, name: &str) -> i32 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let is_named = |comm: String| comm.trim_end() == name;
    let found = tasks.flatten().find(|task| std::fs::read_to_string(task.path().join("comm")).is_ok_and(is_named));
    let found = found.unwrap_or_else(|| panic!("process {pid} has no thread '{name}'"));
    found.file_name().to_str().unwrap().parse().unwrap()
}

/// Sends a signal.
pub fn signal(pid: u32, signal: i32) {
    let pid = libc::pid_t::try_from(pid).unwrap();
    // SAFETY: kill(2) touches no memory of ours.
    let done = unsafe { libc::kill(pid, signal) };
    assert_eq!(done, 0, "kill {pid}: {}", std::io::Error::last_os_error());
}

/// Lifts the number of files this test process may open to what the kernel allows.
pub fn raise_file_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` outlives both calls.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
    }
}

/// Asks for the calling thread to be run before others; a machine that says no is not told twice.
pub fn prefer_this_thread() {
    // SAFETY: setpriority(2) touches no memory of ours; 0 means the calling thread.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -10) };
}
