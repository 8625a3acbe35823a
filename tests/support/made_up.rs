//! Recordings that nobody made: a sheet, its audio, a signature, as the archive keeps them.

use super::recordings::sha256;
use siprec_core::render::{JournalSheet, Proof};
use siprec_core::seed::{RecordingId, SessionId};
use std::path::{Path, PathBuf};

/// The folder of their day, from the data directory on.
pub const DAY: &str = "recordings/2026/03/09";

/// Makes up the recording `id` in `data` with so many octets of audio; its id as its files have it.
pub fn record(data: &Path, id: u128, octets: usize) -> String {
    let folder = data.join(DAY);
    std::fs::create_dir_all(&folder).unwrap();
    let mut audio = vec![0; octets];
    let mut rng = super::Rng(u64::try_from(id).unwrap());
    for chunk in audio.chunks_mut(8) {
        chunk.copy_from_slice(&rng.number().to_le_bytes()[..chunk.len()]);
    }
    let (recording, session) = (RecordingId(id).to_string(), SessionId(id).to_string());
    let name = format!("{recording}.wav");
    let sheet = serde_json::json!({
        "format": 1, "siprec": "0", "id": recording, "state": "complete",
        "started_at": "2026-03-09T14:05:06.000Z", "ended_at": "2026-03-09T14:06:06.000Z", "duration_ms": 60_000,
        "ended_by": null,
        "recording_session": {
            "id": session, "call_id": "c", "src": "127.0.0.1:5060", "transport": null, "user_agent": null
        },
        "communication_session": null, "caller": { "aor": "sip:+4930123@pbx", "name": null }, "callee": null,
        "participants": [], "streams": [], "metadata": [],
        "files": [{
            "name": name, "bytes": octets, "sha256": sha256(&audio), "format": "wav", "sample_rate": 8000, "channels": 2,
            "frames": 0
        }],
        "proof": serde_json::to_value(Proof::default()).unwrap(),
        "journal": serde_json::to_value(JournalSheet::default()).unwrap(),
    });
    std::fs::write(folder.join(&name), audio).unwrap();
    std::fs::write(folder.join(format!("{recording}.json.sig")), [7; 64]).unwrap();
    std::fs::write(folder.join(format!("{recording}.json")), serde_json::to_vec_pretty(&sheet).unwrap()).unwrap();
    recording
}

/// A file of it.
pub fn file(data: &Path, recording: &str, end: &str) -> PathBuf {
    data.join(DAY).join(format!("{recording}{end}"))
}
