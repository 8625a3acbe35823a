//! A file of more than 4 GiB, read by a program that is not ours. It is sparse: no disk holds its silence.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs::File;
use std::io::Write as _;
use std::process::Command;

use siprec_core::render::wav::{WavCoding, WavFormat};

#[test]
fn beyond_four_gibibytes_others_read_the_whole_length() {
    // 40 hours of stereo, one sample more than the largest RIFF, and the largest RIFF.
    let largest = (u64::from(u32::MAX) - 36) / 4;
    for frames in [40 * 3_600 * 8_000, largest + 1, largest] {
        let format = WavFormat { coding: WavCoding::Pcm16, sample_rate: 8_000, channels: 2, frames };
        let path = std::env::temp_dir().join(format!("siprec-rf64-{}-{frames}.wav", std::process::id()));
        let mut file = File::create(&path).unwrap();
        file.write_all(&format.header()).unwrap();
        file.set_len(format.file_bytes()).unwrap();
        let entries = "format=format_name:stream=channels,sample_rate,duration_ts";
        let arguments = ["-v", "error", "-of", "flat", "-show_entries", entries];
        let output = Command::new("ffprobe").args(arguments).arg(&path).output();
        std::fs::remove_file(&path).unwrap();
        let output = output.expect("ffprobe: `make test` installs it");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(format.is_rf64(), frames > largest);
        let whole = format!("duration_ts={frames}\n");
        assert!(said.contains(&whole) && said.contains("channels=2"), "{frames} frames: {said}");
    }
}
