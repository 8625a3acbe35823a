//! A system that is told by POST: keeps what came, answers as it is set.

use super::src::lock;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What came in one request.
#[derive(Debug, Clone)]
pub struct Heard {
    /// `POST /hook HTTP/1.1`.
    pub line: String,
    /// `name: value`, names in lower case.
    pub fields: Vec<String>,
    pub body: Vec<u8>,
}

impl Heard {
    #[track_caller]
    pub fn field(&self, name: &str) -> &str {
        self.fields.iter().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap()
    }
}

/// Who is told; lives until the process ends.
pub struct Receiver {
    pub address: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
    status: Arc<Mutex<u16>>,
}

impl Receiver {
    /// One that answers 200.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (heard, status) = (Arc::<Mutex<Vec<Heard>>>::default(), Arc::new(Mutex::new(200)));
        let (into, answers) = (Arc::clone(&heard), Arc::clone(&status));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (into, answers) = (Arc::clone(&into), Arc::clone(&answers));
                std::thread::spawn(move || serve(stream, &into, &answers));
            }
        });
        Self { address, heard, status }
    }

    /// From now on it answers that; what it does not answer with 200 it has not heard.
    pub fn answers(&self, status: u16) {
        *lock(&self.status) = status;
    }

    /// All that came up to now.
    pub fn heard(&self) -> Vec<Heard> {
        lock(&self.heard).clone()
    }
}

fn serve(mut stream: TcpStream, into: &Mutex<Vec<Heard>>, answers: &Mutex<u16>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let lines = reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty());
        let mut lines = lines.collect::<Vec<String>>().into_iter();
        let Some(line) = lines.next() else { return };
        let fields = lines.map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            format!("{}: {value}", name.to_lowercase())
        });
        let fields: Vec<String> = fields.collect();
        let length = |line: &String| line.strip_prefix("content-length: ")?.parse().ok();
        let Some(length) = fields.iter().find_map(length) else { return };
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let status = *lock(answers);
        let answer = if status == 200 { "" } else { "no!\n" };
        if status == 200 {
            lock(into).push(Heard { line, fields, body });
        }
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{answer}", answer.len());
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
