// Recordings: searched, listed page by page.

const search = {
    next: null,
    /// Only the answer to what was asked last is shown.
    number: 0,

    query() {
        const query = new URLSearchParams({ limit: "50" });
        for (const [name, value] of new FormData(byId("search"))) if (value.trim()) query.set(name, value.trim());
        return query;
    },

    async begin() {
        this.next = null;
        await this.page(true);
    },

    async page(isFirst) {
        const number = ++this.number;
        const query = this.query();
        if (!isFirst) query.set("after", this.next);
        try {
            const page = await json(`/api/v1/recordings?${query}`);
            if (number !== this.number) return;
            const rows = page.recordings.map(row);
            if (isFirst) byId("list").replaceChildren(...rows);
            else byId("list").append(...rows);
            this.next = page.next;
            trouble(null);
        } catch (error) {
            if (number === this.number) trouble(error);
        }
        byId("next").hidden = !this.next;
        const count = byId("list").children.length;
        byId("count").textContent = count ? `${counted(count, "recording", "recordings")}${this.next ? ", and there are more" : ""}` : "No recordings.";
        markOpen();
    },
};

function chips(of) {
    const { quality } = of;
    return make("span", { class: "chips" },
        of.state !== "complete" && make("span", { class: "chip bad" }, of.state),
        of.held && make("span", { class: "chip warn" }, "on hold"),
        quality.gaps > 0 && make("span", { class: "chip bad" }, counted(quality.gaps, "gap", "gaps")),
        quality.pauses > 0 && make("span", { class: "chip warn" }, "paused"),
        quality.packets_lost > 0 && make("span", { class: "chip" }, `${percent(quality.packets_lost, quality.packets_expected)} lost`),
        of.tags.map((tag) => make("span", { class: "chip" }, tag)));
}

function row(of) {
    return make("li", {}, make("a", { class: "row", href: `#/recording/${encodeURIComponent(of.id)}`, "data-id": of.id },
        make("span", { class: "who" }, parties(of)), make("span", { class: "long" }, clock(of.duration_ms)),
        make("span", { class: "faint" }, moment(of.started_at)), chips(of)));
}

/// Shows which of the list is open.
function markOpen() {
    const id = opened();
    for (const link of byId("list").querySelectorAll("a")) {
        if (link.dataset.id === id) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
    }
}

byId("search").addEventListener("submit", (event) => {
    event.preventDefault();
    search.begin();
});
byId("search").addEventListener("reset", () => setTimeout(() => search.begin()));
byId("next").addEventListener("click", () => search.page(false));
