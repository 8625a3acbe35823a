// How things are said: times, lengths, people.

const two = (number) => String(number).padStart(2, "0");

/// `1:02:03`, `2:03`.
function clock(ms) {
    const seconds = Math.floor(ms / 1000);
    const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
    return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

/// `2:03.4`: gaps are short.
const finely = (ms) => `${clock(ms)}.${Math.floor(ms / 100) % 10}`;

const counted = (number, one, several) => `${number} ${number === 1 ? one : several}`;

/// A moment as it was here.
function moment(text) {
    const at = new Date(text);
    const said = at.toLocaleString(undefined, { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" });
    return make("time", { datetime: text, title: text }, said);
}

const who = (person) => person?.name || person?.aor?.replace(/^(sips?|tel):/, "") || "unknown";

const parties = (of) => `${who(of.caller)} → ${who(of.callee)}`;

function octets(count) {
    const units = ["B", "kB", "MB", "GB"];
    let place = 0;
    for (; count >= 1000 && place < units.length - 1; place += 1) count /= 1000;
    return `${place ? count.toFixed(1) : count} ${units[place]}`;
}

const percent = (part, whole) => whole ? `${(100 * part / whole).toFixed(1)} %` : "none";

/// `no_rtp` as people say it.
const words = (name) => name.replaceAll("_", " ");

function facts(rows) {
    return make("dl", { class: "facts" }, rows.filter(([, value]) => value !== null && value !== undefined && value !== "")
        .map(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
}

function trouble(error) {
    byId("trouble").hidden = !error;
    byId("trouble").textContent = error ? error.message ?? String(error) : "";
}
