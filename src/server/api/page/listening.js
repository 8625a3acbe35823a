// Which view is shown, and what keys do.

const opened = () => /^#\/recording\/([\w-]+)$/.exec(location.hash)?.[1] ?? null;

function route() {
    const isLive = location.hash === "#/live";
    const id = opened();
    byId("recordings-view").hidden = isLive;
    byId("live-view").hidden = !isLive;
    byId("recordings-view").classList.toggle("opened", id !== null);
    for (const [link, isHere] of [["to-live", isLive], ["to-recordings", !isLive]]) {
        if (isHere) byId(link).setAttribute("aria-current", "page");
        else byId(link).removeAttribute("aria-current");
    }
    if (isLive) {
        closePlayer();
        live.open();
        return;
    }
    live.close();
    if (!search.number) search.begin();
    markOpen();
    if (id) {
        openRecording(id);
    } else {
        closePlayer();
        byId("one").replaceChildren(make("p", { class: "faint empty" }, "Choose a recording: j and k go through the list, ? tells the keys."));
    }
}

/// Goes to the next in the list, or to the one before.
function step(by) {
    const list = [...document.querySelectorAll(location.hash === "#/live" ? "#sessions > li" : "#list a")];
    const current = list.indexOf(document.activeElement);
    const from = current >= 0 ? current : list.findIndex((one) => one.hasAttribute("aria-current"));
    const next = list[Math.min(Math.max(from + by, 0), list.length - 1)];
    next?.focus();
    next?.scrollIntoView({ block: "nearest" });
}

const KEYS = {
    j: () => step(1),
    k: () => step(-1),
    "/": () => {
        location.hash = location.hash === "#/live" ? "#/recordings" : location.hash;
        byId("search").elements.text.focus();
    },
    "?": () => byId("help").showModal(),
    r: () => { location.hash = "#/recordings"; },
    l: () => { location.hash = "#/live"; },
    " ": () => player?.toggle(),
    ArrowLeft: (event) => player?.seek(player.position() - (event.shiftKey ? 30_000 : 5_000)),
    ArrowRight: (event) => player?.seek(player.position() + (event.shiftKey ? 30_000 : 5_000)),
    Home: () => player?.seek(0),
    End: () => player?.seek(player.of.duration_ms),
};

document.addEventListener("keydown", (event) => {
    const { target } = event;
    const isTyped = target.matches("input, select, textarea") || document.querySelector("dialog[open]");
    // Space presses what has the focus.
    const isPressed = event.key === " " && target.matches("button, summary");
    if (isTyped || isPressed || event.ctrlKey || event.metaKey || event.altKey) return;
    const key = /^[1-9]$/.test(event.key) ? () => player?.mute(Number(event.key) - 1) : KEYS[event.key];
    if (!key) return;
    event.preventDefault();
    key(event);
});

byId("keys").addEventListener("click", KEYS["?"]);
addEventListener("hashchange", route);
themes();
route();
