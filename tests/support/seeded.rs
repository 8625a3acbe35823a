//! A server with something in it: recordings of real calls, one of them with a pause and a crash in it; a call that goes on; another
//! on which nothing is heard, which is an alarm.

use super::becomes_true;
use super::http::Client;
use super::recordings;
use super::server::{Server, Setup};
use super::src::{Call, Src};
use super::studio::Plan;
use serde_json::Value;
use std::time::Duration;

/// How long something that is to come may take.
const SOON: Duration = Duration::from_secs(30);
/// Of the calls that go on, seconds: longer than any test that looks at them.
const LONG: f64 = 150.0;

/// A server, and what is in it.
pub struct Seeded {
    pub server: Server,
    pub client: Client,
    /// The recording with a pause and a gap.
    pub marked: String,
    /// The ids of all recordings, that one included.
    pub recordings: Vec<String>,
    /// The session that is heard.
    pub live: String,
    /// The session of an alarm, and that alarm.
    pub silent: String,
    pub alarm: String,
    /// What goes on while this lives.
    _calls: Vec<Call>,
}

impl Seeded {
    /// Starts a server and fills it, as who has this key, if one is needed.
    #[track_caller]
    pub fn start(setup: Setup, key: Option<&str>) -> Self {
        let mut server = setup.set("media.rtp_timeout=2s").start();
        let client = Client::new(server.api);
        let client = key.map_or_else(|| client.clone(), |key| client.bearer(key));
        let src = Src::udp(server.sip);
        let marked = Call::new(&src, 21);
        marked.must_invite();
        marked.talk(&Plan::seconds(6.0));
        super::pause(Duration::from_millis(1_500));
        let session = |call: &Call| {
            let shown = client.get(&format!("/api/v1/sessions?call={}", call.call_id())).must(200);
            shown["sessions"][0]["id"].as_str().unwrap().to_owned()
        };
        let path = format!("/api/v1/sessions/{}", session(&marked));
        client.post(&format!("{path}/pause"), "").must(200);
        super::pause(Duration::from_millis(800));
        client.post(&format!("{path}/resume"), "").must(200);
        super::pause(Duration::from_millis(700));
        server.kill();
        super::pause(Duration::from_millis(400));
        server.restart();

        let others: Vec<Call> = (22..26).map(|index| Call::new(&src, index)).collect();
        for call in &others {
            call.must_invite();
            call.talk(&Plan { loss: 0.02, ..Plan::seconds(2.0) });
        }
        let (live, silent) = (Call::new(&src, 31), Call::new(&src, 32));
        live.must_invite();
        live.talk(&Plan::seconds(LONG));
        silent.must_invite();
        for call in others.iter().chain([&marked]) {
            call.wait();
            assert_eq!(call.bye().unwrap().status(), 200);
        }
        let marked = recordings::wait(&server.data, marked.call_id(), SOON).id().to_owned();
        let count = others.len() + 1;
        let listed = || client.get("/api/v1/recordings").must(200)["recordings"].as_array().unwrap().clone();
        assert!(becomes_true(SOON, || listed().len() == count), "{}", server.tail());
        let ids = |list: Vec<Value>| list.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
        let alarms = || client.get("/api/v1/alarms").must(200)["alarms"].as_array().unwrap().clone();
        assert!(becomes_true(SOON, || !alarms().is_empty()), "{}", server.tail());
        let alarm = alarms()[0]["id"].as_str().unwrap().to_owned();
        let (heard, unheard) = (session(&live), session(&silent));
        let recordings = ids(listed());
        Self { server, client, marked, recordings, live: heard, silent: unheard, alarm, _calls: vec![live, silent] }
    }

    /// A text with ids of what there is in the place of `$marked`, `$spare` (a recording that may go), `$live`, `$silent`, `$alarm`.
    pub fn named(&self, text: &str) -> String {
        let spare = self.recordings.iter().find(|id| **id != self.marked).expect("there are several");
        let names = [
            ("$marked", &self.marked),
            ("$spare", spare),
            ("$live", &self.live),
            ("$silent", &self.silent),
            ("$alarm", &self.alarm),
        ];
        names.iter().fold(text.to_owned(), |text, (name, id)| text.replace(name, id))
    }
}
