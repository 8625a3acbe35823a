// One recording: its facts, what was noticed, its tags, and the player.

let player = null;

async function openRecording(id) {
    const place = byId("one");
    closePlayer();
    place.replaceChildren(make("p", { class: "faint empty" }, "Loading …"));
    const path = `/api/v1/recordings/${encodeURIComponent(id)}`;
    try {
        const [of, sheet] = await Promise.all([json(path), json(`${path}/proof`)]);
        if (opened() !== id) return;
        trouble(null);
        drawRecording(of, sheet, path);
    } catch (error) {
        if (opened() === id) place.replaceChildren(back(), make("p", { class: "bad empty" }, error.message));
    }
}

function closePlayer() {
    player?.close();
    player = null;
}

const back = () => make("a", { class: "back", href: "#/recordings" }, "← All recordings");

function drawRecording(of, sheet, path) {
    const playing = make("div", { class: "sheet" });
    const findings = of.findings.length
        ? make("ul", { class: "findings" }, of.findings.map((finding) => make("li", {}, finding)))
        : make("p", { class: "faint" }, "Nothing was noticed.");
    byId("one").replaceChildren(back(),
        make("div", {}, make("h2", {}, parties(of)), make("p", { class: "faint" }, moment(of.started_at), `, ${clock(of.duration_ms)}`)),
        chips({ ...of, tags: [] }), playing,
        make("div", { class: "columns" },
            make("div", { class: "sheet" }, make("h3", {}, "Findings"), findings),
            make("div", { class: "sheet" }, make("h3", {}, "Tags"), tags(of, path), holds(of)),
            make("div", { class: "sheet" }, make("h3", {}, "Facts"), factsOf(of)),
            make("div", { class: "sheet" }, make("h3", {}, "Streams"), streams(sheet))));
    const chosen = (number) => {
        closePlayer();
        player = new Player({ of, sheet, path, number, place: playing, chosen });
    };
    chosen(0);
}

function factsOf(of) {
    const { quality } = of;
    const person = (one) => one && [who(one), one.name && one.aor ? make("div", { class: "faint" }, one.aor) : ""];
    return facts([
        ["Caller", person(of.caller)], ["Callee", person(of.callee)],
        ["Ended", of.ended_by ? `${of.state}, by ${words(of.ended_by)}` : of.state],
        ["Packets", `${quality.packets_received} of ${quality.packets_expected}, ${percent(quality.packets_lost, quality.packets_expected)} lost`],
        ["Recorder", [of.vendor, of.product].filter(Boolean).join(", ")],
        ["Call-ID", make("span", { class: "code" }, of.call_id)],
        ["Id", make("span", { class: "code" }, of.id)],
        ["Stored in", of.stored_in.join(", ")],
        ["Server", of.node],
        ["Files", of.files.map((file) => make("div", {}, `${file.format}, ${octets(file.bytes)}, ${file.channels} × ${file.sample_rate} Hz`,
            file.here ? "" : ", in storage"))],
    ]);
}

function streams(sheet) {
    const names = people(sheet);
    return facts((sheet.streams ?? []).map((stream) => {
        const said = (stream.sources ?? []).map((source) => {
            const mos = source.quality?.mos_hundredths;
            const lost = percent(source.lost, source.expected);
            return make("div", {}, `${(stream.codecs ?? []).join(", ")}, ${lost} lost${mos ? `, MOS ${(mos / 100).toFixed(2)}` : ""}`);
        });
        return [voiceOf(stream, names) || `Stream ${stream.label ?? stream.m_line}`, said.length ? said : stream.why_not ?? "nothing came"];
    }));
}

const people = (sheet) => new Map((sheet.participants ?? []).map((person) => [person.id, who(person)]));

const voiceOf = (of, names) => (of.participants ?? []).map((id) => names.get(id)).filter(Boolean).join(", ");

function holds(of) {
    return of.holds.length > 0 && make("ul", {}, of.holds.map((hold) => make("li", { class: "warn" }, `On hold: ${hold.reason}`)));
}

/// The tags, with what changes them.
function tags(of, path) {
    const place = make("div", { class: "tags" });
    const said = make("span", { class: "bad", role: "alert" });
    const change = async (changes) => {
        try {
            draw((await json(path, { method: "PATCH", body: JSON.stringify(changes) })).tags);
            said.textContent = "";
        } catch (error) {
            said.textContent = error.message;
        }
    };
    const input = make("input", { "aria-label": "New tag", placeholder: "new tag", maxlength: 64, autocomplete: "off" });
    const add = make("form", { submit: (event) => {
        event.preventDefault();
        if (input.value.trim()) change({ add_tags: [input.value.trim()] });
        input.value = "";
    } }, input, make("button", {}, "Add"));
    const draw = (names) => place.replaceChildren(
        ...names.map((tag) => make("span", { class: "chip" }, tag,
            make("button", { type: "button", "aria-label": `Remove tag ${tag}`, click: () => change({ remove_tags: [tag] }) }, "×"))),
        add, said);
    draw(of.tags);
    return place;
}
