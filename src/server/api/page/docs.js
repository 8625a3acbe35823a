// Draws the OpenAPI document: operations by tag, schemas, and a form that tries each.

const METHODS = ["get", "post", "put", "patch", "delete"];
/// More of an answer is not shown: it can be saved.
const SHOWN = 200_000;
let whole;

const lookUp = (schema) => {
    const path = schema?.$ref;
    return path ? path.slice(2).split("/").reduce((at, key) => at[key], whole) : schema;
};

const nameOf = (schema) => schema.$ref.split("/").pop();

/// A schema in a few words.
function kind(schema) {
    if (!schema) return "anything";
    if (schema.$ref) return nameOf(schema);
    const several = schema.oneOf ?? schema.anyOf ?? schema.allOf;
    if (several) return several.map(kind).join(schema.allOf ? " and " : " or ");
    if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
    if (schema.const !== undefined) return JSON.stringify(schema.const);
    const types = [schema.type ?? "anything"].flat();
    const word = (type) => {
        if (type === "array") return `list of ${kind(schema.items)}`;
        if (type === "object" && typeof schema.additionalProperties === "object") return `object of ${kind(schema.additionalProperties)}`;
        return schema.format && type !== "null" ? `${type} (${schema.format})` : type;
    };
    const bounds = [
        schema.minimum !== undefined && `from ${schema.minimum}`, schema.maximum !== undefined && `to ${schema.maximum}`,
        schema.pattern && `like ${schema.pattern}`, schema.default !== undefined && `else ${JSON.stringify(schema.default)}`,
    ];
    return [types.map(word).join(" or "), ...bounds.filter(Boolean)].join(", ");
}

/// A value that such a schema allows, to begin with.
function example(schema, depth = 0) {
    const of = lookUp(schema);
    if (!of || depth > 4) return null;
    if (of.example !== undefined) return of.example;
    if (of.default !== undefined) return of.default;
    if (of.enum) return of.enum[0];
    const several = of.oneOf ?? of.anyOf;
    if (several) return example(several.find((one) => one.type !== "null"), depth + 1);
    if (of.allOf) return Object.assign({}, ...of.allOf.map((one) => example(one, depth + 1)));
    const type = [of.type].flat().find((one) => one !== "null");
    if (type === "object" || of.properties) {
        const wanted = Object.entries(of.properties ?? {}).filter(([name, field]) => of.required?.includes(name) || field.default !== undefined);
        return Object.fromEntries(wanted.map(([name, field]) => [name, example(field, depth + 1)]));
    }
    if (type === "array") return [];
    if (type === "integer" || type === "number") return of.minimum ?? 0;
    return type === "boolean" ? false : "";
}

/// A schema's kind; one with a name leads to it.
function kindShown(schema) {
    const inner = schema?.$ref ? schema : schema?.items?.$ref ? schema.items : null;
    if (!inner) return make("span", { class: "kind" }, kind(schema));
    return make("a", { class: "kind", href: `#schema-${nameOf(inner)}` }, kind(schema));
}

function fields(rows) {
    return make("dl", { class: "fields" }, rows.map(([name, isNeeded, schema, description]) => [
        make("dt", {}, name, isNeeded && make("span", { class: "bad", title: "needed" }, " *")),
        make("dd", {}, kindShown(schema), description && make("div", {}, description)),
    ]));
}

const properties = (of) => Object.entries(of.properties ?? {})
    .map(([name, field]) => [name, of.required?.includes(name), field, lookUp(field)?.description]);

function schema([name, of]) {
    const parts = of.allOf ? of.allOf.map(lookUp) : [of];
    const rows = parts.flatMap(properties);
    return make("details", { class: "sheet", id: `schema-${name}` },
        make("summary", {}, make("span", { class: "path" }, name), make("span", { class: "faint" }, of.description ?? "")),
        make("div", { class: "body" }, rows.length ? fields(rows) : make("span", { class: "kind" }, kind(of))));
}

const contents = (content) => Object.entries(content ?? {})
    .map(([type, { schema }]) => make("div", {}, make("code", {}, type), " ", schema && kindShown(schema)));

function responses(operation) {
    return make("dl", { class: "fields" }, Object.entries(operation.responses ?? {}).map(([status, response]) => {
        const names = Object.entries(response.headers ?? {});
        return [
            make("dt", {}, status),
            make("dd", {}, response.description ?? "", contents(response.content),
                names.map(([name, field]) => make("div", { class: "faint" }, make("code", {}, name), " ", field.description ?? ""))),
        ];
    }));
}

/// The form that tries an operation, and what comes of it.
function tryIt(method, path, operation) {
    const parameters = operation.parameters ?? [];
    const inputs = parameters.map((of) => {
        const values = lookUp(of.schema)?.enum ?? (lookUp(of.schema)?.type === "boolean" ? [true, false] : null);
        const input = values
            ? make("select", {}, make("option", { value: "" }, ""), values.map((value) => make("option", {}, String(value))))
            : make("input", { required: of.in === "path", autocomplete: "off", spellcheck: "false" });
        return [of, input];
    });
    const kinds = Object.keys(operation.requestBody?.content ?? {});
    const body = kinds.length
        ? make("textarea", { spellcheck: "false", "aria-label": "Body" }) : null;
    if (body) body.value = JSON.stringify(example(operation.requestBody.content[kinds[0]].schema) ?? {}, null, 2);
    const stop = make("button", { type: "button", hidden: true }, "Stop");
    const answer = make("div", { "aria-live": "polite" });
    const form = make("form", { class: "try" },
        inputs.map(([of, input]) => make("label", {}, `${of.name} (${of.in})`, input)),
        body && make("label", { class: "whole" }, `Body (${kinds[0]})`, body),
        make("div", { class: "whole" }, make("button", { class: "main" }, "Try it"), stop),
        make("div", { class: "whole" }, answer));
    form.addEventListener("submit", async (event) => {
        event.preventDefault();
        const [address, headers] = addressed(path, inputs);
        const going = new AbortController();
        stop.hidden = false;
        stop.onclick = () => going.abort();
        try {
            const begun = performance.now();
            const text = body?.value.trim() ? body.value : undefined;
            const response = await ask(address, { method: method.toUpperCase(), headers, body: text, signal: going.signal });
            await shown(answer, response, performance.now() - begun, address);
        } catch (error) {
            if (!going.signal.aborted) answer.replaceChildren(make("p", { class: "bad" }, `It cannot be asked: ${error.message}`));
        }
        stop.hidden = true;
    });
    return form;
}

/// Where an operation is with the parameters that were typed in, and the header fields among them.
function addressed(path, inputs) {
    const [query, headers] = [new URLSearchParams(), {}];
    for (const [of, input] of inputs) {
        if (of.in === "path") path = path.replace(`{${of.name}}`, encodeURIComponent(input.value));
        else if (input.value && of.in === "query") query.set(of.name, input.value);
        else if (input.value && of.in === "header") headers[of.name] = input.value;
    }
    return [query.size ? `${path}?${query}` : path, headers];
}

async function shown(into, response, took, address) {
    const type = response.headers.get("content-type") ?? "";
    const head = make("p", {}, make("strong", { class: response.ok ? "good" : "bad" }, `${response.status} ${response.statusText}`),
        make("span", { class: "faint" }, ` ${Math.round(took)} ms, ${type || "no body"}`));
    const text = make("pre", { tabindex: "0", "aria-label": "Answer" });
    into.replaceChildren(head, make("code", {}, address));
    if (/^(audio|application\/(x-|octet))/.test(type)) {
        const blob = await response.blob();
        const name = /filename="([^"]+)"/.exec(response.headers.get("content-disposition") ?? "")?.[1] ?? "answer";
        into.append(make("p", {}, `${blob.size} octets `, make("button", { type: "button", click: () => save(blob, name) }, "Save")));
        return;
    }
    into.append(text);
    // What does not end is shown as it comes.
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let all = "";
    for (let part = await reader?.read(); part && !part.done; part = await reader.read()) {
        all += part.value;
        text.textContent = all.slice(-SHOWN);
    }
    if (type.includes("json") && all.length < SHOWN) text.textContent = JSON.stringify(JSON.parse(all), null, 2);
}

function operation(method, path, of) {
    const parameters = of.parameters ?? [];
    const isSocket = "101" in (of.responses ?? {});
    const details = make("details", { class: "sheet operation", id: of.operationId },
        make("summary", {}, make("span", { class: `method ${method}` }, method.toUpperCase()), make("span", { class: "path" }, path),
            make("span", { class: "faint" }, of.summary ?? "")));
    // Drawn when it is opened: there are many.
    details.addEventListener("toggle", () => {
        details.append(make("div", { class: "body" },
            of.description && make("p", {}, of.description),
            parameters.length > 0 && [make("h3", {}, "Parameters"),
                fields(parameters.map((one) => [one.name, one.required, one.schema, [one.in, one.description].filter(Boolean).join(": ")]))],
            of.requestBody && [make("h3", {}, "Body"), contents(of.requestBody.content)],
            make("h3", {}, "Answers"), responses(of),
            make("h3", {}, "Try it"),
            isSocket ? make("p", { class: "faint" }, "This is a WebSocket: the page with the recordings uses it.") : tryIt(method, path, of)));
    }, { once: true });
    details.dataset.words = `${method} ${path} ${of.summary ?? ""} ${of.description ?? ""}`.toLowerCase();
    return details;
}

function draw() {
    byId("about").textContent = `${whole.info.title} ${whole.info.version}: ${whole.info.description ?? ""}`;
    const all = Object.entries(whole.paths)
        .flatMap(([path, item]) => METHODS.filter((method) => item[method]).map((method) => [method, path, item[method]]));
    for (const tag of whole.tags ?? []) {
        const own = all.filter(([, , of]) => of.tags?.[0] === tag.name);
        byId("operations").append(make("h2", {}, tag.description ?? tag.name), ...own.map((one) => operation(...one)));
    }
    byId("schemas").append(...Object.entries(whole.components?.schemas ?? {}).map(schema));
    openNamed();
}

/// Opens what the address names.
function openNamed() {
    const named = location.hash && byId(decodeURIComponent(location.hash.slice(1)));
    if (named) {
        named.open = true;
        named.scrollIntoView();
    }
}

function find() {
    const words = byId("find").value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const details of document.querySelectorAll("details.operation")) {
        details.hidden = !words.every((word) => details.dataset.words.includes(word));
    }
}

themes();
byId("token").value = token();
byId("token").addEventListener("change", () => setToken(byId("token").value.trim()));
byId("find").addEventListener("input", find);
addEventListener("hashchange", openNamed);
ask("/api/v1/openapi.json").then(async (response) => {
    if (!response.ok) throw new Error(await problem(response));
    whole = await response.json();
    draw();
}).catch((error) => {
    byId("failed").hidden = false;
    byId("failed").textContent = `The document cannot be read: ${error.message}`;
});
