// What is being recorded: who speaks, how it sounds, and the audio as it comes.

/// Events that change what is shown of a session.
const CHANGES = /^(session|stream|recording\.started|missed)/;
const SOONEST = 300;
/// More sessions are told of, not shown: nobody looks at thousands.
const MOST = 200;
/// Seconds of audio that wait before what comes is left out: who listens hears what is said now.
const BEHIND = .6;
const AHEAD = .08;

const live = {
    socket: null,
    cards: new Map(),
    retry: 1000,
    /// Only the answer to what was asked last is shown.
    number: 0,

    async open() {
        this.isOpen = true;
        // Who is not signed in is not asked again and again.
        if (await this.reload() && this.isOpen) this.watch();
        this.ticking ??= setInterval(() => this.cards.forEach((card) => card.tick()), 1000);
    },

    close() {
        this.isOpen = false;
        clearTimeout(this.later);
        clearInterval(this.ticking);
        this.ticking = undefined;
        this.socket?.close();
        this.socket = null;
        listening.stop();
    },

    async reload() {
        const number = ++this.number;
        const query = new URLSearchParams([...new FormData(byId("live-search"))].filter(([, value]) => value.trim()));
        try {
            const { sessions } = await json(`/api/v1/sessions?${query}`);
            if (!this.isOpen || number !== this.number) return this.isOpen;
            trouble(null);
            this.show(sessions.slice(0, MOST), sessions.length);
            return true;
        } catch (error) {
            trouble(error);
            return false;
        }
    },

    show(sessions, count) {
        const known = new Set(sessions.map((session) => session.id));
        for (const [id, card] of this.cards) {
            if (known.has(id)) continue;
            card.element.remove();
            this.cards.delete(id);
        }
        for (const [place, session] of sessions.entries()) {
            const card = this.cards.get(session.id) ?? new Card(session.id);
            this.cards.set(session.id, card);
            card.draw(session);
            const there = byId("sessions").children[place];
            if (there !== card.element) byId("sessions").insertBefore(card.element, there ?? null);
        }
        const shown = count > sessions.length ? ` ${sessions.length} of them are shown: say who takes part.` : "";
        byId("live-count").textContent = `${count ? counted(count, "session", "sessions") : "No session"} now.${shown}`;
    },

    watch() {
        if (this.socket) return;
        const events = this.socket = socket("/ws/events", { quality: "true" });
        events.onopen = () => { this.retry = 1000; };
        events.onmessage = ({ data }) => {
            const event = JSON.parse(data);
            if (event.type === "quality") event.streams.forEach((second) => this.cards.get(second.session)?.take(second));
            else if (CHANGES.test(event.type)) this.soon();
        };
        events.onclose = () => {
            if (this.socket !== events) return;
            this.socket = null;
            this.later = setTimeout(() => this.isOpen && this.open(), this.retry);
            this.retry = Math.min(this.retry * 2, 30_000);
        };
    },

    /// Several events in a row are one look.
    soon() {
        clearTimeout(this.later);
        this.later = setTimeout(() => this.reload(), SOONEST);
    },
};

byId("live-search").addEventListener("input", () => live.soon());
byId("live-search").addEventListener("submit", (event) => event.preventDefault());

class Card {
    constructor(id) {
        this.id = id;
        this.streams = new Map();
        this.element = make("li", { class: "sheet session", tabindex: 0, "data-id": id });
        this.listen = make("button", { type: "button", class: "main", click: () => listening.toggle(this) }, "Listen");
        this.choice = make("select", { "aria-label": "Who is heard", change: () => listening.card === this && listening.start(this) });
        this.said = make("span", { class: "faint", role: "status" });
    }

    draw(session) {
        this.session = session;
        this.long = make("span", { class: "long" });
        const chosen = this.choice.value;
        const audible = session.streams.filter((stream) => stream.media === "audio");
        this.choice.replaceChildren(make("option", { value: "" }, "everybody"),
            ...audible.map((stream) => make("option", { value: stream.number, selected: chosen === String(stream.number) }, speaker(stream))));
        const rows = audible.map((stream) => {
            const row = this.streams.get(stream.number) ?? {
                bar: make("span"), figures: make("div", { class: "figures faint" }),
            };
            this.streams.set(stream.number, row);
            return make("div", { class: "stream" },
                make("span", {}, speaker(stream), stream.paused && make("span", { class: "warn" }, ` paused (${words(stream.paused)})`)),
                make("span", { class: "bar", role: "img", "aria-label": "Level" }, row.bar), row.figures);
        });
        this.element.replaceChildren(make("h3", {}, parties(session)),
            make("p", { class: "faint" }, this.long, [session.vendor, session.peer, session.src].filter(Boolean).map((word) => `, ${word}`).join("")),
            make("span", { class: "chips" }, session.paused && make("span", { class: "chip warn" }, "paused"),
                (session.tags ?? []).map((tag) => make("span", { class: "chip" }, tag)),
                session.alarms.map((alarm) => {
                    const of = session.streams.find((stream) => stream.number === alarm.stream);
                    return make("span", { class: "chip bad" }, words(alarm.alarm), of && `: ${speaker(of)}`);
                })),
            ...rows, make("div", { class: "controls" }, this.listen, this.choice, this.said));
        this.tick();
    }

    tick() {
        this.long.textContent = clock(Math.max(Date.now() - Date.parse(this.session.started_at ?? Date.now()), 0));
    }

    /// A second of one of its streams.
    take(second) {
        const row = this.streams.get(second.stream);
        if (!row) return;
        const level = Math.max(second.level_dbfs ?? -60, -60);
        row.bar.style.width = `${Math.round(100 * (level + 60) / 60)}%`;
        row.bar.parentNode?.setAttribute("aria-label", `Level ${level} dB`);
        if (!second.packets) {
            row.figures.textContent = "Nothing comes.";
            return;
        }
        row.figures.textContent = [second.codec, second.mos && `MOS ${second.mos.toFixed(2)}`, `${percent(second.lost ?? 0, second.expected)} lost`,
            second.jitter_us !== undefined && `${(second.jitter_us / 1000).toFixed(1)} ms jitter`, second.talks && "talks"].filter(Boolean).join(" · ");
    }
}

const speaker = (stream) => stream.speakers.map(who).join(", ") || `Stream ${stream.label ?? stream.number}`;

/// The one session that is listened to.
const listening = {
    card: null,

    toggle(card) {
        if (this.card === card) this.stop();
        else this.start(card);
    },

    start(card) {
        this.stop();
        this.card = card;
        card.listen.textContent = "Stop";
        card.said.textContent = "";
        const heard = this.socket = socket("/ws/stream");
        heard.binaryType = "arraybuffer";
        const stream = card.choice.value || undefined;
        heard.onopen = () => heard.send(JSON.stringify({ action: "subscribe", session_id: card.id, format: "pcm16", stream }));
        heard.onmessage = ({ data }) => (typeof data === "string" ? this.told(JSON.parse(data)) : this.take(data));
        heard.onclose = () => this.socket === heard && this.stop("The connection was lost.");
    },

    stop(why = "") {
        const { card, socket: heard, context } = this;
        Object.assign(this, { card: null, socket: null, context: null });
        heard?.close();
        context?.close();
        if (!card) return;
        card.listen.textContent = "Listen";
        card.said.textContent = why;
    },

    told(message) {
        if (message.type === "subscribed") {
            // At the stream's own rate: what comes is joined without a seam.
            this.context = new AudioContext({ sampleRate: message.rate });
            this.due = 0;
            this.rate = message.rate;
        } else if (message.type === "error") {
            this.stop(message.detail);
        } else if (message.type === "ended") {
            this.stop("The session is over.");
        } else if (message.type === "dropped") {
            this.card.said.textContent = "Some of it did not get here in time.";
        }
    },

    /// Samples, behind their number and time (12 octets).
    take(data) {
        const { context } = this;
        if (!context) return;
        const samples = new Int16Array(data.slice(12));
        const now = context.currentTime;
        if (!samples.length || this.due > now + BEHIND) return;
        const buffer = context.createBuffer(1, samples.length, this.rate);
        buffer.getChannelData(0).set(Float32Array.from(samples, (sample) => sample / 32768));
        const source = new AudioBufferSourceNode(context, { buffer });
        source.connect(context.destination);
        this.due = Math.max(this.due, now + (this.due < now ? AHEAD : 0));
        source.start(this.due);
        this.due += buffer.duration;
    },
};
