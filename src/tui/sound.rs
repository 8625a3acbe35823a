//! What plays sound on this machine: a program that is there, where there is a device. A library of sound would have to be
//! installed by hand to build.

use std::path::{Path, PathBuf};

/// Programs that play WAV of their standard input, with the arguments that they do it by.
const PLAYERS: [&str; 4] =
    ["aplay -q -", "ffplay -nodisp -autoexit -loglevel error -i -", "play -q -t wav -", "mpv --no-terminal -"];

/// The first of the programs that is there.
pub(super) fn player() -> Option<String> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    has_device().then(|| of(&folders)).flatten()
}

fn of(folders: &[PathBuf]) -> Option<String> {
    let is_there = |line: &&&str| {
        let program = line.split(' ').next().unwrap_or_default();
        folders.iter().any(|folder| folder.join(program).is_file())
    };
    PLAYERS.iter().find(is_there).map(|line| (*line).to_owned())
}

/// One of the kernel's, or a server of sound.
fn has_device() -> bool {
    let plays = |name: &str| name.starts_with("pcm") && name.ends_with('p');
    let cards = std::fs::read_dir("/dev/snd").into_iter().flatten().flatten();
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let serves = |socket: &str| runtime.as_deref().is_some_and(|folder: &Path| folder.join(socket).exists());
    cards.into_iter().any(|entry| entry.file_name().to_str().is_some_and(plays))
        || std::env::var_os("PULSE_SERVER").is_some_and(|server| !server.is_empty())
        || ["pulse/native", "pipewire-0"].into_iter().any(serves)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_program_that_is_there_plays() {
        let folder = tempfile::tempdir().unwrap();
        let folders = [PathBuf::from("/nowhere"), folder.path().to_owned()];
        assert_eq!(of(&folders), None);
        std::fs::write(folder.path().join("mpv"), "").unwrap();
        assert_eq!(of(&folders).as_deref(), Some("mpv --no-terminal -"));
        std::fs::write(folder.path().join("ffplay"), "").unwrap();
        assert!(of(&folders).unwrap().starts_with("ffplay "));
    }
}
