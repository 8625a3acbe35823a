//! Keys that come when a recording is made already: it is made again, whatever crashes, and becomes what it would have been.

use siprec_core::entry::Protected;
use siprec_core::node_key::NodeKey;
use siprec_core::sdp::crypto::{Crypto, Encryption, MasterKey, Suite};
use siprec_core::srtp::Sender;

use super::*;
use crate::archive::notes::{Hold, Notes};

const SUITE: Suite = Suite::AesCm128HmacSha1_80;
const SSRC: u32 = 9;

fn line() -> Crypto {
    Crypto::offer(1, MasterKey::new(SUITE, &[3; 30]).unwrap().into())
}

fn node_key() -> NodeKey {
    NodeKey::new(&[5; 32])
}

/// A session whose first recording is over before its key is told: what is in the journal until then, and what follows.
fn halves() -> (Vec<u8>, Vec<u8>) {
    let at = |ms: i64| Wall(BEGAN + ms * MILLISECOND);
    let header = SegmentHeader {
        version: "0.1.0".to_owned(),
        format: FORMAT_VERSION,
        session: SESSION,
        segment: 1,
        seed: Seed([1; 32]),
        anchor: (Monotonic(0), at(0)),
        boot: "boot".to_owned(),
        config: Arc::default(),
    };
    let from = "192.0.2.1:4000".parse().unwrap();
    let mut first = Vec::new();
    encoder::Encoder::begin(&mut first, at(0), &header, &[(PortIndex(0), Some("1"))]);
    let event = |out: &mut Vec<u8>, ms: i64, event: Event| {
        encoder::entry(out, &Entry { at: at(ms), kind: Kind::Event(event) });
    };
    event(&mut first, 0, Event::Stream(stream()));
    event(&mut first, 0, Event::Answered);
    event(&mut first, 0, Event::RecordingStarted { recording: RECORDING, communication_session: None });
    let mut sender = Sender::new(&line().keys[0], Encryption::default()).unwrap();
    for n in 0..PACKETS {
        let mut packet = vec![0x80, 8];
        packet.extend(n.to_be_bytes());
        packet.extend((u32::from(n) * 160).to_be_bytes());
        packet.extend(SSRC.to_be_bytes());
        packet.extend((0..160).map(|i: u16| (i.wrapping_mul(n + 1) % 251) as u8));
        sender.protect(&mut packet).unwrap();
        let (to, protected) = ("192.0.2.9:10000".parse().unwrap(), Some(Protected::Sealed));
        let kind = Kind::Rtp { port: PortIndex(0), from, to, packet: &packet, protected };
        encoder::entry(&mut first, &Entry { at: at(i64::from(n) * 20), kind });
    }
    let cause = EndCause::CommunicationSessionEnded;
    event(&mut first, SECOND_MS, Event::RecordingEnded { recording: RECORDING, cause });
    let second = Event::RecordingStarted { recording: SECOND_RECORDING, communication_session: Some("cs".into()) };
    event(&mut first, SECOND_MS, second);

    let mut rest = Vec::new();
    let text = format!("t {}\n", line().encode());
    let wrapped = node_key().wrap(format!("srtp {SESSION} 0").as_bytes(), text.as_bytes());
    event(&mut rest, SECOND_MS + 5, Event::SrtpKeys { port: PortIndex(0), suite: Some(SUITE), wrapped });
    (first, rest)
}

fn end() -> Vec<u8> {
    let mut out = Vec::new();
    let over = Event::RecordingEnded { recording: SECOND_RECORDING, cause: EndCause::Bye };
    for event in [over, Event::Ended { cause: EndCause::Bye }] {
        encoder::entry(&mut out, &Entry { at: Wall(BEGAN + 2 * SECOND_MS * MILLISECOND), kind: Kind::Event(event) });
    }
    out
}

impl World {
    /// The journal as long as it is at some time.
    fn journal_is(&self, bytes: &[u8]) {
        let folder = Path::new("/data/journals/live").join(SESSION.to_string());
        self.disk.create_dir_all(&folder).unwrap();
        let path = folder.join("000001.pcapng");
        if !self.disk.exists(&path).unwrap() {
            self.disk.create_new(&path).unwrap();
        }
        let file = self.disk.open_append(&path).unwrap();
        let known = file.length().unwrap();
        file.write_at(known, &bytes[usize::try_from(known).unwrap()..]).unwrap();
        file.sync_data().unwrap();
        self.disk.sync_dir(&folder).unwrap();
    }

    fn finish_with(&self, node_key: NodeKey) -> Finished {
        self.finisher().unwrapping(Some(node_key)).finish(SESSION)
    }

    fn sheet_of(&self, recording: RecordingId) -> Sidecar {
        let row = self.catalog.find(recording).unwrap().unwrap();
        let path = recordings::sheet(&Path::new("/data").join(row.folder()), recording);
        recordings::read_sidecar(&self.disk, &path).unwrap().1
    }
}

/// The recordings of a session whose journal was all there at once.
fn expected() -> BTreeMap<String, Vec<u8>> {
    let (first, rest) = halves();
    let world = World::new(0);
    world.journal_is(&[first, rest, end()].concat());
    let finished = world.finish_with(node_key());
    assert!(finished.put_away && finished.again.is_empty(), "{finished:?}");
    world.recordings()
}

#[test]
fn a_recording_is_made_again_when_its_key_comes() {
    let (first, rest) = halves();
    let world = World::new(0);
    world.journal_is(&first);
    let finished = world.finish_with(node_key());
    assert_eq!((finished.recordings.len(), finished.sealed), (1, u64::from(PACKETS)));
    let before = world.catalog.find(RECORDING).unwrap().unwrap();
    assert_eq!(world.finish_with(node_key()).sealed, u64::from(PACKETS), "no key is no reason");

    // Its session goes on.
    world.journal_is(&[first.clone(), rest.clone()].concat());
    let finished = world.finish_with(node_key());
    assert_eq!((finished.recordings.len(), finished.again.len(), finished.sealed), (0, 1, 0), "{:?}", finished.failed);
    assert_eq!(finished.again[0].proof.opened_late, u64::from(PACKETS));
    world.check();
    let row = world.catalog.find(RECORDING).unwrap().unwrap();
    assert_ne!(row.sha256, before.sha256);
    let operations = world.disk.operations();
    let finished = world.finish_with(node_key());
    assert_eq!((finished.again.len(), finished.present), (0, 1));
    assert_eq!(world.disk.operations(), operations, "once");

    world.journal_is(&[first, rest, end()].concat());
    assert!(world.finish_with(node_key()).put_away);
    let expected = expected();
    let audio = |all: &BTreeMap<String, Vec<u8>>| {
        all.iter().filter(|(path, _)| path.ends_with(".wav")).map(|(p, b)| (p.clone(), b.clone())).collect::<Vec<_>>()
    };
    assert_eq!(audio(&world.recordings()), audio(&expected), "what it would have been");
}

#[test]
fn a_crash_while_it_is_made_again_is_mended_to_the_byte() {
    let (first, rest) = halves();
    let whole = [first.clone(), rest, end()].concat();
    let known = |seed: u64| {
        let world = World::new(seed);
        world.journal_is(&first);
        assert_eq!(world.finish_with(node_key()).recordings.len(), 1);
        world.journal_is(&whole);
        world
    };
    let world = known(0);
    let before = world.disk.operations();
    assert!(world.finish_with(node_key()).put_away);
    let operations = world.disk.operations() - before;
    let expected = expected();
    assert_eq!(world.recordings(), expected);
    assert!(operations > 30, "{operations}");
    for n in 1..=operations {
        for (seed, loss) in seeds(33, 2).map(|seed| (seed, if seed == 0 { Loss::Process } else { Loss::Power })) {
            let world = known(seed);
            world.disk.crash_at(world.disk.operations() + n);
            world.finish_with(node_key());
            world.disk.restart(loss);
            world.assert_signed();
            let finished = world.finish_with(node_key());
            assert!(finished.failed.is_empty(), "operation {n}: {:?}", finished.failed);
            world.check();
            assert_eq!(world.recordings(), expected, "operation {n}, seed {seed}");
        }
    }
}

impl World {
    /// A signature fits the sheet beside it at any moment, alone or as one of two.
    fn assert_signed(&self) {
        let public = PublicKey::read(&KEYS.path().join(PUBLIC_FILE)).unwrap();
        for path in self.files("recordings").iter().filter(|path| path.ends_with(".json")) {
            let sheet = Path::new("/data").join(path);
            let text = recordings::read_sidecar(&self.disk, &sheet).unwrap().0;
            let keys = [public.clone()];
            let fault = crate::archive::soundness::signature_fault(&self.disk, &sheet, &text, &keys);
            assert!(fault.is_none(), "{path}: {fault:?}");
        }
    }
}

#[test]
fn what_is_held_stays_as_it_is() {
    let (first, rest) = halves();
    let world = World::new(0);
    world.journal_is(&first);
    world.finish_with(node_key());
    let before = world.recordings();
    let row = world.catalog.find(RECORDING).unwrap().unwrap();
    let sheet = recordings::sheet(&Path::new("/data").join(row.folder()), RECORDING);
    let mut notes = Notes::new(RECORDING);
    notes.hold(Hold { reason: "case 17".into(), by: "me".into(), since: Wall(BEGAN).rfc3339() });
    notes.write(&world.disk, &sheet).unwrap();
    world.journal_is(&[first, rest].concat());
    let finished = world.finish_with(node_key());
    assert_eq!((finished.again.len(), finished.failed.len(), finished.present), (0, 0, 1));
    assert!(before.iter().all(|(path, octets)| world.recordings().get(path) == Some(octets)));
}

/// The keys are told, and wrapped by a key of ours that is lost: that is said, and mended when it is back.
#[test]
fn the_sheet_says_that_it_is_the_nodes_key_that_is_missing() {
    let (first, rest) = halves();
    let world = World::new(0);
    world.journal_is(&[first, rest].concat());
    let finished = world.finish_with(NodeKey::new(&[6; 32]));
    assert_eq!((finished.recordings.len(), finished.sealed), (1, u64::from(PACKETS)));
    let sheet = world.sheet_of(RECORDING);
    assert!(sheet.proof.node_key_missing);
    let findings = sheet.proof.findings.join("; ");
    assert!(findings.contains("15 SRTP packets are kept sealed") && findings.contains("node.key"), "{findings}");
    assert!(!findings.contains("under no"), "{findings}");
    assert!(sheet.streams[0].why_not.as_deref().unwrap().contains("node.key"), "{:?}", sheet.streams[0].why_not);

    assert_eq!(world.finish_with(node_key()).again.len(), 1, "it is back");
    let sheet = world.sheet_of(RECORDING);
    assert_eq!((sheet.proof.node_key_missing, sheet.proof.sealed, sheet.proof.opened_late), (false, 0, 15));
    world.check();
}
