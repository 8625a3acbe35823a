//! Strangers: how much they may hold open and ask for, and that no peer pays for it.

use super::*;

const PEER: &str = "198.51.100.7:40000";

/// A server whose one peer is known by its address.
fn guarded() -> Bench {
    let network = Network { address: "198.51.100.0".parse().unwrap(), prefix: 24 };
    let guard = Guard {
        allowed: [network].to_vec(),
        unknown_per_second: Some(5),
        unknown_together_per_second: Some(50),
        ..Guard::default()
    };
    Bench::with(Policy { guard, ..policy() })
}

fn stranger(n: usize) -> SocketAddr {
    SocketAddr::new([203, 0, (n / 250) as u8, (n % 250) as u8].into(), 40_000)
}

fn connect(bench: &mut Bench, id: u64, remote: SocketAddr) -> bool {
    let before = bench.closed_streams.len();
    bench.connect(ConnectionId(id), remote, true);
    bench.closed_streams.len() == before
}

fn over_tcp(bench: &mut Bench, id: u64, request: &str) -> Vec<Message> {
    let request = request.replace("SIP/2.0/UDP", "SIP/2.0/TCP");
    bench.input(Input::Bytes { connection: ConnectionId(id), bytes: request.as_bytes() })
}

fn unreadable(n: u32) -> String {
    Call::new(&format!("bad{n}")).request("INVITE", "", "").replacen("SIP/2.0\r\n", "SIP/7.0\r\n", 1)
}

#[test]
fn a_strangers_stream_that_says_nothing_whole_is_closed_and_a_peers_is_not() {
    let mut bench = guarded();
    assert!(connect(&mut bench, 1, stranger(1)) && connect(&mut bench, 2, stranger(1)));
    assert!(connect(&mut bench, 3, PEER.parse().unwrap()));
    let options = Call::new("a").request("OPTIONS", "", "");
    assert_eq!(statuses(&over_tcp(&mut bench, 2, &options)), [200]);
    for piece in ["OPTIONS sip:a SIP/2.0\r\n", "Via: ", "x", "x", "x"] {
        bench.pass(SILENT_STREAM / 4);
        over_tcp(&mut bench, 1, piece);
    }
    assert_eq!(bench.closed_streams, [ConnectionId(1)], "a message that never ends is none");
    bench.pass(IDLE_STREAM + SILENT_STREAM);
    assert_eq!(bench.closed_streams, [ConnectionId(1), ConnectionId(2)], "it fell silent");
    bench.pass(IDLE_STREAM * 10);
    assert_eq!(bench.closed_streams.len(), 2, "the peer's stays");
    assert_eq!(bench.srs.take_kept_out().streams, 1);
}

#[test]
fn strangers_streams_are_bounded_one_by_one_and_together() {
    let mut bench = guarded();
    let mut id = 0;
    let mut open = |bench: &mut Bench, remote: SocketAddr| {
        id += 1;
        connect(bench, id, remote)
    };
    let of_one = (0..2 * MAX_STRANGE_STREAMS_EACH).filter(|_| open(&mut bench, stranger(0))).count();
    assert_eq!(of_one, MAX_STRANGE_STREAMS_EACH);
    let others = (1..10_000).filter(|n| open(&mut bench, stranger(n % 500 + 1))).count();
    assert_eq!(of_one + others, MAX_STRANGE_STREAMS);
    assert!((0..500).all(|_| open(&mut bench, PEER.parse().unwrap())), "a peer always finds room");
    let refused = bench.closed_streams.len() as u64;
    assert_eq!(bench.srs.take_kept_out().streams, refused);
    bench.pass(SILENT_STREAM * 2);
    assert!(open(&mut bench, stranger(0)), "the crowd is gone");
}

#[test]
fn a_stream_that_carries_a_call_is_not_counted_until_the_call_is_over() {
    let mut bench = Bench::new();
    let crowd = |bench: &mut Bench, from: u64| {
        let each = MAX_STRANGE_STREAMS_EACH as u64;
        (from..from + 2 * each).filter(|id| connect(bench, *id, stranger(0))).count()
    };
    assert!(connect(&mut bench, 1, stranger(0)));
    let mut call = Call::new("a");
    let (headers, body) = multipart(&sdp("sendonly"), &metadata("s1"));
    let invite = call.request("INVITE", &headers, &body);
    let answers = over_tcp(&mut bench, 1, &invite);
    call.to_tag = answers.iter().find_map(Message::to_tag).unwrap().to_string();
    let ack = call.request("ACK", "", "");
    over_tcp(&mut bench, 1, &ack);
    assert_eq!(crowd(&mut bench, 1000), MAX_STRANGE_STREAMS_EACH);
    let session = bench.session();
    for _ in 0..100 {
        bench.pass(IDLE_STREAM / 50);
        bench.heard(session, 0);
        bench.heard(session, 1);
    }
    assert!(!bench.closed_streams.contains(&ConnectionId(1)), "its call goes on");
    let bye = call.request("BYE", "", "");
    assert_eq!(statuses(&over_tcp(&mut bench, 1, &bye)), [200]);
    bench.pass(IDLE_STREAM + SILENT_STREAM);
    assert!(bench.closed_streams.contains(&ConnectionId(1)));
}

#[test]
fn what_cannot_be_read_is_answered_within_its_senders_rate() {
    let mut bench = guarded();
    let from = |bench: &mut Bench, remote: SocketAddr, n: u32| {
        let local = SRS.parse().unwrap();
        bench.input(Input::Datagram { local, remote, bytes: unreadable(n).as_bytes() })
    };
    let answered = (0..200).filter(|n| !from(&mut bench, stranger(0), *n).is_empty()).count();
    assert_eq!(answered, 10, "two seconds' worth of five");
    let of_crowd = (0..400).filter(|n| !from(&mut bench, stranger(*n as usize + 1), *n).is_empty()).count();
    assert_eq!(answered + of_crowd, 100, "two seconds' worth of fifty");
    assert!((0..200).all(|n| !from(&mut bench, PEER.parse().unwrap(), n).is_empty()), "a peer is told each time");
    let kept_out = bench.srs.take_kept_out();
    assert_eq!(kept_out.too_many, 500, "each of the others is counted");
    assert!(kept_out.unreadable >= 300);
}

#[test]
fn a_stranger_that_goes_on_beyond_its_rate_loses_its_stream() {
    for bad in [true, false] {
        let mut bench = guarded();
        assert!(connect(&mut bench, 1, stranger(0)) && connect(&mut bench, 2, PEER.parse().unwrap()));
        for n in 0..200 {
            let request = if bad { unreadable(n) } else { Call::new(&format!("c{n}")).request("OPTIONS", "", "") };
            over_tcp(&mut bench, 1, &request);
            over_tcp(&mut bench, 2, &request);
        }
        assert_eq!(bench.closed_streams, [ConnectionId(1)]);
    }
}
