//! Data directories made up for the tests of `siprec export`, and the binary run over them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use sha2::{Digest, Sha256};
use siprec::archive::catalog::{Catalog, Record};
use siprec::archive::recordings::{day_folder, hexadecimal};
use siprec_core::render::{
    ChannelName, FileCoding, FileSheet, JournalSheet, Party, Proof, RecordingSession, Rendition, Sidecar, State,
    StreamSheet, wav,
};
use siprec_core::seed::{RecordingId, SessionId};
use siprec_core::time::Wall;
use siprec_core::vendor::CallIds;

/// 2026-11-20T00:00:00Z
pub(crate) const FRIDAY: i64 = 1_795_132_800_000_000_000;
pub(crate) const HOUR: i64 = 3_600_000_000_000;

/// A folder with a data directory, and the binary beside it.
pub(crate) struct House {
    folder: tempfile::TempDir,
}

pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl House {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    pub(crate) fn catalog(&self) -> Catalog {
        fs::create_dir_all(self.path("data")).unwrap();
        Catalog::open(&self.path("data")).unwrap()
    }

    pub(crate) fn record(&self, n: u128, at: i64, caller: &str, name: Option<&str>) -> Record {
        self.keep(&sidecar(n, at, caller, name))
    }

    /// Writes files, sidecar and row.
    pub(crate) fn keep(&self, sidecar: &Sidecar) -> Record {
        let day = day_folder(start_of(sidecar));
        let folder = self.path("data").join(&day);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{}.wav", sidecar.id)), audio(sidecar.id.0)).unwrap();
        fs::write(folder.join(format!("{}.json", sidecar.id)), serde_json::to_vec(sidecar).unwrap()).unwrap();
        let record = Record::of(sidecar, &day).unwrap();
        self.catalog().put(&record).unwrap();
        record
    }

    /// Signs the sheet of recording `n` of Friday, as the server does; of none, only makes the key.
    pub(crate) fn sign(&self, n: u128) {
        let key = siprec::archive::proof_key::ProofKey::load(&self.path("data")).unwrap();
        let sheet = self.path("data").join(day_folder(Wall(FRIDAY))).join(format!("{}.json", RecordingId(n)));
        if let Ok(text) = fs::read(&sheet) {
            fs::write(sheet.with_extension("json.sig"), key.sign(&text).unwrap()).unwrap();
        }
    }

    /// Only rows, many.
    pub(crate) fn keep_rows(&self, count: u128) {
        let record = Record::of(&sidecar(1, FRIDAY, "sip:a@b", None), &day_folder(Wall(FRIDAY))).unwrap();
        let numbered = |n| {
            let mut record = record.clone();
            record.row.id = RecordingId(n);
            record
        };
        self.catalog().rebuild((0..count).map(numbered)).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_siprec"));
        command.args(arguments).env_clear().current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said { code: status.code().unwrap(), out: text(stdout), err: text(stderr) }
    }

    pub(crate) fn export(&self, arguments: &str) -> Said {
        let mut all = vec!["export", "--data-dir", "data"];
        all.extend(arguments.split_whitespace());
        self.run(&all)
    }

    pub(crate) fn ids(&self, arguments: &str) -> Vec<u128> {
        let said = self.export(&format!("--dry-run --json {arguments}"));
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{arguments}");
        let id = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["id"].as_str().unwrap().parse::<RecordingId>().unwrap().0
        };
        said.out.lines().map(id).collect()
    }
}

pub(crate) fn start_of(sidecar: &Sidecar) -> Wall {
    siprec::archive::selection::date_time(&sidecar.started_at).unwrap()
}

/// A second of stereo that no other recording has.
pub(crate) fn audio(n: u128) -> Vec<u8> {
    let mut bytes =
        wav::WavFormat { coding: wav::WavCoding::Pcm16, sample_rate: 8000, channels: 2, frames: 8000 }.header();
    let seed = i16::try_from(n).unwrap();
    let samples: Vec<i16> = (0..16_000_i16).map(|i| i.wrapping_mul(seed | 1)).collect();
    wav::append_samples(&mut bytes, &samples);
    bytes
}

pub(crate) fn sidecar(n: u128, at: i64, caller: &str, name: Option<&str>) -> Sidecar {
    let audio = audio(n);
    let stream = StreamSheet {
        port: 10_000,
        m_line: 0,
        label: Some("1".to_owned()),
        content: Vec::new(),
        channel: ChannelName::Left,
        file: Some(0),
        participants: Vec::new(),
        codecs: vec!["PCMA/8000".to_owned()],
        sources: Vec::new(),
        rendered: true,
        why_not: None,
    };
    Sidecar {
        format: 1,
        siprec: "0.1.0".to_owned(),
        id: RecordingId(n),
        state: State::Complete,
        started_at: Wall(at).rfc3339(),
        ended_at: Wall(at + 1_000_000_000).rfc3339(),
        duration_ms: 1000,
        ended_by: None,
        recording_session: RecordingSession { id: Some(SessionId(n)), ..RecordingSession::default() },
        communication_session: None,
        call: CallIds::default(),
        tags: Vec::new(),
        caller: Some(Party { aor: caller.to_owned(), name: name.map(str::to_owned) }),
        callee: Some(Party { aor: "sip:help@example.com".to_owned(), name: None }),
        participants: Vec::new(),
        streams: vec![stream],
        digits: Vec::new(),
        text: Vec::new(),
        metadata: Vec::new(),
        rendition: Rendition::default(),
        recompressed: None,
        files: vec![FileSheet {
            coding: FileCoding::Pcm16,
            voices: Vec::new(),
            name: format!("{}.wav", RecordingId(n)),
            bytes: audio.len() as u64,
            sha256: hexadecimal(&Sha256::digest(&audio)),
            format: "wav".to_owned(),
            sample_rate: 8000,
            channels: 2,
            frames: 8000,
            levels: None,
            sealed: None,
        }],
        proof: Proof::default(),
        journal: JournalSheet::default(),
    }
}

/// All files below a folder, with their content.
pub(crate) fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.strip_prefix(folder).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    files
}
