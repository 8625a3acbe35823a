//! vCons of made-up sheets, by the module's own functions; `tests/vcon.rs` has others judge what the binary makes.

use super::*;
use crate::archive::disk::RealDisk;
use crate::archive::proof_key::{ProofKey, PublicKey};
use crate::archive::recordings::hexadecimal;
use crate::archive::sealed::{MasterKeys, SealedDisk};
use crate::archive::storage::fixture;
use crate::export::source::Targets;
use crate::export::stop::Stop;
use serde_json::{Value, json};
use sha2::Sha256;
use siprec_core::render::{FileSheet, Participant, Party, Sidecar, VoiceSheet};
use std::path::PathBuf;
use std::sync::Arc;

/// A data directory with one recording in it.
struct House {
    folder: tempfile::TempDir,
    archive: Archive,
    stop: Stop,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(SealedDisk::new(Arc::new(RealDisk), MasterKeys::default(), false));
        let targets = Targets::new(|| anyhow::bail!("a target that cannot be made"));
        let archive = Archive { disk, data: folder.path().join("data"), targets };
        std::fs::create_dir_all(&archive.data).unwrap();
        Self { folder, archive, stop: Stop::by_hand().0 }
    }

    fn to(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    /// Keeps a recording with files of such audio.
    fn keep(&self, mut sidecar: Sidecar, audio: &[&[u8]]) -> Found {
        let day = PathBuf::from("2026/03/09");
        let folder = self.archive.data.join("recordings").join(&day);
        std::fs::create_dir_all(&folder).unwrap();
        for (index, octets) in audio.iter().enumerate() {
            let name = format!("{}-{index}.wav", sidecar.id);
            std::fs::write(folder.join(&name), octets).unwrap();
            let file = json!({
                "name": name, "bytes": octets.len(), "sha256": hexadecimal(&Sha256::digest(octets)), "format": "wav",
                "sample_rate": 8000, "channels": 2, "frames": 0
            });
            let mut file: FileSheet = serde_json::from_value(file).unwrap();
            if let Some(known) = sidecar.files.get(index) {
                (file.voices, file.channels) = (known.voices.clone(), known.channels);
                sidecar.files[index] = file;
            } else {
                sidecar.files.push(file);
            }
        }
        let text = serde_json::to_vec(&sidecar).unwrap();
        let sheet = folder.join(format!("{}.json", sidecar.id));
        let signature = std::fs::read(sheet.with_added_extension("sig")).ok();
        Found { sheet, day, text, signature, sidecar }
    }

    fn signer(&self) -> Signer {
        ProofKey::load(&self.archive.data).unwrap();
        Signer::read(&self.archive.data).unwrap()
    }

    fn make(&self, found: &Found, audio: &AudioPlace, signer: Option<&Signer>) -> Result<Outcome> {
        let maker = Maker { archive: &self.archive, audio, signer, stop: &self.stop };
        let mut copier = Copier::new(self.archive.clone(), &self.to(), self.stop.clone());
        maker.make(&mut copier, &self.to(), found, &mut |_| {})
    }

    fn path(&self, found: &Found) -> PathBuf {
        self.to().join(&found.day).join(format!("{}{ENDING}", found.sidecar.id))
    }

    fn made(&self, found: &Found) -> Value {
        assert_eq!(self.make(found, &AudioPlace::Inline, None).unwrap(), Outcome::Copied);
        serde_json::from_slice(&std::fs::read(self.path(found)).unwrap()).unwrap()
    }
}

fn person(id: &str, aor: &str, name: Option<&str>) -> Participant {
    let (joined_at, left_at) = (Some("2026-03-09T14:05:06.000Z".to_owned()), None);
    Participant {
        id: id.to_owned(),
        aor: aor.to_owned(),
        name: name.map(str::to_owned),
        joined_at,
        left_at,
        labels: Vec::new(),
    }
}

fn voice(channel: &str, label: &str, participants: &[&str]) -> VoiceSheet {
    serde_json::from_value(json!({ "channel": channel, "label": label, "participants": participants })).unwrap()
}

/// Bob calls Ada; a supervisor of whom nothing is known is heard, too.
fn call() -> Sidecar {
    let mut sidecar = fixture::sidecar(0x01a2_261c_e420_7449_9e54_e09b_a50d_0382);
    sidecar.duration_ms = 3020;
    sidecar.caller = Some(Party { aor: "sip:+4930123@pbx".to_owned(), name: Some("Bob".to_owned()) });
    sidecar.callee = Some(Party { aor: "sip:ada@pbx".to_owned(), name: None });
    sidecar.participants = vec![
        person("A", "sip:ada@pbx", Some("Ada")),
        person("B", "sip:+4930123@pbx", Some("Bob")),
        person("C", "", None),
    ];
    sidecar
}

fn file_of(voices: Vec<VoiceSheet>, channels: u16) -> FileSheet {
    let file = json!({
        "name": "", "bytes": 0, "sha256": "", "format": "wav", "sample_rate": 8000, "channels": channels, "frames": 0
    });
    FileSheet { voices, ..serde_json::from_value(file).unwrap() }
}

#[test]
fn who_spoke_stands_where_the_draft_has_it() {
    let house = House::new();
    let mut sidecar = call();
    sidecar.files = vec![
        file_of(vec![voice("left", "1", &["B"]), voice("right", "2", &["A"])], 2),
        file_of(vec![voice("left", "3", &["C"]), voice("left", "4", &[])], 2),
        file_of(vec![voice("mono", "2", &["A"])], 1),
    ];
    let found = house.keep(sidecar, &[b"RIFF one", b"RIFF two.", b"RIFF three"]);
    let vcon = house.made(&found);
    assert_eq!(vcon["vcon"], "0.4.0");
    assert_eq!(vcon["uuid"], "01a2261c-e420-8449-9e54-e09ba50d0382", "version 8, all else the recording's");
    assert_eq!(vcon["created_at"], found.sidecar.ended_at);
    let bob = json!({ "tel": "+4930123", "sip": "sip:+4930123@pbx", "name": "Bob", "validation": "none" });
    let ada = json!({ "sip": "sip:ada@pbx", "name": "Ada", "validation": "none" });
    let recorder = json!({ "name": "siprec 0", "validation": "none", "type": "bot" });
    assert_eq!(vcon["parties"], json!([bob, ada, {}, {}, recorder]));
    let parties: Vec<&Value> = (0..3).map(|n| &vcon["dialog"][n]["parties"]).collect();
    assert_eq!(parties, [&json!([0, 1]), &json!([[2, 3], null]), &json!(1)]);
    let originators: Vec<&Value> = (0..3).map(|n| &vcon["dialog"][n]["originator"]).collect();
    assert_eq!(originators, [&Value::Null, &json!(0), &json!(0)]);
    let first = &vcon["dialog"][0];
    assert_eq!(
        (&first["type"], &first["duration"], &first["mediatype"]),
        (&json!("recording"), &json!(3.02), &json!("audio/x-wav"))
    );
    assert_eq!((&first["encoding"], &first["start"]), (&json!("base64url"), &json!(found.sidecar.started_at)));
    assert_eq!(first["party_history"][0], json!({ "party": 0, "time": "2026-03-09T14:05:06.000Z", "event": "join" }));
    assert_eq!(BASE64_URL_SAFE_NO_PAD.decode(vcon["dialog"][2]["body"].as_str().unwrap()).unwrap(), b"RIFF three");
    let sheet = &vcon["attachments"][0];
    assert_eq!((sheet["body"].as_str().unwrap().as_bytes(), &sheet["party"]), (&found.text[..], &json!(4)));
}

#[test]
fn what_was_heard_by_nobody_and_of_nobody_is_a_vcon_too() {
    let house = House::new();
    let vcon = house.made(&house.keep(fixture::sidecar(7), &[]));
    assert_eq!(vcon["dialog"].as_array().unwrap().len(), 1);
    assert_eq!((&vcon["dialog"][0]["parties"], &vcon["dialog"][0]["body"]), (&json!([]), &Value::Null));
    let mut sidecar = fixture::sidecar(8);
    sidecar.caller = Some(Party { aor: "tel:+1".to_owned(), name: None });
    let vcon = house.made(&house.keep(sidecar, &[b"x"]));
    assert_eq!(vcon["dialog"][0]["parties"], json!([0, null]), "a sheet that does not say whose voices");
    assert_eq!(vcon["dialog"][0]["duration"], 60);
}

#[test]
fn it_is_made_once_and_again_only_where_it_is_changed() {
    let house = House::new();
    let signer = house.signer();
    let lengths = [0, 1, 2, 3, 4, 300_001];
    for (n, length) in lengths.into_iter().enumerate() {
        let octets: Vec<u8> = (0..length).map(|at: u32| (at % 251) as u8).collect();
        let found = house.keep(fixture::sidecar(n as u128 + 1), &[&octets, b"more"]);
        for signer in [None, Some(&signer)] {
            let make = || house.make(&found, &AudioPlace::Inline, signer).unwrap();
            assert_eq!((make(), make()), (Outcome::Copied, Outcome::Present), "{length}");
            let whole = std::fs::read(house.path(&found)).unwrap();
            for at in [0, whole.len() / 3, whole.len() / 2, whole.len() - 20, whole.len() - 1] {
                let mut changed = whole.clone();
                changed[at] ^= 1;
                std::fs::write(house.path(&found), &changed).unwrap();
                assert_eq!(make(), Outcome::Copied, "octet {at} of {length}");
                assert!(std::fs::read(house.path(&found)).unwrap() == whole, "the same each time");
            }
            for cut in [whole.len() - 1, whole.len() / 2, 0] {
                std::fs::write(house.path(&found), &whole[..cut]).unwrap();
                assert_eq!(make(), Outcome::Copied, "cut to {cut}");
            }
            std::fs::write(house.path(&found), [&whole[..], b" "].concat()).unwrap();
            assert_eq!(make(), Outcome::Copied, "something behind it");
        }
    }
}

#[test]
fn damaged_audio_gets_into_none() {
    let house = House::new();
    let found = house.keep(call(), &[b"RIFF"]);
    let file = found.sheet.with_file_name(&found.sidecar.files[0].name);
    std::fs::write(&file, b"RIFX").unwrap();
    let error = house.make(&found, &AudioPlace::Inline, None).unwrap_err();
    assert!(error.to_string().contains("is damaged"), "{error:#}");
    // No target is made before audio is not here.
    std::fs::remove_file(&file).unwrap();
    let error = house.make(&found, &AudioPlace::Inline, None).unwrap_err();
    assert!(format!("{error:#}").contains("a target that cannot be made"), "{error:#}");
    let left = std::fs::read_dir(house.to().join(&found.day)).unwrap().count();
    assert_eq!(left, 0, "nothing half is left");
}

#[test]
fn a_signed_one_verifies_and_no_octet_can_change() {
    let house = House::new();
    let signer = house.signer();
    let found = house.keep(call(), &[b"RIFF of somebody"]);
    house.make(&found, &AudioPlace::Beside, Some(&signer)).unwrap();
    let key = PublicKey::read(&house.archive.data.join("siprec-proof.pub")).unwrap();
    let other = tempfile::tempdir().unwrap();
    let strangers = ProofKey::load(other.path()).unwrap();
    let stranger = strangers.public();
    let path = house.path(&found);
    let told = |keys: &[PublicKey]| faults(&path, keys);
    assert_eq!(told(&[stranger.clone(), key.clone()]), [""; 0]);
    assert!(told(&[stranger])[0].contains("by any of the keys"));
    let whole = std::fs::read(&path).unwrap();
    let text = String::from_utf8(whole.clone()).unwrap();
    let header = text.find("\"x5c\"").unwrap()..text.find("\"protected\"").unwrap();
    for at in (0..whole.len()).filter(|at| !header.contains(at)) {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        std::fs::write(&path, &changed).unwrap();
        assert_ne!(told(std::slice::from_ref(&key)), [""; 0], "octet {at}");
    }
    // What lies outside of the signature is held against what lies inside.
    let uuid = document::uuid(&found.sidecar);
    std::fs::write(&path, text.replacen(&uuid, "01a2261c-e420-8449-9e54-e09ba50d0383", 1)).unwrap();
    assert!(told(std::slice::from_ref(&key))[0].contains("uuid"));
    let certificate = |key: &ProofKey| base64::prelude::BASE64_STANDARD.encode(key.certificate().unwrap());
    let (own, others) = (certificate(&ProofKey::read(&house.archive.data).unwrap()), certificate(&strangers));
    std::fs::write(&path, text.replacen(&own, &others, 1)).unwrap();
    assert!(told(std::slice::from_ref(&key))[0].contains("x5c"));
    std::fs::write(&path, &whole).unwrap();
    let audio = path.with_file_name(&found.sidecar.files[0].name);
    std::fs::write(&audio, b"RIFF of somebodY").unwrap();
    assert!(told(std::slice::from_ref(&key))[0].contains("is changed"));
    std::fs::remove_file(&audio).unwrap();
    assert!(told(std::slice::from_ref(&key))[0].contains("is not beside it"));
}
