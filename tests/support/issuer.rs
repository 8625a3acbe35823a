//! A real issuer of tokens (oauth2-mock-server), in a process of its own: it has a key of each kind, and signs what a test asks for.

use super::http::Client;
use super::src::lock;
use super::{becomes_true, lacking};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Whom tokens are for.
pub const AUDIENCE: &str = "siprec-api";

/// The issuer; ends with the test.
#[derive(Debug)]
pub struct Issuer {
    pub url: String,
    address: SocketAddr,
    process: Option<Child>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Issuer {
    /// None where it is not installed and may be lacking.
    pub fn start() -> Option<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, super::ports::single()));
        let mut issuer = Self { url: format!("http://{address}"), address, process: None, asked: Arc::default() };
        issuer.restart().then_some(issuer)
    }

    /// Starts it, at the same address, with other keys. Whether it is installed.
    pub fn restart(&mut self) -> bool {
        self.stop();
        let script = super::objects::tools().with_file_name("issuer").join("issuer.mjs");
        if !script.exists() {
            lacking(&format!("{} is not there: run `make peers`", script.display()));
            return false;
        }
        let mut command = Command::new("node");
        command.arg(script).arg(self.address.port().to_string());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("node (npm brings it)");
        let (lines, asked) = (BufReader::new(child.stdout.take().unwrap()).lines(), Arc::clone(&self.asked));
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| lock(&asked).push(line)));
        self.process = Some(child);
        let answers = || TcpStream::connect(self.address).is_ok();
        assert!(becomes_true(Duration::from_secs(60), answers), "the issuer does not start");
        true
    }

    pub fn stop(&mut self) {
        if let Some(mut child) = self.process.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// How often its keys were fetched.
    pub fn fetched(&self) -> usize {
        lock(&self.asked).iter().filter(|path| *path == "/jwks").count()
    }

    /// Its public keys.
    pub fn keys(&self) -> Value {
        Client::new(self.address).get("/jwks").must(200)["keys"].clone()
    }

    /// A token of this user, for us, with these roles.
    #[track_caller]
    pub fn token(&self, user: &str, roles: &[&str]) -> String {
        self.sign("RS256", &json!({"aud": AUDIENCE, "sub": user, "roles": roles}))
    }

    /// A token that is signed in this way; a claim that is null is left out.
    #[track_caller]
    pub fn sign(&self, algorithm: &str, claims: &Value) -> String {
        let asked = json!({"alg": algorithm, "claims": claims}).to_string();
        let answer = Client::new(self.address).post("/sign", &asked);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text()
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.stop();
    }
}
