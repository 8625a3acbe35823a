//! A browser without a window (Chromium), told what to do over its DevTools protocol.

use super::http::{Client, Frame, Socket};
use super::{TempDir, until};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long a start, or what a page is to come to, may take on a busy machine.
const WITHIN: Duration = Duration::from_secs(20);

/// One page of a browser of the test's own.
pub struct Browser {
    child: Child,
    devtools: Socket,
    next: u64,
    /// What the page did that was no answer to us.
    events: Vec<Value>,
    screenshots: PathBuf,
    _profile: TempDir,
}

impl Browser {
    /// Starts it with an empty page; none where there is no Chromium.
    pub fn start() -> Option<Self> {
        let profile = TempDir::new("browser");
        let mut command = Command::new("chromium");
        command.args([
            "--headless=new",
            "--remote-debugging-port=0",
            "--no-first-run",
            "--disable-gpu",
            "--mute-audio",
        ]);
        // Tests run as root too, which its sandbox does not; what it loads is ours.
        command.args(["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking"]);
        command.args(["--autoplay-policy=no-user-gesture-required", "--lang=en-GB", "--hide-scrollbars"]);
        command.arg(format!("--user-data-dir={}", profile.path().display())).arg("about:blank");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let told = profile.path().join("DevToolsActivePort");
        let port = || std::fs::read_to_string(&told).ok()?.lines().next()?.parse::<u16>().ok();
        let port = until(WITHIN, port).expect("the browser does not start");
        let client = Client::new(([127, 0, 0, 1], port).into());
        let page = || {
            let targets = client.try_ask("GET", "/json/list", b"").ok()?.json();
            let page = targets.as_array()?.iter().find(|target| target["type"] == "page")?.clone();
            page["webSocketDebuggerUrl"].as_str().map(str::to_owned)
        };
        let address = until(WITHIN, page).expect("the browser has no page");
        let path = address.splitn(4, '/').nth(3).unwrap();
        let devtools = client.websocket(&format!("/{path}")).unwrap();
        let target = super::server::binary().ancestors().nth(2).unwrap().join("screenshots");
        std::fs::create_dir_all(&target).unwrap();
        let mut browser = Self { child, devtools, next: 0, events: Vec::new(), screenshots: target, _profile: profile };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.tell(&format!("{domain}.enable"), &json!({}));
        }
        Some(browser)
    }

    /// Has something done, and waits for what comes of it.
    #[track_caller]
    pub fn tell(&mut self, method: &str, parameters: &Value) -> Value {
        self.next += 1;
        let id = self.next;
        self.devtools.say(&json!({ "id": id, "method": method, "params": parameters }).to_string());
        loop {
            let Frame::Text(said) = self.devtools.frame() else { panic!("the browser is gone") };
            if said["id"] == id {
                assert!(said.get("error").is_none(), "{method}: {said}");
                return said["result"].clone();
            }
            self.events.push(said);
        }
    }

    #[track_caller]
    pub fn open(&mut self, address: &str) {
        self.tell("Page.navigate", &json!({ "url": address }));
    }

    /// What an expression of JavaScript is, once its promise is kept.
    #[track_caller]
    pub fn value(&mut self, expression: &str) -> Value {
        let asked =
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true });
        let told = self.tell("Runtime.evaluate", &asked);
        assert!(told.get("exceptionDetails").is_none(), "{expression}: {told}");
        told["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub fn until(&mut self, expression: &str) {
        // While a page is being loaded there may be nothing to ask.
        let quiet = format!("(() => {{ try {{ return !!({expression}); }} catch {{ return false; }} }})()");
        if until(WITHIN, || (self.value(&quiet) == true).then_some(())).is_none() {
            self.screenshot("failed");
            panic!("it does not come to this: {expression}\n{:#?}", self.faults());
        }
    }

    /// Presses a key: `j`, `ArrowRight`, ` `.
    pub fn press(&mut self, key: &str) {
        let text = if key.chars().count() == 1 { key } else { "" };
        self.tell("Input.dispatchKeyEvent", &json!({ "type": "keyDown", "key": key, "text": text }));
        self.tell("Input.dispatchKeyEvent", &json!({ "type": "keyUp", "key": key }));
    }

    /// Types a text into what has the focus.
    pub fn write(&mut self, text: &str) {
        self.tell("Input.insertText", &json!({ "text": text }));
    }

    /// Clicks into the middle of the first element of a selector.
    #[track_caller]
    pub fn click(&mut self, selector: &str) {
        let quoted = json!(selector);
        self.until(&format!("document.querySelector({quoted}).checkVisibility()"));
        let place = self.value(&format!(
            "(() => {{ const one = document.querySelector({quoted}); one.scrollIntoView({{ block: 'center' }}); \
             const at = one.getBoundingClientRect(); return [at.x + at.width / 2, at.y + at.height / 2]; }})()"
        ));
        for kind in ["mousePressed", "mouseReleased"] {
            let event =
                json!({ "type": kind, "x": place[0], "y": place[1], "button": "left", "buttons": 1, "clickCount": 1 });
            self.tell("Input.dispatchMouseEvent", &event);
        }
    }

    /// Makes the window so large.
    pub fn resize(&mut self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.tell("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// Has the system prefer `light` or `dark`.
    pub fn prefer(&mut self, colours: &str) {
        let feature = json!({ "features": [{ "name": "prefers-color-scheme", "value": colours }] });
        self.tell("Emulation.setEmulatedMedia", &feature);
    }

    /// Keeps what is to be seen in target/screenshots/, for people.
    pub fn screenshot(&mut self, name: &str) -> PathBuf {
        let png = self.tell("Page.captureScreenshot", &json!({ "format": "png" }));
        let path = self.screenshots.join(format!("{name}.png"));
        std::fs::write(&path, decoded(png["data"].as_str().unwrap())).unwrap();
        path
    }

    /// What pages did that they must not: errors, what their policy forbids, exceptions.
    pub fn faults(&self) -> Vec<String> {
        let is_fault = |event: &&Value| match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Runtime.consoleAPICalled") => event["params"]["type"] == "error",
            Some("Log.entryAdded") => event["params"]["entry"]["level"] == "error",
            _ => false,
        };
        self.events.iter().filter(is_fault).map(|event| event["params"].to_string()).collect()
    }

    /// Addresses that pages asked for, WebSockets among them.
    pub fn asked(&self) -> Vec<String> {
        let address = |event: &Value| match event["method"].as_str() {
            Some("Network.requestWillBeSent") => event["params"]["request"]["url"].as_str().map(str::to_owned),
            Some("Network.webSocketCreated") => event["params"]["url"].as_str().map(str::to_owned),
            _ => None,
        };
        self.events.iter().filter_map(address).collect()
    }

    /// Where screenshots are kept.
    pub fn screenshots(&self) -> &Path {
        &self.screenshots
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Octets of base64 (RFC 4648).
fn decoded(text: &str) -> Vec<u8> {
    let value = |letter: u8| match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let letters: Vec<u8> = text.bytes().filter(|letter| *letter != b'=').map(value).collect();
    let mut out = Vec::with_capacity(letters.len() * 3 / 4);
    for four in letters.chunks(4) {
        let bits = four.iter().fold(0_u32, |bits, letter| bits << 6 | u32::from(*letter)) << (6 * (4 - four.len()));
        out.extend(&bits.to_be_bytes()[1..four.len()]);
    }
    out
}
