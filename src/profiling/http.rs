//! As much of HTTP/1.1 as a profile needs: one GET, one answer, over.

use std::io::{BufReader, Read as _, Write as _};
use std::net::{IpAddr, TcpStream};
use std::time::Duration;

/// Octets of a request's head.
const MAX_HEAD: u64 = 8192;
/// Who says nothing, or takes nothing, for so long is left alone.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is asked.
#[derive(Debug)]
pub(super) struct Question {
    path: String,
    query: String,
}

impl Question {
    /// By the target of a request.
    pub(super) fn of(target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self { path: path.to_owned(), query: query.to_owned() }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.split('&').find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
    }
}

/// What is answered.
#[derive(Debug)]
pub(super) struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn new(status: u16, kind: &str, body: Vec<u8>) -> Self {
        Self { status, head: format!("Content-Type: {kind}\r\n"), body }
    }

    pub(super) fn text(status: u16, text: &str) -> Self {
        Self::new(status, "text/plain; charset=utf-8", format!("{text}\n").into())
    }

    pub(super) fn html(text: &str) -> Self {
        Self::new(200, "text/html; charset=utf-8", text.into())
    }

    pub(super) fn svg(body: Vec<u8>) -> Self {
        Self::new(200, "image/svg+xml", body)
    }

    pub(super) fn file(name: &str, body: Vec<u8>) -> Self {
        let mut answer = Self::new(200, "application/octet-stream", body);
        answer.head.push_str(&format!("Content-Disposition: attachment; filename=\"{name}\"\r\n"));
        answer
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> u16 {
        self.status
    }

    fn bytes(&self) -> Vec<u8> {
        let reason = match self.status {
            200 => "OK",
            400 => "Bad Request",
            403 => "Forbidden",
            404 => "Not Found",
            _ => "Service Unavailable",
        };
        let head = format!(
            "HTTP/1.1 {} {reason}\r\n{}Content-Length: {}\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
            self.status,
            self.head,
            self.body.len()
        );
        [head.as_bytes(), &self.body].concat()
    }
}

/// Reads a request and answers it.
pub(super) fn serve(mut stream: TcpStream, answer: impl Fn(&Question) -> Answer) {
    let in_time = stream.set_read_timeout(Some(PATIENCE)).and(stream.set_write_timeout(Some(PATIENCE)));
    let Some(head) = in_time.ok().and_then(|()| head(&stream)) else { return };
    let answer = question(&head).map_or_else(|refused| refused, |question| answer(&question));
    // Who has hung up need not have it.
    let _ = stream.write_all(&answer.bytes());
}

fn head(stream: &TcpStream) -> Option<String> {
    let mut head = Vec::new();
    for byte in BufReader::new(stream.take(MAX_HEAD)).bytes() {
        head.push(byte.ok()?);
        if head.ends_with(b"\r\n\r\n") {
            return String::from_utf8(head).ok();
        }
    }
    None
}

fn question(head: &str) -> Result<Question, Answer> {
    let mut lines = head.lines();
    let Some(target) = lines.next().and_then(|line| line.strip_prefix("GET ")?.split(' ').next()) else {
        return Err(Answer::text(400, "ask by GET"));
    };
    let host = lines.find_map(|line| line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("host")));
    // A page of somebody else's, whose name was made to lead here, may not read what its browser gets.
    if !host.is_some_and(|(_, host)| is_this_machine(host.trim())) {
        return Err(Answer::text(403, "ask by this machine's own address: http://127.0.0.1:6060/debug/pprof/"));
    }
    Ok(Question::of(target))
}

fn is_this_machine(host: &str) -> bool {
    let without_port = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let name = without_port.map_or(host, |(name, _)| name);
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_by_another_name_is_refused() {
        let asks = |host: &str| question(&format!("GET /debug/pprof/heap?debug=1 HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        for host in ["127.0.0.1:6060", "localhost", "LOCALHOST:1", "[::1]:6060", "[::1]"] {
            let question = asks(host).unwrap();
            assert_eq!((question.path(), question.parameter("debug")), ("/debug/pprof/heap", Some("1")), "{host}");
        }
        for host in ["example.com", "127.0.0.1.example.com:6060", "192.0.2.1:6060", ""] {
            assert_eq!(asks(host).unwrap_err().status(), 403, "{host}");
        }
        assert_eq!(question("POST / HTTP/1.1\r\n\r\n").unwrap_err().status(), 400);
    }
}
