"use strict";
// Asks the API as whoever has typed a token in. It stays with this tab (sessionStorage), and goes where the API is and nowhere else.

const TOKEN = "siprec-token";
const THEME = "siprec-theme";

const token = () => sessionStorage.getItem(TOKEN) || "";

function setToken(text) {
    if (text) sessionStorage.setItem(TOKEN, text);
    else sessionStorage.removeItem(TOKEN);
}

/// A request with the token, if there is one.
function ask(path, { method = "GET", body, headers = {}, signal } = {}) {
    const fields = { ...headers };
    if (token()) fields.Authorization = `Bearer ${token()}`;
    if (body !== undefined) fields["Content-Type"] ??= "application/json";
    return fetch(path, { method, body, headers: fields, signal, credentials: "same-origin" });
}

/// What an answer says is wrong: the problem document's words, or else the status.
async function problem(response) {
    const text = await response.text();
    try {
        const told = JSON.parse(text);
        if (told.detail) return told.detail;
    } catch { /* It is no problem document. */ }
    return `${response.status} ${response.statusText}`.trim();
}

/// A WebSocket of the API. Browsers let no page set its header fields, so the token goes into the query.
function socket(path, query = {}) {
    const address = new URL(path, location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    for (const [name, value] of Object.entries(query)) address.searchParams.set(name, value);
    if (token()) address.searchParams.set("access_token", token());
    return new WebSocket(address);
}

/// An element. Whatever comes from calls is a text node: nothing is ever read as HTML.
function make(tag, attributes = {}, ...content) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (value === undefined || value === null || value === false) continue;
        if (typeof value === "function") element.addEventListener(name, value);
        else element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...content.flat(Infinity).filter((part) => part !== null && part !== undefined && part !== false));
    return element;
}

const byId = (id) => document.getElementById(id);

/// Offers octets to be saved.
function save(blob, name) {
    const link = make("a", { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/// Light, dark, or as the system has it.
function isDark() {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function setTheme(theme) {
    if (theme) document.documentElement.dataset.theme = theme;
    const button = byId("theme");
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", isDark() ? "Light colours" : "Dark colours");
    document.dispatchEvent(new Event("theme"));
}

function themes() {
    setTheme(localStorage.getItem(THEME));
    byId("theme").addEventListener("click", () => {
        const theme = isDark() ? "light" : "dark";
        localStorage.setItem(THEME, theme);
        setTheme(theme);
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => setTheme());
}
