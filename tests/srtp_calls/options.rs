//! What `a=crypto` may ask for beside a suite and a key (RFC 4568 6), each shown by packets: MKIs, lifetimes, what is left
//! in the clear; and what changes how SRTP lies on the wire: a stream joined late, RTCP on the port of RTP.

use super::*;
use support::http::Client;
use support::pcap::Datagram;

/// The sender report's packet type, and the receiver report's.
const SENDER: u8 = 200;
const RECEIVER: u8 = 201;

fn server(settings: &[&str]) -> Server {
    settings.iter().fold(Setup::default().set("media.sdes_over_clear=true"), |setup, more| setup.set(more)).start()
}

/// Invites with one line of media under these attributes.
fn invite(call: &Call, attributes: &str) -> Message {
    let plain = call.offer_sdp(&[Direction::SendOnly]).replace("RTP/AVP", "RTP/SAVP");
    let sdp = plain.replacen("a=label:", &format!("{attributes}a=label:"), 1);
    call.invite_with(&Body::both(&sdp, &call.metadata.complete())).unwrap()
}

/// [`invite`], which is taken: our key in the server's answer, which is of the line tagged 3, and the answer.
#[track_caller]
fn taken(call: &Call, attributes: &str, key: &Key) -> (Key, Message) {
    let answer = invite(call, attributes);
    assert_eq!(answer.status(), 200, "{attributes}: {}", answer.text());
    call.acknowledge(&answer);
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    let start = format!("a=crypto:3 {} inline:", SUITES[key.suite].0);
    let line = body.lines().find_map(|line| line.strip_prefix(&start)).unwrap_or_else(|| panic!("{body}"));
    let ours = Key { suite: key.suite, octets: octets(line.split([' ', '|', ';']).next().unwrap()) };
    (ours, answer)
}

/// `a=crypto:3` with this key, what follows it, and session parameters.
fn crypto(key: &Key, more: &str) -> String {
    key.line().replace("\r\n", &format!("{more}\r\n"))
}

#[track_caller]
fn recorded(server: &Server, call: &Call) -> Recording {
    pause(Duration::from_millis(50));
    call.bye().unwrap();
    let recording = recordings::wait(&server.data, call.call_id(), RENDERED_WITHIN);
    server.assert_never_panicked();
    recording
}

/// What was made plain, by its place, and as many packets in the sheet: what was not is kept sealed, its tag at its end.
#[track_caller]
fn heard(recording: &Recording) -> BTreeMap<u16, Vec<u8>> {
    let mut heard = kept(recording, 0);
    heard.retain(|_, payload| payload.len() == PACKET);
    let told: usize = recording.sources().values().map(|source| source.packets).sum();
    assert_eq!(told, heard.len(), "packets in the sheet");
    heard
}

impl Leg<'_> {
    /// Passes over packets that nobody gets: the rollover counter is right behind them.
    fn skip(&mut self, places: impl Iterator<Item = u32>) {
        places.for_each(|place| drop(self.packet(place, &[0; PACKET])));
    }

    fn send_bytes(&self, server: &Server, bytes: &[u8]) {
        let to = SocketAddr::new(server.sip.ip(), self.call.ports()[self.number]);
        self.call.legs()[self.number].rtp.send_to(bytes, to).unwrap();
        pause(Duration::from_millis(2));
    }

    /// Says all of it, each packet bent on its way.
    fn say_bent(&mut self, server: &Server, first: u32, said: &[u8], bend: impl Fn(&mut Vec<u8>)) {
        for (place, payload) in (first..).zip(said.chunks(PACKET)) {
            let mut packet = self.packet(place, payload);
            bend(&mut packet);
            self.send_bytes(server, &packet);
        }
    }

    /// A sender report of its own, protected.
    fn report(&mut self) -> Vec<u8> {
        let mut report = vec![0x80, SENDER, 0, 6];
        report.extend(u32::try_from(self.number + 1).unwrap().to_be_bytes());
        for word in [0xE000_0000, 0, 0, 4_711, 4_711 * 160_u32] {
            report.extend(word.to_be_bytes());
        }
        self.context.encrypt_rtcp(&report).unwrap().to_vec()
    }
}

/// RFC 3711 3.1: it stands between the payload and the tag, which is not over it.
fn marked(mki: u32, tag: usize) -> impl Fn(&mut Vec<u8>) {
    move |packet| {
        let at = packet.len() - tag;
        packet.splice(at..at, mki.to_be_bytes());
    }
}

#[test]
fn of_two_keys_each_packet_names_its_own_by_the_mki() {
    let server = server(&[]);
    let call = Call::with_legs(&Src::udp(server.sip), 0, 1);
    let keys = [Key::new(0, 71), Key::new(0, 72)];
    let second = format!("inline:{}|2^31|1029:4", keys[1].text());
    let (ours, _) = taken(&call, &crypto(&keys[0], &format!("|2^31|1028:4;{second}")), &keys[0]);
    let said = speech(70, 120);
    let mut leg = Leg::new(&call, 0, &keys[0]);
    leg.say_bent(&server, 0, &said[..60 * PACKET], marked(1028, 10));
    // Under the first key and the other's name, and under a name that nobody gave: not heard.
    leg.say_bent(&server, 900, &said[..5 * PACKET], marked(1029, 10));
    leg.say_bent(&server, 910, &said[..5 * PACKET], marked(1030, 10));
    leg.under(&keys[1]);
    leg.skip(0..60);
    leg.say_bent(&server, 60, &said[60 * PACKET..], marked(1029, 10));
    let recording = recorded(&server, &call);
    assert!(heard(&recording).into_values().eq(said.chunks(PACKET)), "under two keys");
    assert_secret(&server, &[], &[keys[0].clone(), keys[1].clone(), ours]);
}

#[test]
fn a_key_is_good_for_its_lifetime_and_the_next_one_is_heard() {
    let server = server(&[]);
    let call = Call::with_legs(&Src::udp(server.sip), 0, 1);
    let keys = [Key::new(0, 73), Key::new(0, 74)];
    taken(&call, &crypto(&keys[0], "|2^5"), &keys[0]);
    let said = speech(71, 60);
    let mut leg = Leg::new(&call, 0, &keys[0]);
    leg.say(&server, 0, &said[..40 * PACKET]);
    pause(Duration::from_millis(100));
    rekey(&call, &keys[1..]);
    leg.under(&keys[1]);
    leg.skip(0..40);
    leg.say(&server, 40, &said[40 * PACKET..]);
    let recording = recorded(&server, &call);
    let heard = heard(&recording);
    let expected: Vec<u16> = (0..32).chain(40..60).collect();
    assert_eq!(heard.keys().copied().collect::<Vec<_>>(), expected, "32 packets, and what came under the next key");
    for (place, payload) in heard {
        let at = usize::from(place) * PACKET;
        assert!(payload == said[at..at + PACKET], "packet {place}");
    }
}

/// Packets whose payload is in the clear, under a tag that is right for that: what is encrypted is the payload over the
/// key stream, so that the two cancel out.
fn in_the_clear(key: &Key, leg: &mut Leg<'_>, place: u32, payload: &[u8]) -> Vec<u8> {
    let mut stream = Leg::new(leg.call, leg.number, key);
    stream.skip(0..place);
    let stream = stream.packet(place, &[0; PACKET]);
    let over: Vec<u8> = payload.iter().zip(&stream[12..]).map(|(octet, key)| octet ^ key).collect();
    let packet = leg.packet(place, &over);
    assert_eq!(packet[12..12 + PACKET], *payload);
    packet
}

#[test]
fn what_is_authenticated_and_not_encrypted_is_taken_where_that_is_allowed() {
    let parameters = " UNENCRYPTED_SRTP UNENCRYPTED_SRTCP";
    let key = Key::new(0, 75);
    let strict = server(&[]);
    let refused = invite(&Call::with_legs(&Src::udp(strict.sip), 0, 1), &crypto(&key, parameters));
    let warning = refused.header("Warning").unwrap_or_default();
    assert_eq!(refused.status(), 488);
    assert!(warning.contains("unencrypted media or reports not allowed"), "{warning}");

    let server = server(&["media.srtp.unencrypted=true"]);
    let call = Call::with_legs(&Src::udp(server.sip), 0, 1);
    let (ours, answer) = taken(&call, &crypto(&key, parameters), &key);
    assert!(answer.text().contains(parameters), "both sides name it: {}", answer.text());
    let said = speech(72, 60);
    let mut leg = Leg::new(&call, 0, &key);
    for (place, payload) in (0..).zip(said.chunks(PACKET)) {
        let packet = in_the_clear(&key, &mut leg, place, payload);
        leg.send_bytes(&server, &packet);
    }
    // Nobody else's: it is authenticated all the same.
    let mut forged = in_the_clear(&key, &mut leg, 60, &said[..PACKET]);
    forged[20] ^= 1;
    leg.send_bytes(&server, &forged);
    let report = until_some(|| call.legs()[0].rtcp_received().into_iter().next());
    assert_eq!(report[1], RECEIVER);
    assert_eq!(report[8..12], 1_u32.to_be_bytes(), "of our source, to be read by anybody");
    let word = report.len() - 14;
    assert_eq!(report[word] >> 7, 0, "the E flag");
    assert!(ours.context().decrypt_rtcp(&report).is_ok(), "under the server's key");
    let recording = recorded(&server, &call);
    assert!(heard(&recording).into_values().eq(said.chunks(PACKET)), "in the clear");
}

#[track_caller]
fn until_some<T>(f: impl FnMut() -> Option<T>) -> T {
    support::until(SOON, f).expect("it did not come")
}

#[test]
fn what_cannot_be_honoured_is_refused_with_its_reason_or_another_line_taken() {
    let server = server(&[]);
    let src = Src::udp(server.sip);
    let key = Key::new(0, 76);
    for (index, (parameter, why)) in [
        (" UNAUTHENTICATED_SRTP", "unauthenticated SRTP not supported"),
        (" KDR=3", "key derivation rate not supported"),
        (" FEC_ORDER=SRTP_FEC", "forward error correction not supported"),
        (" FEC_ORDER=SOMEHOW", "session parameter with an impossible value"),
        (" SOMETHING", "unknown session parameter"),
        ("|2^60", "impossible lifetime"),
        ("|1:300", "impossible MKI"),
    ]
    .into_iter()
    .enumerate()
    {
        let call = Call::with_legs(&src, index, 1);
        let refused = invite(&call, &crypto(&key, parameter));
        let warning = refused.header("Warning").unwrap_or_default();
        assert_eq!((refused.status(), warning.contains(why)), (488, true), "{parameter}: {warning}");
        let first = crypto(&Key::new(0, 77), parameter).replace("crypto:3", "crypto:1");
        let call = Call::with_legs(&src, 20 + index, 1);
        taken(&call, &format!("{first}{}", key.line()), &key);
        call.bye().unwrap();
    }
    server.assert_never_panicked();
}

#[test]
fn hints_and_what_is_optional_change_nothing() {
    let server = server(&[]);
    let key = Key::new(4, 78);
    for (index, parameters) in
        [" WSH=128", " FEC_ORDER=FEC_SRTP", " -SOMETHING=1", " WSH=64 FEC_ORDER=FEC_SRTP"].into_iter().enumerate()
    {
        let call = Call::with_legs(&Src::udp(server.sip), index, 1);
        taken(&call, &crypto(&key, parameters), &key);
        let said = speech(73, 40);
        Leg::new(&call, 0, &key).say(&server, 0, &said);
        assert_said(&recorded(&server, &call), 0, &said, parameters);
    }
}

#[test]
fn a_stream_that_is_joined_late_is_heard_from_its_first_packet() {
    let server = server(&[]);
    for (index, suite) in [0, 5].into_iter().enumerate() {
        let call = Call::with_legs(&Src::udp(server.sip), index, 1);
        let key = Key::new(suite, 79);
        taken(&call, &key.line(), &key);
        let said = speech(74, 60);
        let mut leg = Leg::new(&call, 0, &key);
        // Its counter wrapped 40 times before we came: by 20 ms a packet, that is 14 hours.
        let begin = 40 << 16;
        leg.skip((0..begin).step_by(30_000));
        leg.say(&server, begin, &said);
        assert_said(&recorded(&server, &call), 0, &said, "joined late");
    }
}

#[test]
fn with_rtcp_mux_reports_go_both_ways_on_the_port_of_rtp() {
    let server = server(&[]);
    let call = Call::with_legs(&Src::udp(server.sip), 0, 1);
    let key = Key::new(0, 80);
    let (ours, answer) = taken(&call, &format!("{}a=rtcp-mux\r\n", key.line()), &key);
    assert!(answer.text().contains("a=rtcp-mux\r\n"), "{}", answer.text());
    let said = speech(75, 60);
    let mut leg = Leg::new(&call, 0, &key);
    leg.say(&server, 0, &said);
    let report = leg.report();
    leg.send_bytes(&server, &report);
    let rtp = &call.legs()[0].rtp;
    rtp.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let theirs = until_some(|| {
        let mut buffer = [0; 2_048];
        rtp.recv(&mut buffer).ok().map(|length| buffer[..length].to_vec())
    });
    let plain = ours.context().decrypt_rtcp(&theirs).expect("under the server's key");
    assert_eq!((plain[1], plain[0] & 0x1f), (RECEIVER, 1), "a report on one source");
    assert!(call.legs()[0].rtcp_received().is_empty(), "none beside it");
    let recording = recorded(&server, &call);
    assert_said(&recording, 0, &said, "beside reports");
    let journal: Vec<Datagram> = recording.segments().iter().flat_map(|file| pcap::read(file).unwrap()).collect();
    let told = journal.iter().filter(|datagram| datagram.payload.get(1) == Some(&SENDER));
    assert!(told.clone().all(|datagram| datagram.payload[20..24] == 4_711_u32.to_be_bytes()), "made plain");
    assert_eq!(told.count(), 1, "our sender report");
}

/// More waits for its key than a port tries again: the rest is opened when the recording is made, exported, or replayed.
#[test]
fn a_key_that_comes_after_more_than_a_port_remembers_loses_nothing() {
    const LATE: u32 = 600;
    let server = Setup::default().set("media.sdes_over_clear=true").start();
    let call = Call::with_legs(&Src::udp(server.sip), 0, 1);
    let keys = [Key::new(0, 1), Key::new(4, 2)];
    let ours = set_up(&call, &keys[..1]);
    let said = speech(3, 50 + LATE as usize + 40);
    let mut leg = Leg::new(&call, 0, &keys[0]);
    leg.say(&server, 0, &said[..50 * PACKET]);
    leg.under(&keys[1]);
    for (place, payload) in (50..).zip(said[50 * PACKET..].chunks(PACKET)).take(LATE as usize) {
        leg.send(&server, place, payload);
        // No more than 500 a second are kept sealed.
        pause(Duration::from_millis(4));
    }
    let again = rekey(&call, &keys[1..]);
    leg.say(&server, 50 + LATE, &said[(50 + LATE as usize) * PACKET..]);
    call.bye().unwrap();
    let recording = recordings::wait(&server.data, call.call_id(), RENDERED_WITHIN);

    let opened_by_port = plain_in(&recording.segments()).len();
    assert!(opened_by_port < 50 + 500 + 40, "{opened_by_port}: the port opened all of it, which shows nothing");
    let source = recording.sources().into_iter().next().unwrap().1;
    assert_eq!((recording.sources().len(), source.packets, source.lost), (1, 690, 0));
    // On a busy machine the first packets under the new key overtake it on its way to the worker.
    let opened_late = recording.number("/proof/opened_late").unwrap();
    assert!((i64::from(LATE)..=690 - 50).contains(&opened_late), "{opened_late}");
    assert_eq!(recording.list("/proof/gaps"), &[] as &[serde_json::Value]);
    assert!(!recording.sheet.to_string().contains("under no"), "{}", recording.sheet);

    // A capture of it has every packet, plain.
    let siprec = |arguments: &[&str], files: &[PathBuf]| {
        let output = Command::new(env!("CARGO_BIN_EXE_siprec")).args(arguments).args(files).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let (data, capture) = (server.data.to_str().unwrap(), server.scratch().join("capture"));
    siprec(&["export", "--data-dir", data, "--as", "pcap", "--to", capture.to_str().unwrap()], &[]);
    let captured: Vec<PathBuf> =
        files_below(&capture).into_iter().filter(|file| file.extension().is_some_and(|e| e == "pcapng")).collect();
    assert!(plain_in(&captured).into_values().flatten().eq(said.iter().copied()), "the capture");

    // A replay makes the same bytes, and its journal can be rendered where it lies.
    let replay = server.scratch().join("again");
    siprec(&["replay", "--data-dir", replay.to_str().unwrap()], &recording.segments());
    let replayed = recordings::all(&replay);
    let digests = |recording: &Recording| -> Vec<String> {
        recording.list("/files").iter().map(|file| file["sha256"].to_string()).collect()
    };
    assert_eq!(replayed.len(), 1);
    assert_eq!(digests(&replayed[0]), digests(&recording), "the same bytes");
    let sheets = server.scratch().join("sheets");
    siprec(&["export", "--data-dir", replay.to_str().unwrap(), "--as", "json", "--to", sheets.to_str().unwrap()], &[]);
    let sheet = files_below(&sheets).into_iter().find(|file| file.extension().is_some_and(|e| e == "json")).unwrap();
    let sheet: serde_json::Value = serde_json::from_slice(&std::fs::read(sheet).unwrap()).unwrap();
    assert_eq!(sheet["proof"]["opened_late"], opened_late);
    // Where the node's key is lost, what the port did not open stays sealed, and the sheet says so.
    std::fs::remove_file(server.data.join("node.key")).unwrap();
    let lost = server.scratch().join("lost");
    siprec(&["export", "--data-dir", data, "--as", "json", "--to", lost.to_str().unwrap()], &[]);
    let sheet = files_below(&lost).into_iter().find(|file| file.extension().is_some_and(|e| e == "json")).unwrap();
    let sheet: serde_json::Value = serde_json::from_slice(&std::fs::read(sheet).unwrap()).unwrap();
    assert_eq!(sheet["proof"]["packets_lost"], 690 - opened_by_port);
    assert_eq!(sheet["proof"]["gaps"][0]["cause"], "sealed");
    assert_secret(&server, &[], &[&keys[..], &ours, &again].concat());
    server.assert_never_panicked();
}

/// A communication session ends, and is recorded and stored, before its key comes in the same dialog.
#[test]
fn a_recording_that_was_made_before_its_key_came_is_made_again_by_itself() {
    const LATE: u32 = 600;
    let share = TempDir::new("share");
    let target = format!("storage.targets=[{{name: share, type: local, local: {{path: {}}}}}]", share.path().display());
    let server = server(&[&target]);
    let call = Call::with_legs(&Src::udp(server.sip), 0, 1);
    let keys = [Key::new(0, 1), Key::new(4, 2)];
    let ours = set_up(&call, &keys[..1]);
    let said = speech(3, 50 + LATE as usize);
    let mut leg = Leg::new(&call, 0, &keys[0]);
    leg.say(&server, 0, &said[..50 * PACKET]);
    leg.under(&keys[1]);
    for (place, payload) in (50..).zip(said[50 * PACKET..].chunks(PACKET)) {
        leg.send(&server, place, payload);
        // No more than 500 a second are kept sealed.
        pause(Duration::from_millis(4));
    }
    let over = format!(
        "<recording xmlns=\"urn:ietf:params:xml:ns:recording:1\"><datamode>partial</datamode><session session_id=\"{}\">\
         <stop-time>2026-01-02T03:09:05Z</stop-time></session></recording>",
        call.metadata.session
    );
    assert_eq!(call.send_request("UPDATE", Some(&Body::metadata(over))).unwrap().status(), 200);
    let deaf = recordings::wait(&server.data, call.call_id(), RENDERED_WITHIN);
    assert_eq!((deaf.number("/proof/packets_received"), deaf.number("/proof/sealed")), (Some(50), Some(LATE.into())));
    let is_stored = |recording: &Recording| {
        let same = |path: &PathBuf| {
            let name = path.file_name().unwrap();
            let there = files_below(share.path()).into_iter().find(|there| there.file_name() == Some(name));
            there.is_some_and(|there| std::fs::read(there).unwrap() == std::fs::read(path).unwrap())
        };
        [recording.path.clone(), recording.path.with_extension("json.sig"), recording.path.with_extension("wav")]
            .iter()
            .all(same)
    };
    assert!(becomes_true(SOON, || is_stored(&deaf)), "{}", server.tail());

    // The call goes on, and so does its dialog.
    let mut events = Client::new(server.api).websocket("/ws/events?types=recording.remade").unwrap();
    let again = rekey(&call, &keys[1..]);
    let told = events.until(|event| event["type"] == "recording.remade");
    let told = told.last().unwrap();
    assert_eq!((told["recording"].as_str(), told["opened"].as_u64()), (Some(deaf.id()), Some(LATE.into())));
    let heard = until_some(|| {
        let now = recordings::of_call(&server.data, call.call_id()).into_iter().find(|now| now.id() == deaf.id())?;
        (now.number("/proof/sealed").is_none()).then_some(now)
    });
    let source = heard.sources().into_iter().next().unwrap().1;
    assert_eq!((heard.sources().len(), source.packets, source.lost), (1, 50 + LATE as usize, 0));
    assert_eq!(heard.number("/proof/opened_late"), Some(LATE.into()));
    assert_eq!(heard.file_faults(), [""; 0]);
    assert!(becomes_true(SOON, || is_stored(&heard)), "the copy is replaced: {}", server.tail());
    assert_eq!(heard.text("/files/0/name"), deaf.text("/files/0/name"));
    assert_ne!(heard.text("/files/0/sha256"), deaf.text("/files/0/sha256"));
    call.bye().unwrap();
    // Signature, files, copies and row are of what it is now.
    let settings = [target];
    assert!(becomes_true(SOON, || {
        let verified = support::server::run(&server.data, &settings, "archive verify --deep");
        String::from_utf8_lossy(&verified.stdout).contains("0 at fault")
    }));
    assert_secret(&server, &[], &[&keys[..], &ours, &again].concat());
    server.assert_never_panicked();
}

/// Payloads of the call's packets that have the length of plain ones, by their place.
fn plain_in(files: &[PathBuf]) -> BTreeMap<u16, Vec<u8>> {
    let mut packets = BTreeMap::new();
    for datagram in files.iter().flat_map(|file| pcap::read(file).unwrap()) {
        let plain = datagram.payload.len() == 12 + PACKET && datagram.interface.starts_with("rtp");
        if let Some((_, sequence)) = datagram.rtp().filter(|_| plain) {
            packets.insert(sequence.wrapping_sub(FIRST), datagram.payload[12..].to_vec());
        }
    }
    packets
}
