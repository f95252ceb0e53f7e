// The page at /: lists the paths of /openapi.json and sends what one asks it to send, to this gateway alone.
// The token lives in a variable and nowhere else. Everything shown is set as text, never as markup.
"use strict";

const session = { token: "", user: "", database: "" };
const byId = (id) => document.getElementById(id);

function element(name, properties, ...children) {
	const made = Object.assign(document.createElement(name), properties);
	made.append(...children);
	return made;
}

// Base64 of the UTF-8 of a text, and back; null for what is no text.
function toBase64(text) {
	let bytes = "";
	for (const byte of new TextEncoder().encode(text))
		bytes += String.fromCharCode(byte);
	return btoa(bytes);
}

function fromBase64(text) {
	try {
		const bytes = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
		return new TextDecoder("utf-8", { fatal: true })
			.decode(Uint8Array.from(bytes, (c) => c.charCodeAt(0)));
	} catch {
		return null;
	}
}

// Indents JSON as text: a number of 64 bits would not survive JSON.parse().
function indentJson(text) {
	let out = "", depth = 0, inString = false;
	const line = () => "\n" + "  ".repeat(depth);
	for (let i = 0; i < text.length; i++) {
		const c = text[i];
		if (inString) {
			out += c;
			if (c === "\\")
				out += text[++i] ?? "";
			else if (c === '"')
				inString = false;
		} else if (c === '"') {
			inString = true;
			out += c;
		} else if (c === "{" || c === "[") {
			const empty = text[i + 1] === (c === "{" ? "}" : "]");
			depth += empty ? 0 : 1;
			out += empty ? c + text[++i] : c + line();
		} else if (c === "}" || c === "]") {
			depth = Math.max(0, depth - 1);
			out += line() + c;
		} else {
			out += c === "," ? c + line() : c === ":" ? ": " : c.trim();
		}
	}
	return out;
}

// What the base64 of an answer says, for names that hold what people wrote: ["key: hello", ...].
function decodedTexts(value, found) {
	const names = ["key", "value", "set", "user", "referencedKey", "warning"];
	for (const [name, inner] of Object.entries(value ?? {})) {
		if (found.length >= 100)
			return found;
		if (typeof inner === "object")
			decodedTexts(inner, found);
		else if (names.includes(name) && typeof inner === "string" && fromBase64(inner) !== null)
			found.push(name + ": " + fromBase64(inner));
	}
	return found;
}

function readJson(text) {
	try {
		return JSON.parse(text);
	} catch {
		return null;
	}
}

// Sends one request; resolves to {status, text, json}, status 0 when there was no answer.
async function send(method, path, body) {
	const headers = {};
	if (session.token)
		headers.Authorization = "Bearer " + session.token;
	if (body !== undefined)
		headers["Content-Type"] = "application/json";
	try {
		const answer = await fetch(path, { method, headers, body, credentials: "omit", cache: "no-store" });
		const text = await answer.text();
		return { status: answer.status, text, json: readJson(text) };
	} catch (error) {
		return { status: 0, text: String(error), json: null };
	}
}

// The session.

function showSession(note, isBad) {
	byId("login").hidden = session.token !== "";
	byId("session").hidden = session.token === "";
	byId("who").textContent = session.user;
	byId("where").textContent = session.database || "none selected";
	byId("session-note").textContent = note ?? "";
	byId("session-note").className = isBad ? "note bad" : "note";
}

function forgetSession(note) {
	Object.assign(session, { token: "", user: "", database: "" });
	showSession(note);
}

const failure = (answer) => answer.json?.message || answer.text || "status " + answer.status;

// Whichever way a token came: from the form above, or from a path below.
function noteSession(method, path, body, answer) {
	if (answer.status !== 200)
		return;
	const name = path.split("?")[0];
	if (name === "/login") {
		session.token = answer.json?.token ?? "";
		session.user = fromBase64(readJson(body)?.user ?? "") ?? "";
		session.database = "";
		showSession(answer.json?.warning ? fromBase64(answer.json.warning) : "");
	} else if (name.startsWith("/db/use/")) {
		session.token = answer.json?.token ?? session.token;
		session.database = decodeURIComponent(name.slice("/db/use/".length));
		showSession();
	} else if (name === "/logout") {
		forgetSession();
	}
}

async function logIn(event) {
	event.preventDefault();
	const body = JSON.stringify({ user: toBase64(byId("user").value), password: toBase64(byId("password").value) });
	byId("password").value = "";
	const answer = await send("POST", "/login", body);
	noteSession("POST", "/login", body, answer);
	if (answer.status !== 200)
		showSession(failure(answer), true);
}

async function useDatabase() {
	const path = "/db/use/" + encodeURIComponent(byId("database").value);
	const answer = await send("GET", path);
	noteSession("GET", path, undefined, answer);
	if (answer.status !== 200)
		showSession(failure(answer), true);
}

async function logOut() {
	await send("POST", "/logout", "{}");
	forgetSession();
}

// One path.

function parameterInput(parameter) {
	let input;
	if (parameter.schema.type === "boolean") {
		input = element("select", {});
		for (const value of ["", "true", "false"])
			input.append(element("option", { value, textContent: value }));
	} else {
		input = element("input", { spellcheck: false, autocapitalize: "none", value: parameter.example ?? "" });
	}
	const label = element("label", {}, parameter.name + (parameter.required ? "" : " (optional)"), input);
	return { parameter, input, label };
}

function filledPath(path, inputs) {
	const query = new URLSearchParams();
	for (const { parameter, input } of inputs) {
		if (parameter.in === "path")
			path = path.replace("{" + parameter.name + "}", encodeURIComponent(input.value));
		else if (input.value !== "")
			query.append(parameter.name, input.value);
	}
	return query.size > 0 || query.toString() ? path + "?" + query : path;
}

const shellQuoted = (text) => "'" + text.replace(/'/g, "'\\''") + "'";

function curlLine(method, path, body, needsLogin) {
	let line = "curl " + shellQuoted(location.origin + path);
	if (needsLogin)
		line += ' \\\n  -H "Authorization: Bearer $TOKEN"';
	if (method === "POST")
		line += " \\\n  -d " + shellQuoted(body.replace(/\n\s*/g, " "));
	return line;
}

function showAnswer(place, answer, milliseconds) {
	const good = answer.status >= 200 && answer.status < 300;
	const shown = answer.json === null ? answer.text : indentJson(answer.text);
	place.replaceChildren(element("p", {},
		element("span", { className: good ? "badge good" : "badge bad",
			textContent: answer.status || "no answer" }),
		element("span", { className: "dim small", textContent: ` ${Math.round(milliseconds)} ms` })),
		element("pre", { textContent: shown, tabIndex: 0 }));
	const texts = decodedTexts(answer.json, []);
	if (texts.length > 0)
		place.append(element("p", { className: "dim small", textContent: "Decoded" }),
			element("pre", { textContent: texts.join("\n"), tabIndex: 0 }));
}

function operationForm(method, path, operation, needsLogin) {
	const inputs = operation.parameters.map(parameterInput);
	const example = operation.requestBody?.content["application/json"].example;
	const text = JSON.stringify(example ?? {}, null, 2);
	const body = operation.requestBody &&
		element("textarea", { spellcheck: false, value: text, rows: text.split("\n").length });
	const button = element("button", { type: "submit", textContent: "Send" });
	const answer = element("div", { className: "answer", ariaLive: "polite" });
	const curl = element("pre", { tabIndex: 0 });
	const form = element("form", { className: "inside" },
		element("p", { className: "dim small", textContent: operation.description ?? operation.summary }));
	const showCurl = () => {
		curl.textContent = curlLine(method, filledPath(path, inputs), body?.value, needsLogin);
	};

	if (inputs.length > 0)
		form.append(element("div", { className: "fields" }, ...inputs.map((i) => i.label)));
	if (body)
		form.append(element("label", {}, "Body", body));
	form.append(curl, element("div", { className: "row" }, button), answer);
	form.addEventListener("input", showCurl);
	form.addEventListener("submit", async (event) => {
		event.preventDefault();
		button.disabled = true;
		const start = performance.now(), target = filledPath(path, inputs);
		const got = await send(method, target, body?.value);
		showAnswer(answer, got, performance.now() - start);
		noteSession(method, target, body?.value, got);
		button.disabled = false;
	});
	showCurl();
	return form;
}

function operationDetails(method, path, operation, needsLogin) {
	const summary = element("summary", {},
		element("span", { className: "badge", textContent: method }),
		element("code", { textContent: path }));
	const isVerified = path.includes("/verified/");
	const details = element("details", {}, summary);

	if (isVerified)
		summary.append(element("span", { className: "badge good", textContent: "verified" }));
	summary.append(element("span", { className: "dim", textContent: operation.summary }));
	details.dataset.words = (method + " " + path + " " + operation.summary).toLowerCase();
	// Forms are made when somebody looks: there are many.
	details.addEventListener("toggle", () => {
		if (details.open && details.childElementCount === 1)
			details.append(operationForm(method, path, operation, needsLogin));
	});
	return details;
}

// All paths.

function listPaths(api) {
	const sections = new Map();
	for (const [path, item] of Object.entries(api.paths)) {
		for (const [verb, operation] of Object.entries(item)) {
			const tag = operation.tags[0];
			if (!sections.has(tag))
				sections.set(tag, element("section", {}, element("h2", { textContent: tag })));
			const needsLogin = operation.security === undefined;
			sections.get(tag).append(operationDetails(verb.toUpperCase(), path, operation, needsLogin));
		}
	}
	byId("paths").replaceChildren(...sections.values());
	byId("version").textContent = api.info.version;
}

function filterPaths() {
	const wanted = byId("filter").value.trim().toLowerCase();
	let count = 0;
	for (const section of byId("paths").children) {
		let any = false;
		for (const details of section.querySelectorAll("details")) {
			details.hidden = !details.dataset.words.includes(wanted);
			any ||= !details.hidden;
			count += details.hidden ? 0 : 1;
		}
		section.hidden = !any;
	}
	byId("paths-note").textContent = count > 0 ? "" : "No path has these words.";
}

async function start() {
	byId("login").addEventListener("submit", logIn);
	byId("use").addEventListener("click", useDatabase);
	byId("logout").addEventListener("click", logOut);
	byId("filter").addEventListener("input", filterPaths);
	byId("plain").addEventListener("input", () => {
		byId("encoded").value = toBase64(byId("plain").value);
	});
	byId("encoded").addEventListener("input", () => {
		byId("plain").value = fromBase64(byId("encoded").value) ?? "";
	});
	const answer = await send("GET", "/openapi.json");
	if (answer.status !== 200 || answer.json === null) {
		byId("paths-note").textContent = failure(answer);
		byId("paths-note").className = "note bad";
		return;
	}
	listPaths(answer.json);
	filterPaths();
}

start();
