//! The pages for people, in a browser: signing in, finding a recording, hearing it, listening to a call, in light and dark and on a
//! narrow screen. Screenshots are left in target/screenshots/.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use serde_json::json;
use std::time::Duration;
use support::becomes_true;
use support::browser::Browser;
use support::recordings;
use support::seeded::Seeded;
use support::server::{Server, Setup, new_key};

const SOON: Duration = Duration::from_secs(20);

const ROLES: &str = "auth.roles=[{name: supervisor, permissions: [read, write]}]";

/// Whether the drawing has something in it, by its colours.
const IS_DRAWN: &str = "(() => { const canvas = document.querySelector('#wave'); \
                        const pixels = new Uint32Array(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer); \
                        return new Set(pixels).size; })() > 20";

/// Whether all that is shown was made for people.
const IS_SAID: &str = "!/\\[object |undefined|NaN/.test(document.body.innerText)";

#[test]
fn people_find_hear_and_watch_calls_in_a_browser() {
    let (key, row) = new_key("--name desk --role supervisor");
    let setup = Setup::default().sessions(140).set(&format!("auth.api_keys=[{row}]")).set(ROLES);
    let Some(mut browser) = Browser::start() else {
        return support::lacking("chromium is not installed: `make peers`");
    };
    let mut seeded = Seeded::start(setup, Some(&key));
    browser.resize(1280, 900);
    browser.prefer("light");
    signs_in(&mut browser, &seeded, &key);
    finds(&mut browser, &seeded);
    hears(&mut browser, &seeded);
    saves(&mut browser, &seeded);
    notes(&mut browser, &seeded);
    looks_right(&mut browser);
    listens(&mut browser, &seeded);
    reads_the_document(&mut browser, &seeded);

    let open = needs_no_token_where_none_is_asked(&mut browser, &mut seeded);
    let own = [seeded.client.address, open.api].map(|address| format!("//{address}/"));
    let is_own =
        |url: &String| own.iter().any(|own| url.contains(own)) || url.starts_with("data:") || url.starts_with("blob:");
    let others: Vec<String> = browser.asked().into_iter().filter(|url| !is_own(url)).collect();
    assert!(others.is_empty(), "asked of others: {others:?}");
    // The first requests have no token: that is how a page learns that it needs one. A length and a tag were typed wrongly.
    let is_meant = |fault: &String| ["status of 401", "status of 400"].iter().any(|status| fault.contains(status));
    let faults: Vec<String> = browser.faults().into_iter().filter(|fault| !is_meant(fault)).collect();
    support::assert_no_faults(&faults);
    seeded.server.assert_never_panicked();
}

fn signs_in(browser: &mut Browser, seeded: &Seeded, key: &str) {
    browser.open(&format!("http://{}/", seeded.client.address));
    browser.until("document.querySelector('#login').open");
    browser.screenshot("sign-in");
    browser.write("siprec_wrong");
    browser.press("Enter");
    browser.click("#login button.main");
    browser
        .until("document.querySelector('#login').open && document.querySelector('#login-why').textContent.length > 0");
    browser.value("document.querySelector('#login-token').focus()");
    browser.write(key);
    browser.click("#login button.main");
    let count = seeded.recordings.len();
    browser.until(&format!("document.querySelectorAll('#list a').length === {count}"));
    assert_eq!(browser.value("document.querySelector('#trouble').hidden"), true);
}

fn finds(browser: &mut Browser, seeded: &Seeded) {
    browser.press("/");
    browser.write("Alice 21");
    browser.press("Enter");
    browser.click("#search button.main");
    browser.until("document.querySelectorAll('#list a').length === 1");
    browser.value("document.activeElement.blur()");
    browser.press("j");
    assert_eq!(browser.value("document.activeElement.dataset.id"), json!(seeded.marked));
    browser.click("#search summary");
    browser.value("document.querySelector('#search').elements.min_duration.value = 'long'");
    browser.click("#search button.main");
    browser.until("document.querySelector('#trouble').textContent.includes('min_duration')");
    browser.click("#search button[type=reset]");
    browser.until(&format!("document.querySelectorAll('#list a').length === {}", seeded.recordings.len()));
    browser.click("#search summary");
}

fn hears(browser: &mut Browser, seeded: &Seeded) {
    browser.click(&format!("#list a[data-id='{}']", seeded.marked));
    browser.until("document.querySelector('#one h2').textContent.includes('Alice 21')");
    browser.until("player.wave.peaks !== null");
    browser.until(IS_DRAWN);
    let marks =
        browser.value("[...document.querySelectorAll('.marks button')].map((one) => one.textContent)").to_string();
    assert!(marks.contains("pause") && marks.contains("operator") && marks.contains("gap"), "{marks}");
    browser.screenshot("recording");

    browser.value("document.activeElement.blur()");
    browser.press(" ");
    browser.until("!player.audio.paused && player.audio.currentTime > 0.3");
    browser.press(" ");
    browser.until("player.audio.paused");
    browser.press("Home");
    browser.press("ArrowRight");
    browser.until("Math.abs(player.audio.currentTime - 5) < 0.1 && player.audio.seeking === false");
    browser.click(".marks button");
    browser.until("player.audio.currentTime > 1 && player.audio.currentTime < 3");
    // What is heard of a channel: the gain that stands in its way.
    assert_eq!(browser.value("player.gains.map((gain) => gain.gain.value)"), json!([1, 1]));
    browser.click(".mute");
    assert_eq!(browser.value("player.gains.map((gain) => gain.gain.value)"), json!([0, 1]));
    assert_eq!(browser.value("document.querySelector('.mute').getAttribute('aria-pressed')"), "true");
    browser.press("2");
    assert_eq!(browser.value("player.gains.map((gain) => gain.gain.value)"), json!([0, 0]));
    browser.press("1");
    browser.press("2");
}

fn saves(browser: &mut Browser, seeded: &Seeded) {
    let folder = seeded.server.scratch().join("saved");
    browser.tell("Page.setDownloadBehavior", &json!({ "behavior": "allow", "downloadPath": folder }));
    let path = format!("/api/v1/recordings/{}", seeded.marked);
    let file = seeded.client.get(&path).must(200)["files"][0].clone();
    browser.click(".download");
    let saved = folder.join(file["name"].as_str().unwrap());
    let digest = || std::fs::read(&saved).ok().map(|octets| recordings::sha256(&octets));
    assert!(becomes_true(SOON, || digest().as_deref() == file["sha256"].as_str()), "{:?}", digest());
}

fn notes(browser: &mut Browser, seeded: &Seeded) {
    browser.click(".tags input");
    // What people type is a text, whatever it looks like.
    browser.write("<img>");
    browser.click(".tags form button");
    browser.until("document.querySelector('.tags .bad').textContent.includes('<img>')");
    browser.click(".tags input");
    browser.write("complaint");
    browser.click(".tags form button");
    browser.until("document.querySelector('.tags .chip')?.textContent.includes('complaint')");
    let shown = seeded.client.get(&format!("/api/v1/recordings/{}", seeded.marked)).must(200);
    assert_eq!(shown["tags"], json!(["complaint"]));
}

fn looks_right(browser: &mut Browser) {
    assert_eq!(browser.value(IS_SAID), true, "what is no text is shown as one");
    let ground = "getComputedStyle(document.body).backgroundColor";
    let light = browser.value(ground);
    browser.prefer("dark");
    browser.until(&format!("{ground} !== {light}"));
    browser.value("document.querySelector('#one').scrollIntoView()");
    browser.screenshot("recording-dark");
    browser.click("#theme");
    browser.until(&format!("{ground} === {light}"));
    browser.click("#theme");

    browser.resize(360, 740);
    let fits = "document.documentElement.scrollWidth <= innerWidth";
    browser.until(fits);
    browser.value("scrollTo(0, 0)");
    browser.screenshot("recording-narrow");
    browser.click("#one .back");
    browser.until(
        "document.querySelector('#found').checkVisibility() && !document.querySelector('#one').checkVisibility()",
    );
    browser.until(fits);
    browser.click("#search summary");
    browser.until(fits);
    browser.screenshot("list-narrow");
    browser.click("#search summary");
    browser.click("#keys");
    browser.until("document.querySelector('#help').open");
    browser.screenshot("keys-narrow");
    browser.click("#help button.main");
    browser.resize(1280, 900);
}

fn listens(browser: &mut Browser, seeded: &Seeded) {
    browser.press("l");
    browser.until("document.querySelectorAll('#sessions > li').length === 2");
    let card = format!("li[data-id='{}']", seeded.live);
    browser.until(&format!("document.querySelector(\"{card} .figures\").textContent.includes('MOS')"));
    let silent = format!("document.querySelector(\"li[data-id='{}'] .chips\").textContent", seeded.silent);
    browser.until(&format!("{silent}.includes('no rtp')"));
    browser.click("#live-search input");
    browser.write("Bob 32");
    browser.until("document.querySelectorAll('#sessions > li').length === 1");
    browser.value("document.querySelector('#live-search').reset(); live.soon(); document.activeElement.blur()");
    browser.until("document.querySelectorAll('#sessions > li').length === 2");
    browser.click(&format!("{card} button.main"));
    browser.until("listening.context && listening.due > 0.5 && listening.context.currentTime > 0.3");
    browser.screenshot("live-dark");
    browser.click(&format!("{card} button.main"));
    browser.until("listening.card === null");
    browser.resize(360, 740);
    browser.until("document.documentElement.scrollWidth <= innerWidth");
    browser.screenshot("live-narrow");
    browser.resize(1280, 900);
    seeded.client.post(&format!("/api/v1/sessions/{}/stop", seeded.silent), "").must(202);
    browser.until("document.querySelectorAll('#sessions > li').length === 1");
}

fn reads_the_document(browser: &mut Browser, seeded: &Seeded) {
    browser.open(&format!("http://{}/docs", seeded.client.address));
    browser.until("document.querySelectorAll('details.operation').length > 30");
    browser.value("document.querySelector('#find').focus()");
    browser.write("get /api/v1/recordings/{id}/peaks");
    browser.until("document.querySelectorAll('details.operation:not([hidden])').length === 1");
    browser.click("details.operation:not([hidden]) summary");
    browser.click("details[open] form.try input");
    browser.write(&seeded.marked);
    browser.click("details[open] form.try button.main");
    browser.until("document.querySelector('details[open] pre').textContent.includes('\"channels\"')");
    assert_eq!(browser.value(IS_SAID), true, "what is no text is shown as one");
    browser.screenshot("docs");
    browser.resize(360, 740);
    browser.until("document.documentElement.scrollWidth <= innerWidth");
    browser.screenshot("docs-narrow");
}

/// Then the browser fetches what it plays by itself, in parts. The recording is in the page's address.
fn needs_no_token_where_none_is_asked(browser: &mut Browser, seeded: &mut Seeded) -> Server {
    seeded.server.terminate();
    let open = Setup::default().data(&seeded.server.data).start();
    browser.resize(1280, 900);
    browser.open(&format!("http://{}/#/recording/{}", open.api, seeded.marked));
    browser.until("player.wave.peaks !== null");
    browser.press("ArrowRight");
    browser.press(" ");
    browser.until("!player.audio.paused && player.audio.currentTime > 5.1");
    assert_eq!(browser.value("player.audio.src.startsWith('http')"), true);
    browser.until("player.audio.ended");
    open
}
