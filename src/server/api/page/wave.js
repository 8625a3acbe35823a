// The drawing of a recording: a lane a channel, gaps and pauses in it, and where it is played.

const LANE = 76;
const AXIS = 20;
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];

class Wave {
    /// `lanes`: names of channels; `marks`: what is to be seen in which lanes; `seek` takes a moment, ms.
    constructor({ duration, lanes, marks, seek }) {
        Object.assign(this, { duration: Math.max(duration, 1), lanes, marks, at: 0, peaks: null, muted: new Set() });
        this.canvas = make("canvas", { id: "wave", tabindex: 0, role: "slider", "aria-label": "Position", "aria-valuemin": 0, "aria-valuemax": Math.round(duration / 1000) });
        this.canvas.style.height = `${lanes.length * LANE + AXIS}px`;
        const names = ["ink", "faint", "line", "accent", "warn", "bad"];
        // Colours of the theme in force, as a canvas takes them.
        this.inks = make("span", { class: "inks", "aria-hidden": "true" }, names.map((name) => make("i", { "data-name": name })));
        for (const ink of this.inks.children) ink.style.color = `var(--${ink.dataset.name})`;
        this.element = make("div", {}, this.inks, this.canvas);
        this.watch = new ResizeObserver(() => this.draw());
        this.watch.observe(this.canvas);
        this.redraw = () => this.draw();
        document.addEventListener("theme", this.redraw);
        const moved = (event) => seek(this.duration * (event.offsetX / this.canvas.clientWidth));
        this.canvas.addEventListener("pointerdown", (event) => {
            this.canvas.setPointerCapture(event.pointerId);
            moved(event);
        });
        this.canvas.addEventListener("pointermove", (event) => event.buttons === 1 && moved(event));
    }

    close() {
        this.watch.disconnect();
        document.removeEventListener("theme", this.redraw);
    }

    moveTo(at) {
        this.at = at;
        this.canvas.setAttribute("aria-valuenow", Math.round(at / 1000));
        this.canvas.setAttribute("aria-valuetext", `${clock(at)} of ${clock(this.duration)}`);
        this.draw();
    }

    draw() {
        const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
        if (!width) return;
        const scale = devicePixelRatio || 1;
        const [wide, high] = [Math.round(width * scale), Math.round(height * scale)];
        if (this.canvas.width !== wide) this.canvas.width = wide;
        if (this.canvas.height !== high) this.canvas.height = high;
        const to = this.canvas.getContext("2d");
        to.setTransform(scale, 0, 0, scale, 0, 0);
        to.clearRect(0, 0, width, height);
        const ink = Object.fromEntries([...this.inks.children].map((one) => [one.dataset.name, getComputedStyle(one).color]));
        const x = (ms) => width * ms / this.duration;
        this.marks.forEach((mark) => this.drawMark(to, mark, ink, x));
        this.lanes.forEach((_, lane) => this.drawLane(to, lane, ink, width, x(this.at)));
        this.drawAxis(to, ink, width, x);
        to.fillStyle = ink.ink;
        to.fillRect(Math.min(x(this.at), width - 2), 0, 2, this.lanes.length * LANE);
    }

    drawLane(to, lane, ink, width, played) {
        const middle = lane * LANE + LANE / 2;
        to.fillStyle = ink.line;
        to.fillRect(0, middle, width, 1);
        const peaks = this.peaks?.[lane] ?? [];
        const step = width / peaks.length;
        // By the root: what is said softly on a telephone is seen as well.
        const tall = (sample) => Math.sign(sample) * Math.sqrt(Math.abs(sample) / 32768) * (LANE / 2 - 4);
        to.globalAlpha = this.muted.has(lane) ? .3 : 1;
        peaks.forEach(([least, most], place) => {
            const at = place * step;
            to.fillStyle = at < played ? ink.accent : ink.faint;
            to.fillRect(at, middle - tall(most), Math.max(step, .6), Math.max(tall(most) - tall(least), .6));
        });
        to.globalAlpha = 1;
        to.font = "12px system-ui, sans-serif";
        to.textBaseline = "top";
        to.fillStyle = ink.ink;
        to.fillText(this.lanes[lane] + (this.muted.has(lane) ? " (muted)" : ""), 6, lane * LANE + 5);
    }

    drawMark(to, { kind, from, to: end, lanes }, ink, x) {
        const [left, wide] = [x(from), Math.max(x(end) - x(from), 2)];
        const colour = kind === "gap" ? ink.bad : ink.warn;
        for (const lane of lanes) {
            const top = lane * LANE + 2;
            to.save();
            to.beginPath();
            to.rect(left, top, wide, LANE - 4);
            to.clip();
            to.fillStyle = to.strokeStyle = colour;
            to.globalAlpha = .16;
            to.fillRect(left, top, wide, LANE - 4);
            to.globalAlpha = .6;
            // A gap is hatched one way, a pause the other: not by their colours alone.
            for (let at = -LANE; at < wide + LANE; at += 9) {
                to.beginPath();
                to.moveTo(left + at, kind === "gap" ? top + LANE : top);
                to.lineTo(left + at + LANE, kind === "gap" ? top : top + LANE);
                to.stroke();
            }
            to.restore();
        }
    }

    drawAxis(to, ink, width, x) {
        const wanted = this.duration / 1000 / Math.max(width / 80, 1);
        const step = (STEPS.find((one) => one >= wanted) ?? Math.ceil(wanted / 3600) * 3600) * 1000;
        const top = this.lanes.length * LANE;
        to.font = "11px system-ui, sans-serif";
        to.textBaseline = "middle";
        for (let at = 0; at <= this.duration; at += step) {
            to.fillStyle = ink.line;
            to.fillRect(x(at), top, 1, 5);
            to.fillStyle = ink.faint;
            if (x(at) + 34 < width) to.fillText(clock(at), x(at) + 4, top + AXIS / 2 + 1);
        }
    }
}
