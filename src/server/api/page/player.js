// Plays a file of a recording: seeking, speed, and each channel heard or not.

/// Where a token is needed, a file is fetched whole before it is played; a larger one as Opus.
const WHOLE = 48e6;
const SPEEDS = [.75, 1, 1.25, 1.5, 2];

class Player {
    constructor({ of, sheet, path, number, place, chosen }) {
        Object.assign(this, { of, path, number, file: of.files[number], wanted: 0, muted: new Set() });
        if (!this.file) {
            place.replaceChildren(make("p", { class: "faint" }, "There is no audio: the findings say why."));
            return;
        }
        const names = people(sheet);
        const voices = sheet.files?.[number]?.voices ?? [];
        const lanes = Array.from({ length: this.file.channels }, (_, lane) => voiceOf(voices[lane] ?? {}, names) || `Channel ${lane + 1}`);
        this.marks = marksOf(sheet, number, voices, lanes.length);
        this.wave = new Wave({ duration: of.duration_ms, lanes, marks: this.marks, seek: (ms) => this.seek(ms) });
        this.audio = make("audio", { preload: "none" });
        // Without a token the browser fetches what it plays, a part at a time.
        if (!token()) this.audio.src = this.address({});
        for (const event of ["timeupdate", "play", "pause", "ended", "seeked"]) this.audio.addEventListener(event, () => this.show());
        this.audio.addEventListener("error", () => this.audio.getAttribute("src") && this.say("It cannot be played: your browser or the server refuses."));
        this.build(place, lanes, chosen);
        this.show();
        this.drawPeaks();
    }

    build(place, lanes, chosen) {
        const { files } = this.of;
        this.play = make("button", { class: "main play", type: "button", click: () => this.toggle() });
        this.clock = make("span", { class: "clock" });
        this.said = make("p", { class: "faint", role: "status" });
        const choice = files.length > 1 && make("select", { "aria-label": "File", change: (event) => chosen(Number(event.target.value)) },
            files.map((file, place) => make("option", { value: place, selected: place === this.number }, `File ${place + 1}`)));
        const speed = make("select", { "aria-label": "Speed", change: (event) => this.hasten(Number(event.target.value)) },
            SPEEDS.map((times) => make("option", { value: times, selected: times === 1 }, `${times}×`)));
        this.mutes = lanes.map((name, lane) => make("button", { type: "button", class: "mute", "aria-pressed": "false", click: () => this.mute(lane) }, `Mute ${name}`));
        const format = make("select", { "aria-label": "Format" }, [["", "as recorded"], ["wav", "WAV"], ["flac", "FLAC"], ["opus", "Opus"]]
            .map(([value, name]) => make("option", { value }, name)));
        const marks = this.marks.map((mark) => make("button", { type: "button", click: () => this.seek(mark.from) },
            make("span", { class: `swatch ${mark.kind}` }), `${mark.kind} ${finely(mark.from)}–${finely(mark.to)}, ${words(mark.cause)}`));
        place.replaceChildren(this.wave.element,
            make("div", { class: "controls" }, this.play, this.clock, speed, choice, this.mutes),
            marks.length > 0 && make("div", { class: "marks", role: "group", "aria-label": "Gaps and pauses" }, marks),
            make("div", { class: "controls" }, format,
                make("button", { type: "button", class: "download", click: () => this.download(format.value) }, "Download"),
                make("button", { type: "button", click: () => this.proof() }, "Proof sheet")),
            this.said);
        place.classList.add("player");
    }

    address(more) {
        return `${this.path}/audio?${new URLSearchParams({ file: this.number, ...more })}`;
    }

    async drawPeaks() {
        const points = Math.min(Math.max(Math.round(this.wave.canvas.clientWidth), 200), 2000);
        const response = await api(`${this.path}/peaks?${new URLSearchParams({ file: this.number, points })}`).catch(() => null);
        if (!response?.ok) {
            this.say(response ? await problem(response) : "It cannot be drawn.");
            return;
        }
        this.wave.peaks = (await response.json()).channels;
        this.wave.draw();
    }

    /// The file, and a way to each of its channels.
    async load() {
        if (!this.audio.getAttribute("src")) {
            this.say("Fetching …");
            const response = await must(this.address(this.file.bytes > WHOLE ? { format: "opus" } : {}));
            this.blob = URL.createObjectURL(await response.blob());
            this.audio.src = this.blob;
            this.say("");
        }
        if (!this.context) {
            const context = this.context = new AudioContext();
            const splitter = context.createChannelSplitter(this.file.channels);
            const merger = context.createChannelMerger(this.file.channels);
            this.gains = this.mutes.map((_, lane) => {
                const gain = context.createGain();
                gain.gain.value = this.muted.has(lane) ? 0 : 1;
                splitter.connect(gain, lane);
                // One channel is heard on both sides.
                gain.connect(this.file.channels > 1 ? merger : context.destination, 0, this.file.channels > 1 ? lane : 0);
                return gain;
            });
            context.createMediaElementSource(this.audio).connect(splitter);
            merger.connect(context.destination);
        }
        await this.context.resume();
    }

    async toggle() {
        if (!this.file || this.isLoading) return;
        if (!this.audio.paused) {
            this.audio.pause();
            return;
        }
        this.isLoading = true;
        try {
            await this.load();
            const wanted = this.wanted / 1000;
            if (this.audio.readyState < 1) this.audio.addEventListener("loadedmetadata", () => { this.audio.currentTime = wanted; }, { once: true });
            await this.audio.play();
        } catch (error) {
            if (error.name !== "AbortError") this.say(`It cannot be played: ${error.message}`);
        }
        this.isLoading = false;
    }

    position() {
        return this.audio.readyState > 0 ? this.audio.currentTime * 1000 : this.wanted;
    }

    seek(ms) {
        if (!this.file) return;
        this.wanted = Math.min(Math.max(ms, 0), this.of.duration_ms);
        if (this.audio.readyState > 0) this.audio.currentTime = this.wanted / 1000;
        this.show();
    }

    hasten(times) {
        // The default is what a source begins with that is fetched later.
        this.audio.defaultPlaybackRate = this.audio.playbackRate = times;
    }

    mute(lane) {
        if (!this.mutes?.[lane]) return;
        const isMuted = !this.muted.delete(lane);
        if (isMuted) this.muted.add(lane);
        this.mutes[lane].setAttribute("aria-pressed", String(isMuted));
        if (this.gains) this.gains[lane].gain.value = isMuted ? 0 : 1;
        this.wave.muted = this.muted;
        this.wave.draw();
    }

    show() {
        this.play.textContent = this.audio.paused ? "Play" : "Pause";
        this.clock.textContent = `${clock(this.position())} / ${clock(this.of.duration_ms)}`;
        this.wave.moveTo(this.position());
        if (this.audio.paused || this.frame) return;
        const step = () => {
            this.wave.moveTo(this.position());
            this.frame = this.audio.paused ? 0 : requestAnimationFrame(step);
        };
        this.frame = requestAnimationFrame(step);
    }

    say(text) {
        this.said.textContent = text;
    }

    async download(format) {
        const address = this.address(format ? { download: "true", format } : { download: "true" });
        // Without a token the browser saves it as it comes.
        if (!token()) {
            make("a", { href: address, download: "" }).click();
            return;
        }
        await this.fetched(address, `${this.of.id}.${format || this.file.format}`);
    }

    proof() {
        return this.fetched(`${this.path}/proof`, `${this.of.id}.json`);
    }

    async fetched(address, otherwise) {
        try {
            this.say("Fetching …");
            const response = await must(address);
            const name = /filename="([^"]+)"/.exec(response.headers.get("content-disposition") ?? "")?.[1];
            save(await response.blob(), name ?? otherwise);
            this.say("");
        } catch (error) {
            this.say(error.message);
        }
    }

    close() {
        if (!this.file) return;
        cancelAnimationFrame(this.frame);
        this.audio.pause();
        this.audio.removeAttribute("src");
        this.audio.load();
        if (this.blob) URL.revokeObjectURL(this.blob);
        this.context?.close();
        this.wave.close();
    }
}

/// Gaps and pauses of a file, each with the lanes that it is in: those of its stream, or all. What befell several alike is one.
function marksOf(sheet, number, voices, channels) {
    const all = Array.from({ length: channels }, (_, lane) => lane);
    const found = new Map();
    const take = (kind) => ({ label, from_ms: from, to_ms: to, cause }) => {
        const stream = (sheet.streams ?? []).find((one) => label !== null && one.label === label);
        if (stream && (stream.file ?? 0) !== number) return;
        const lane = voices.findIndex((voice) => label !== null && voice.label === label);
        const key = JSON.stringify([kind, from, to, cause]);
        const mark = found.get(key) ?? { kind, from, to, cause: cause ?? "", lanes: new Set() };
        (lane < 0 ? all : [lane]).forEach((one) => mark.lanes.add(one));
        found.set(key, mark);
    };
    (sheet.proof?.gaps ?? []).forEach(take("gap"));
    (sheet.proof?.pauses ?? []).forEach(take("pause"));
    return [...found.values()].sort((a, b) => a.from - b.from);
}
