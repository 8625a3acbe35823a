//! The recordings a server left on disk: sidecars, WAV files, journals.

use super::server::Server;
use super::src::call::Call;
use super::src::{Src, lock};
use super::studio::{Plan, Sent, Transcript};
use super::wav::{self, Allow, Audio};
use super::{becomes_true, files_below, pcap, until};
use serde_json::Value;
use sha2::{Digest, Sha256};
use siprec::archive::disk::{Disk as _, Reading, RealDisk};
use siprec::archive::sealed::{MasterKeys, SealedDisk, is_sealed, sealed_path};
use siprec_core::sealed::MasterKey;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One recording: its sidecar and where it lies.
#[derive(Debug, Clone)]
pub struct Recording {
    pub path: PathBuf,
    pub sheet: Value,
    pub data: PathBuf,
}

/// What a sheet says of a source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Source {
    pub packets: usize,
    pub lost: usize,
    pub duplicates: usize,
}

/// SHA-256 in hexadecimal.
pub fn sha256(octets: &[u8]) -> String {
    Sha256::digest(octets).iter().fold(String::new(), |text, octet| text + &format!("{octet:02x}"))
}

/// All finished recordings below a data directory.
pub fn all(data: &Path) -> Vec<Recording> {
    sidecars(data).map(|path| read(&path, data)).collect()
}

/// The finished recordings of the recording session with this Call-ID.
pub fn of_call(data: &Path, call_id: &str) -> Vec<Recording> {
    /// Whose a sidecar is does not change: each is read once for that.
    static WHOSE: Mutex<BTreeMap<PathBuf, String>> = Mutex::new(BTreeMap::new());
    let mut whose = lock(&WHOSE);
    let mut found = Vec::new();
    for path in sidecars(data) {
        if !whose.contains_key(&path) {
            whose.insert(path.clone(), read(&path, data).call_id().to_owned());
        }
        if whose[&path] == call_id {
            found.push(read(&path, data));
        }
    }
    found
}

fn sidecars(data: &Path) -> impl Iterator<Item = PathBuf> {
    let files = files_below(&data.join("recordings")).into_iter();
    files.filter(|p| p.extension().is_some_and(|e| e == "json") && !p.to_string_lossy().contains("/."))
}

fn read(path: &Path, data: &Path) -> Recording {
    let text = std::fs::read(path).unwrap();
    let sheet = serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Recording { path: path.into(), sheet, data: data.into() }
}

/// Waits for the one recording of a call.
#[track_caller]
pub fn wait(data: &Path, call_id: &str, within: Duration) -> Recording {
    let found = until(within, || of_call(data, call_id).into_iter().next());
    found.unwrap_or_else(|| {
        let there: Vec<_> = files_below(data).iter().map(|p| p.display().to_string()).collect();
        panic!("no recording of {call_id} within {within:?}; there is:\n  {}", there.join("\n  "))
    })
}

/// A call of a second, and its recording once the catalog has it, which is after its sheet.
#[track_caller]
pub fn of_a_second(server: &Server, within: Duration) -> (Call, Recording) {
    let (call, recording) = sheet_of_a_second(server, within);
    server.must_say(&["recorded", "recording=", recording.id()]);
    (call, recording)
}

/// A call of a second, and its recording as soon as its sheet is there, whatever the catalog says.
#[track_caller]
pub fn sheet_of_a_second(server: &Server, within: Duration) -> (Call, Recording) {
    let src = Src::udp(server.sip);
    let call = Call::new(&src, 3);
    call.must_invite();
    call.talk(&Plan::seconds(1.0));
    call.wait();
    assert_eq!(call.bye().unwrap().status(), 200);
    let recording = wait(&server.data, call.call_id(), within);
    (call, recording)
}

impl Recording {
    pub fn text(&self, pointer: &str) -> &str {
        self.sheet.pointer(pointer).and_then(Value::as_str).unwrap_or("")
    }

    pub fn number(&self, pointer: &str) -> Option<i64> {
        self.sheet.pointer(pointer).and_then(Value::as_i64)
    }

    pub fn list(&self, pointer: &str) -> &[Value] {
        self.sheet.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    pub fn id(&self) -> &str {
        self.text("/id")
    }

    pub fn call_id(&self) -> &str {
        self.text("/recording_session/call_id")
    }

    /// t = 0, nanoseconds since 1970.
    pub fn started_at(&self) -> i64 {
        parse_time(self.text("/started_at")).unwrap_or_else(|| panic!("started_at: {}", self.sheet["started_at"]))
    }

    /// Gaps: from, to, milliseconds.
    pub fn gaps(&self) -> Vec<(i64, i64)> {
        let ms = |gap: &Value, name: &str| gap[name].as_i64().unwrap_or(-1);
        self.list("/proof/gaps").iter().map(|g| (ms(g, "from_ms"), ms(g, "to_ms"))).collect()
    }

    /// The AoRs of the participants.
    pub fn aors(&self) -> Vec<String> {
        let aor = |p: &Value| p["aor"].as_str().unwrap_or("").to_owned();
        self.list("/participants").iter().map(aor).collect()
    }

    /// The audio files, in the sidecar's order.
    pub fn audio(&self) -> Result<Vec<Audio>, String> {
        let names = self.list("/files").iter().filter_map(|f| f["name"].as_str());
        names
            .filter(|n| Path::new(n).extension().is_some_and(|e| e == "wav"))
            .map(|n| Audio::read(&self.beside(n)))
            .collect()
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.opened(self.path.with_file_name(name))
    }

    /// The file, or a plain copy of it if it is sealed.
    fn opened(&self, plain: PathBuf) -> PathBuf {
        let sealed = sealed_path(&plain);
        if plain.exists() || !sealed.exists() {
            return plain;
        }
        let masters = MasterKeys::new(Some(MasterKey::new(&[0x5e; 32])), Vec::new());
        let disk = SealedDisk::new(Arc::new(RealDisk), masters, false);
        let copy = self.data.with_extension("opened").join(plain.strip_prefix(&self.data).unwrap());
        std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
        // A journal may be renamed meanwhile.
        if let Ok(file) = disk.open_read(&sealed) {
            std::io::copy(&mut Reading::of(file), &mut std::fs::File::create(&copy).unwrap()).unwrap();
        }
        copy
    }

    /// The journal's segments; it is moved to where the sheet says a moment after the sheet is there.
    pub fn segments(&self) -> Vec<PathBuf> {
        let path = self.data.join(self.text("/journal/path"));
        becomes_true(Duration::from_secs(10), || path.exists());
        let found = if path.is_dir() { files_below(&path) } else { vec![path] };
        let plain = |p: PathBuf| if is_sealed(&p) { self.opened(p.with_extension("")) } else { p };
        found.into_iter().map(plain).filter(|p| p.extension().is_some_and(|e| e == "pcapng")).collect()
    }

    /// Its files, its journal and its sidecar are gone.
    pub fn delete(&self) {
        for file in self.list("/files") {
            let _ = std::fs::remove_file(self.beside(file["name"].as_str().unwrap_or("")));
        }
        let journal = self.data.join(self.text("/journal/path"));
        let _ = if journal.is_dir() { std::fs::remove_dir_all(&journal) } else { std::fs::remove_file(&journal) };
        let _ = std::fs::remove_file(&self.path);
    }

    /// Each file as the sidecar says: there, so big, with this digest and so many frames.
    pub fn file_faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for file in self.list("/files") {
            let name = file["name"].as_str().unwrap_or("");
            let Ok(bytes) = std::fs::read(self.beside(name)) else {
                faults.push(format!("{name} is not there"));
                continue;
            };
            if file["bytes"].as_u64() != u64::try_from(bytes.len()).ok() {
                faults.push(format!("{name}: {} bytes, not {}", bytes.len(), file["bytes"]));
            }
            let digest = sha256(&bytes);
            if !file["sha256"].as_str().is_some_and(|d| d.eq_ignore_ascii_case(&digest)) {
                faults.push(format!("{name}: SHA-256 is {digest}, not {}", file["sha256"]));
            }
        }
        for (audio, file) in self.audio().unwrap_or_default().iter().zip(self.list("/files")) {
            if file["frames"].as_u64() != u64::try_from(audio.frames()).ok() {
                faults.push(format!("{}: {} frames, not {}", file["name"], audio.frames(), file["frames"]));
            }
        }
        faults
    }

    /// The sources of the sheet, by SSRC: one that was received on several ports, one after another, is added up.
    pub fn sources(&self) -> BTreeMap<u32, Source> {
        let streams = self.list("/streams").iter();
        let mut out: BTreeMap<u32, Source> = BTreeMap::new();
        for told in streams.flat_map(|s| s["sources"].as_array().cloned().unwrap_or_default()) {
            let Some(ssrc) = ssrc(&told["ssrc"]) else { continue };
            let field = |name: &str| told[name].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
            let source = out.entry(ssrc).or_default();
            source.packets = source.packets.saturating_add(field("packets"));
            source.lost = source.lost.saturating_add(field("lost"));
            source.duplicates = source.duplicates.saturating_add(field("duplicates"));
        }
        out
    }

    /// RTP of the journal: SSRC and sequence of every packet kept, with its time.
    pub fn kept(&self) -> Result<BTreeMap<(u32, u16), i64>, String> {
        let mut out = BTreeMap::new();
        for segment in self.segments() {
            let rtp = pcap::read(&segment)?.into_iter().filter(|d| d.interface.starts_with("rtp"));
            out.extend(rtp.filter_map(|d| Some((d.rtp()?, d.at))));
        }
        Ok(out)
    }

    /// Every packet that was sent while the recorder could hear must be in the journal.
    pub fn journal_faults(&self, transcript: &Transcript, blind: &[std::ops::Range<i64>]) -> Vec<String> {
        let kept = match self.kept() {
            Ok(kept) => kept,
            Err(e) => return vec![e],
        };
        let sent = transcript.legs.iter().flat_map(|l| &l.packets).filter(|p| p.copies > 0);
        let missing: Vec<&Sent> = sent
            .filter(|p| !blind.iter().any(|b| b.contains(&p.at)) && !kept.contains_key(&(p.ssrc, p.sequence)))
            .collect();
        let Some(first) = missing.first() else { return Vec::new() };
        let when = (first.at - transcript.start) / 1_000_000;
        vec![format!(
            "{} packets are not in the journal, the first is number {} at {when} ms",
            missing.len(),
            first.number
        )]
    }

    /// The sheet's counts against the sender's log; `blind`: when nothing could be received.
    pub fn count_faults(&self, transcript: &Transcript, blind: &[std::ops::Range<i64>]) -> Vec<String> {
        let mut faults = Vec::new();
        let sources = self.sources();
        let sent = transcript.legs.iter().flat_map(|l| &l.packets);
        let mut by_ssrc: BTreeMap<u32, Vec<&Sent>> = BTreeMap::new();
        for packet in sent.filter(|p| !blind.iter().any(|b| b.contains(&p.at))) {
            by_ssrc.entry(packet.ssrc).or_default().push(packet);
        }
        for (ssrc, packets) in by_ssrc {
            let arrived: BTreeSet<u16> = packets.iter().filter(|p| p.copies > 0).map(|p| p.sequence).collect();
            let twice = packets.iter().filter(|p| p.copies > 1).count();
            if arrived.is_empty() {
                continue;
            }
            let Some(source) = sources.get(&ssrc) else {
                faults.push(format!("SSRC {ssrc:08x} is not in the sheet"));
                continue;
            };
            let received = source.packets;
            let fits = if blind.is_empty() {
                received == arrived.len() || received == arrived.len() + twice
            } else {
                received >= arrived.len()
            };
            if !fits {
                faults.push(format!("SSRC {ssrc:08x}: {received} packets in the sheet, {} sent", arrived.len()));
            }
            if blind.is_empty() && source.duplicates != twice {
                faults.push(format!("SSRC {ssrc:08x}: {} duplicates in the sheet, {twice} sent", source.duplicates));
            }
            let lost = inner_losses(&packets);
            if blind.is_empty() && source.lost != lost {
                faults.push(format!("SSRC {ssrc:08x}: {} lost in the sheet, {lost} by the log", source.lost));
            }
        }
        faults
    }

    /// The whole judgement of a call that ended well: files, counts, participants, every click and tone.
    pub fn judge(&self, transcript: &Transcript, allow: &Allow) -> Vec<String> {
        let mut faults = self.file_faults();
        faults.extend(self.count_faults(transcript, &allow.blind));
        if self.text("/state") != "complete" {
            faults.push(format!("state is {}", self.sheet["state"]));
        }
        match self.audio() {
            Err(e) => faults.push(e),
            Ok(files) => faults.extend(wav::judge(&files, self.started_at(), transcript, allow).faults),
        }
        let call = transcript.call;
        faults.into_iter().map(|f| format!("call {call} ({}): {f}", self.path.display())).collect()
    }
}

/// Packets that the receiver can know to be missing: those between the first and the last that came.
fn inner_losses(packets: &[&Sent]) -> usize {
    let first = packets.iter().position(|p| p.copies > 0).unwrap_or(0);
    let last = packets.iter().rposition(|p| p.copies > 0).unwrap_or(0);
    packets[first..=last].iter().filter(|p| p.copies == 0).count()
}

/// An SSRC as a number, or in hexadecimal.
fn ssrc(value: &Value) -> Option<u32> {
    match value {
        Value::Number(n) => n.as_u64().and_then(|n| u32::try_from(n).ok()),
        Value::String(s) => u32::from_str_radix(s.trim_start_matches("0x"), 16).ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// RFC 3339 in UTC to nanoseconds since 1970.
pub fn parse_time(text: &str) -> Option<i64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|n| n.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut time = time.splitn(3, ':').map(|n| n.parse::<i64>().ok());
    let (h, m, s) = (time.next()??, time.next()??, time.next()??);
    let nanos = format!("{fraction:0<9.9}").parse::<i64>().ok()?;
    // Days since 1970: years begin in March, so that the leap day is the last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    Some((((days * 24 + h) * 60 + m) * 60 + s) * 1_000_000_000 + nanos)
}
