//! The smallest recorder there is: it answers INVITE, ACK, BYE and OPTIONS over UDP and TCP, keeps the RTP that comes, and
//! forgets nothing. The harness is tested against it.

use super::src::message::Message;
use super::src::{Direction, body, lock};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::spawn;
use std::time::Duration;

/// What it heard.
#[derive(Debug, Default)]
pub struct Heard {
    /// Method and CSeq of each request, retransmissions among them.
    pub requests: Vec<String>,
    /// Each RTP packet: port, bytes, wall clock.
    pub packets: Vec<(u16, Vec<u8>, i64)>,
}

/// A recorder that keeps no records.
pub struct Fake {
    pub address: SocketAddr,
    pub heard: Arc<Mutex<Heard>>,
}

impl Fake {
    /// Answers from now on, at a loopback address that no other has; the first `deaf` messages are lost, and each 200 to an
    /// INVITE is sent `answers` times.
    pub fn start(deaf: usize, answers: usize) -> Self {
        static FAKES: AtomicU8 = AtomicU8::new(1);
        let ip = Ipv4Addr::new(127, 77, std::process::id().to_le_bytes()[0], FAKES.fetch_add(1, Ordering::Relaxed));
        let udp = UdpSocket::bind((ip, 0)).unwrap();
        let address = udp.local_addr().unwrap();
        let tcp = TcpListener::bind(address).unwrap();
        let heard: Arc<Mutex<Heard>> = Arc::default();
        let (for_udp, for_tcp) = (heard.clone(), heard.clone());
        spawn(move || {
            let mut buffer = vec![0; 65_536];
            let mut count = 0;
            while let Ok((n, from)) = udp.recv_from(&mut buffer) {
                count += 1;
                if count <= deaf {
                    continue;
                }
                for (n, reply) in answer(&buffer[..n], address, &for_udp, answers).into_iter().enumerate() {
                    super::pause(Duration::from_millis(if n == 0 { 0 } else { 100 }));
                    udp.send_to(&reply, from).unwrap();
                }
            }
        });
        spawn(move || {
            for stream in tcp.incoming().flatten() {
                let heard = for_tcp.clone();
                spawn(move || serve(stream, address, &heard, answers));
            }
        });
        Self { address, heard }
    }
}

fn serve(mut stream: TcpStream, address: SocketAddr, heard: &Arc<Mutex<Heard>>, answers: usize) {
    let (mut held, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(n @ 1..) = stream.read(&mut buffer) {
        held.extend_from_slice(&buffer[..n]);
        while let Some(message) = super::src::next_message(&mut held) {
            for reply in answer(&message, address, heard, answers) {
                let _ = stream.write_all(&reply);
            }
        }
    }
}

fn answer(raw: &[u8], address: SocketAddr, heard: &Arc<Mutex<Heard>>, answers: usize) -> Vec<Vec<u8>> {
    let request = Message::parse(raw).unwrap();
    lock(heard).requests.push(request.header("CSeq").unwrap().to_owned());
    match request.method() {
        "ACK" => Vec::new(),
        "INVITE" => {
            let legs = raw.windows(8).filter(|w| *w == b"m=audio ").count();
            let ports: Vec<u16> = (0..legs).map(|_| listen(address.ip(), heard.clone())).collect();
            let sdp = body::sdp(address.ip(), &ports, &vec![Direction::SendOnly; legs], 1);
            let length = sdp.len();
            let rest = format!(
                "Contact: <sip:fake@{address}>\r\nContent-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{sdp}"
            );
            vec![request.respond(200, "OK", &rest); answers]
        }
        _ => vec![request.respond(200, "OK", "")],
    }
}

fn listen(ip: IpAddr, heard: Arc<Mutex<Heard>>) -> u16 {
    let socket = UdpSocket::bind((ip, 0)).unwrap();
    let port = socket.local_addr().unwrap().port();
    spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok(n) = socket.recv(&mut buffer) {
            lock(&heard).packets.push((port, buffer[..n].to_vec(), super::wall_now()));
        }
    });
    port
}
