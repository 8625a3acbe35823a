//! The thread that signals: begins calls when they are due, lets the core's client speak, tells the media workers.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use siprec_core::seed::Random;
use siprec_core::session::client::{CallNumber, Change, Client, MAX_DATAGRAM, Output, Settings};
use siprec_core::sip::{Flow, Transport, Uri};
use siprec_core::time::{Monotonic, Now, Wall};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::Target;
use super::calls::{Calls, Deed, Ready};
use super::legs::Leg;
use super::links::{Arrived, Links, towards};
use super::made::Made;
use super::media::{Order, Played, Worker};
use super::options::Options;
use super::pacing::{Glimpse, Lateness, Running};
use super::srv;
use super::stream::Source;
use super::tally::{Report, Tally};
use crate::policy::VERSION;

/// The progress line is drawn so often.
const DRAW: Duration = Duration::from_millis(200);
/// After Ctrl-C the server's answers to BYE are waited for so long.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// A loopback's datagrams are whole at any size: its MTU is known (RFC 3261 18.1.1).
const LOOPBACK_DATAGRAM: usize = 60_000;

/// What is due.
#[derive(Debug)]
enum Task {
    Begin,
    Deed(Deed),
}

/// A call that was begun.
struct Live {
    /// Until it is answered.
    lines: Vec<(Leg, Source, Random)>,
    deeds: Vec<(Duration, Deed)>,
    made: Option<Made>,
    playing: bool,
}

pub(super) struct Driver {
    options: Options,
    target: Target,
    remotes: Vec<SocketAddr>,
    calls: Calls,
    random: Random,
    client: Client,
    links: Links,
    workers: Vec<Worker>,
    live: HashMap<CallNumber, Live>,
    agenda: BinaryHeap<Reverse<(u64, u64, u64)>>,
    tasks: BTreeMap<u64, (CallNumber, Task)>,
    next_task: u64,
    /// Calls whose media is still being sent, or whose figures are on their way.
    playing: u64,
    total: u64,
    tally: Tally,
    epoch: Instant,
    running: Arc<Running>,
    progress: ProgressBar,
    glimpse: Glimpse,
    stopping: bool,
}

impl Driver {
    /// Makes all calls; the report, and how many failed.
    pub(super) async fn drive(
        options: Options,
        target: Target,
        calls: Calls,
        mut random: Random,
    ) -> anyhow::Result<(Report, u64)> {
        let mut target = target;
        let (transport, remotes) = addresses(&target.uri, target.transport, &mut random).await?;
        target.transport = transport;
        let Some(first) = remotes.first().copied() else { bail!("{}: no address", target.uri.host) };
        if options.local.is_some_and(|local| local.is_ipv4() != first.is_ipv4()) {
            bail!("--local and --to are not of one family of addresses");
        }
        let settings = Settings {
            product: format!("siprec-replay/{VERSION}"),
            login: options.login.clone(),
            ..Settings::default()
        };
        let client = Client::new(settings, random.seed());
        let mut links = Links::new(options.local, options.tls.clone());
        if target.transport == Some(Transport::Tls) {
            links.connector()?;
        }
        let (played, playeds) = unbounded_channel();
        let running = Arc::new(Running::default());
        let workers = (0..options.threads.max(1)).map(|_| Worker::start(played.clone(), Arc::clone(&running)));
        let workers = workers.collect::<anyhow::Result<Vec<_>>>()?;
        drop(played);
        yield_to_media();
        let total = options.calls.unwrap_or_else(|| calls.count());
        let progress = bar(&options, total);
        let mut driver = Self {
            options,
            target,
            remotes,
            calls,
            random,
            client,
            links,
            workers,
            live: HashMap::new(),
            agenda: BinaryHeap::new(),
            tasks: BTreeMap::new(),
            next_task: 0,
            playing: 0,
            total,
            tally: Tally::default(),
            epoch: Instant::now(),
            running,
            progress,
            glimpse: Glimpse::new(),
            stopping: false,
        };
        driver.plan_beginnings();
        driver.run(playeds).await?;
        Ok(driver.finish())
    }

    /// One by one at the rate; the calls of a file, once each, as they stood in it.
    fn plan_beginnings(&mut self) {
        let as_in_file = self.options.calls.is_none();
        for number in 0..self.total {
            let of_file = self.calls.begins(number, self.options.speed).filter(|_| as_in_file);
            #[expect(clippy::cast_precision_loss, reason = "a number of calls")]
            let at = of_file.unwrap_or_else(|| Duration::from_secs_f64(number as f64 / self.options.rate));
            self.schedule(nanos(at), CallNumber(number), Task::Begin);
        }
    }

    fn schedule(&mut self, at: u64, call: CallNumber, task: Task) {
        self.next_task += 1;
        self.agenda.push(Reverse((at, call.0, self.next_task)));
        self.tasks.insert(self.next_task, (call, task));
    }

    async fn run(&mut self, mut playeds: UnboundedReceiver<Played>) -> anyhow::Result<()> {
        let mut draw = tokio::time::interval(DRAW);
        let mut give_up = None;
        let interrupt = tokio::signal::ctrl_c();
        tokio::pin!(interrupt);
        while self.tally.over < self.total || self.playing > 0 {
            let next = self.next_due();
            let wake = self.epoch + Duration::from_nanos(next.unwrap_or(u64::MAX / 4));
            tokio::select! {
                arrived = self.links.next() => {
                    let now = self.now();
                    match arrived {
                        Some(Arrived::Message(flow, bytes)) => self.client.handle_message(now, &flow, &bytes),
                        Some(Arrived::Closed(id, why)) => {
                            if !self.live.is_empty() {
                                self.tally.told(format!("a connection to the server ended: {why}"));
                            }
                            self.client.transport_failed(now, id);
                        }
                        None => bail!("no sockets left"),
                    }
                }
                played = playeds.recv() => {
                    let played = played.context("the threads that send media are gone")?;
                    self.played(played);
                }
                () = tokio::time::sleep_until(wake.into()) => self.due().await,
                _ = draw.tick() => self.draw(),
                _ = &mut interrupt, if !self.stopping => {
                    self.stop();
                    give_up = Some(Instant::now() + LAST_WORDS);
                }
            }
            self.carry_out().await;
            if give_up.is_some_and(|end| Instant::now() > end) {
                break;
            }
        }
        Ok(())
    }

    fn next_due(&self) -> Option<u64> {
        let client = self.client.next_timeout().map(|at| at.0);
        let agenda = self.agenda.peek().map(|Reverse((at, ..))| *at);
        client.into_iter().chain(agenda).min()
    }

    fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { monotonic: Monotonic(nanos(self.epoch.elapsed())), wall: Wall::default().after(wall) }
    }

    /// Ctrl-C: every call is ended, none begun.
    fn stop(&mut self) {
        self.stopping = true;
        let waiting = self.tasks.values().filter(|(_, task)| matches!(task, Task::Begin)).count() as u64;
        self.total -= waiting;
        self.agenda.clear();
        self.tasks.clear();
        let live: Vec<CallNumber> = self.live.keys().copied().collect();
        live.into_iter().for_each(|call| self.end(call));
    }

    async fn due(&mut self) {
        let now = self.now();
        self.client.handle_timeout(now);
        while self.agenda.peek().is_some_and(|Reverse((at, ..))| *at <= now.monotonic.0) {
            let Some(Reverse((_, _, task))) = self.agenda.pop() else { break };
            match self.tasks.remove(&task) {
                Some((call, Task::Begin)) => self.begin(call).await,
                Some((call, Task::Deed(deed))) => self.deed(call, deed),
                None => {}
            }
        }
    }

    async fn begin(&mut self, call: CallNumber) {
        self.tally.started += 1;
        if let Err(error) = self.try_begin(call).await {
            self.live.remove(&call);
            self.tally.not_begun(&error);
        }
    }

    async fn try_begin(&mut self, call: CallNumber) -> anyhow::Result<()> {
        let place = usize::try_from(call.0).unwrap_or(0) % self.remotes.len();
        let remote = self.remotes[place];
        let address = match self.options.local {
            Some(local) => local,
            None => towards(remote).with_context(|| format!("no way to {remote}"))?,
        };
        let now = self.now();
        let ready = self.calls.ready(call.0, &self.options, address, now.wall, &mut self.random)?;
        let Ready { plan, lines, deeds, made } = ready;
        let transport = self.target.transport.unwrap_or(Transport::Udp);
        let mut flow = self.links.towards(transport, remote, &self.target.uri.host).await?;
        let limit = if remote.ip().is_loopback() { LOOPBACK_DATAGRAM } else { MAX_DATAGRAM };
        let too_large = self.target.transport.is_none() && self.client.invite_size(&flow, &plan) > limit;
        if too_large && let Ok(stream) = self.links.towards(Transport::Tcp, remote, &self.target.uri.host).await {
            // RFC 3261 18.1.1: over TCP, and over UDP all the same where nobody listens there.
            flow = stream;
        }
        self.live.insert(call, Live { lines, deeds, made, playing: false });
        self.client.start(self.now(), call, flow, plan);
        Ok(())
    }

    fn deed(&mut self, call: CallNumber, deed: Deed) {
        let now = self.now();
        let Some(live) = self.live.get_mut(&call) else { return };
        match deed {
            Deed::Change(change) => self.client.change(now, call, *change),
            Deed::Transfer => {
                if let Some(made) = &mut live.made {
                    let document = made.transfer(call.0, now.wall, "siprec.invalid", &mut self.random);
                    self.client.change(now, call, Change::Metadata(Box::new(document)));
                }
            }
            Deed::End => self.end(call),
        }
    }

    /// Ends a call: its media first, so that nothing is sent behind the BYE.
    fn end(&mut self, call: CallNumber) {
        match self.live.get_mut(&call) {
            Some(live) if live.playing => {
                live.playing = false;
                self.order(call, Order::Stop { call });
            }
            Some(_) => self.client.end(self.now(), call),
            None => {}
        }
    }

    /// A call's media is over; so is the call, unless the server ended it.
    fn played(&mut self, played: Played) {
        self.playing = self.playing.saturating_sub(1);
        if self.live.contains_key(&played.call) {
            self.client.end(self.now(), played.call);
        }
        self.tally.played(played);
    }

    /// Does what the client wants.
    async fn carry_out(&mut self) {
        while let Some(output) = self.client.poll_output() {
            match output {
                Output::Send { flow, bytes } => self.links.send(&flow, bytes).await,
                Output::Redirected { call, uri } => {
                    let flow = self.follow(&uri).await;
                    if let Err(error) = &flow {
                        self.tally.told(format!("redirected to {uri}: {error:#}"));
                    }
                    self.client.redirect(self.now(), call, flow.ok());
                }
                Output::Answered { call, after } => self.answered(call, after),
                Output::Media { call, lines } => self.order(call, Order::Aim { call, destinations: lines }),
                Output::Told { what, .. } => self.tally.told(what),
                Output::Over { call, end } => {
                    self.tally.ended(&end);
                    if self.live.remove(&call).is_some_and(|live| live.playing) {
                        self.order(call, Order::Stop { call });
                    }
                }
            }
        }
    }

    async fn follow(&mut self, uri: &str) -> anyhow::Result<Flow> {
        let uri = Uri::parse(uri).ok().context("not a SIP address")?;
        let transport = uri.transport();
        let (_, remotes) = addresses(&uri, Some(transport), &mut self.random).await?;
        let remote = remotes.first().copied().context("no address")?;
        self.links.towards(transport, remote, &uri.host).await
    }

    fn answered(&mut self, call: CallNumber, after: Duration) {
        self.tally.answered(after);
        let at = Instant::now();
        let Some(live) = self.live.get_mut(&call) else { return };
        let (lines, deeds) = (std::mem::take(&mut live.lines), std::mem::take(&mut live.deeds));
        live.playing = true;
        self.playing += 1;
        let Options { impairments, speed, .. } = self.options;
        self.order(call, Order::Play { call, at, lines, impairments, speed });
        for (after, deed) in deeds {
            let due = nanos(at - self.epoch).saturating_add(nanos(after));
            self.schedule(due, call, Task::Deed(deed));
        }
    }

    fn order(&self, call: CallNumber, order: Order) {
        let place = usize::try_from(call.0).unwrap_or(0) % self.workers.len();
        self.workers[place].order(order);
    }

    fn draw(&mut self) {
        let glance = self.glimpse.glance(&self.running, Instant::now());
        self.progress.set_position(self.tally.over);
        self.progress.set_message(format!(
            "{} live, {} answered, {} failed, {glance}",
            self.live.len(),
            self.tally.answered,
            self.tally.failed()
        ));
    }

    fn finish(self) -> (Report, u64) {
        self.progress.finish_and_clear();
        let took = self.epoch.elapsed();
        let mut lateness = Lateness::default();
        self.workers.into_iter().for_each(|worker| lateness.merge(&worker.finish()));
        let failed = self.tally.failed();
        (self.tally.report(&lateness, took), failed)
    }
}

fn bar(options: &Options, total: u64) -> ProgressBar {
    const DRAWS_PER_SECOND: u8 = 10;
    let target = match options.progress {
        true => ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND),
        false => ProgressDrawTarget::hidden(),
    };
    let bar = ProgressBar::with_draw_target(Some(total), target);
    if let Ok(style) = ProgressStyle::with_template("{bar:10} {pos}/{len} calls over, {elapsed}: {msg}") {
        bar.set_style(style);
    }
    bar
}

/// On a core that both want, media goes first: an answer may wait, a packet is late at once. This thread only (Linux).
fn yield_to_media() {
    const NICER: i32 = 5;
    const NICEST: i32 = 19;
    let now = rustix::process::getpriority_process(None).unwrap_or(0);
    // What is refused here is only less even.
    let _ = rustix::process::setpriority_process(None, (now + NICER).min(NICEST));
}

/// Where a URI is, and by what transport where that is said somewhere: by its address, by SRV where it gives no port (RFC 3263
/// 4.2), or by name (A and AAAA).
async fn addresses(
    uri: &Uri,
    transport: Option<Transport>,
    random: &mut Random,
) -> anyhow::Result<(Option<Transport>, Vec<SocketAddr>)> {
    let port = uri.port.unwrap_or_else(|| transport.unwrap_or(Transport::Udp).default_port());
    if let Some(address) = uri.ip() {
        return Ok((transport, vec![SocketAddr::new(address, port)]));
    }
    let spoken: &[Transport] = match &transport {
        Some(transport) => std::slice::from_ref(transport),
        None => &[Transport::Udp, Transport::Tcp],
    };
    for &by in spoken.iter().filter(|_| uri.port.is_none()) {
        // A name server is waited for on another thread: calls go on.
        let (domain, mut own) = (uri.host.clone(), Random::new(random.seed()));
        let services = tokio::task::spawn_blocking(move || srv::lookup(&domain, by, &mut own)).await;
        for service in services.unwrap_or_default() {
            let found = tokio::net::lookup_host((service.host.as_str(), service.port)).await;
            if let Some(address) = found.ok().and_then(|mut found| found.next()) {
                // Over UDP nothing is said of large requests, which go over TCP.
                let said = transport.or(Some(by).filter(|&by| by != Transport::Udp));
                return Ok((said, vec![address]));
            }
        }
    }
    let found = tokio::net::lookup_host((uri.host.as_str(), port)).await;
    let found: Vec<SocketAddr> = found.with_context(|| format!("{}: no such host", uri.host))?.take(1).collect();
    Ok((transport, found))
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
