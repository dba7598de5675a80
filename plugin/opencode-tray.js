/**
 * OpenCode Tray's plugin: reports the sessions of this OpenCode to OpenCode Tray.
 * This file is built from plugin/src; do not edit it.
 */

// src/index.js
import { randomUUID } from "node:crypto";

// src/instance.js
import { hostname } from "node:os";
import { basename as basename2 } from "node:path";

// src/errors.js
var RefusedError = class extends Error {
  /**
   * @param {string} message
   * @param {number} [status]
   */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
};
var ParameterError = class extends Error {
};
var NotFoundError = class extends Error {
};
var UnsupportedError = class extends Error {
};

// src/handshake.js
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

// src/close-codes.js
var CLOSE = { normal: 1e3, tooBig: 1009, unexpected: 4400, untrusted: 4401, silent: 4408, replaced: 4409 };

// src/version.js
var VERSION = "0.1.0";
var PROTOCOL = 2;

// src/handshake.js
var Handshake = class {
  #token;
  #instance;
  /** @type {"challenge" | "welcome"} the frame that has to come next */
  #expected = "challenge";
  /** Sent with `hello`. */
  nonce = randomBytes(32).toString("hex");
  /**
   * @param {string} token
   * @param {string} instance id
   */
  constructor(token, instance) {
    this.#token = token;
    this.#instance = instance;
  }
  /**
   * Take the tray's next frame. Return the frame to `send`, or the code to `close` with, or that the tray `welcomed` us.
   * @param {any} frame
   * @returns {{ send: object } | { close: number } | Welcome}
   */
  receive(frame) {
    if (frame?.type !== this.#expected) return { close: CLOSE.unexpected };
    if (frame.type === "welcome") return { welcomed: true, wishes: wishesOf(frame), isNumbered: frame.numbers === true };
    const { nonce, proof } = frame;
    const isTrusted = /^[0-9a-f]{64}$/.test(nonce) && isEqual(this.#proof("tray", nonce), String(proof));
    if (!isTrusted) return { close: CLOSE.untrusted };
    this.#expected = "welcome";
    return { send: { type: "auth", proof: this.#proof("plugin", nonce) } };
  }
  /**
   * @param {"tray" | "plugin"} side
   * @param {string} trayNonce
   */
  #proof(side, trayNonce) {
    const text = `opencode-tray ${PROTOCOL} ${side}
${this.#instance}
${this.nonce}
${trayNonce}`;
    return createHmac("sha256", this.#token).update(text).digest("hex");
  }
};
function wishesOf(frame) {
  return { prompts: frame?.prompts === true, edits: frame?.edits === true };
}
function isEqual(a, b) {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

// src/timers.js
function after(ms, act) {
  let timer;
  const done = new Promise((resolve) => {
    timer = setTimeout(() => {
      resolve();
      attempt(act);
    }, ms);
    timer.unref?.();
  });
  return { cancel: () => clearTimeout(timer), done };
}
function attempt(act, onError = () => {
}) {
  try {
    const result = act();
    if (result instanceof Promise) result.catch(onError);
  } catch (error) {
    onError(error);
  }
}
var nextTurn = () => after(0, () => {
}).done;

// src/values.js
var SECOND = 1e3;
var DAY = 24 * 3600 * SECOND;
var MAX_TEXT = 2e3;
var MAX_LINE = 200;
var MAX_LIST = 200;
var MAX_FIELDS = 100;
var MAX_DEPTH = 8;
var isText = (value) => typeof value === "string" && value !== "";
var isRecord = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
var listOrNothing = (value) => Array.isArray(value) ? value : void 0;
var truncate = (text, most = MAX_TEXT) => text.length > most ? text.slice(0, most) : text;
function truncateDeep(value, onCut = () => {
}, depth = MAX_DEPTH) {
  if (typeof value === "string") {
    if (value.length > MAX_TEXT) onCut();
    return truncate(value);
  }
  if (typeof value !== "object" || value === null) return value;
  const isList = Array.isArray(value);
  const entries = isList ? value : Object.entries(value);
  const most = isList ? MAX_LIST : MAX_FIELDS;
  if (depth === 0 || entries.length > most) onCut();
  if (depth === 0) return void 0;
  if (isList) return value.slice(0, most).map((item) => truncateDeep(item, onCut, depth - 1));
  return Object.fromEntries(entries.slice(0, most).map(([key, item]) => [key, truncateDeep(item, onCut, depth - 1)]));
}
function pick(value, names) {
  const picked = {};
  for (const name of names) {
    const field = value[name];
    if (field === void 0 || field === null || field === "") continue;
    picked[name] = typeof field === "string" ? truncate(field) : field;
  }
  return picked;
}
var extensionOf = (path) => (/[^/\\](\.[A-Za-z0-9]{1,12})$/.exec(path)?.[1] ?? "").toLowerCase();
var tailOf = (text) => text.slice(-4 * MAX_LINE);
function lastLine(text) {
  const tail = tailOf(text).trimEnd();
  return truncate(tail.slice(tail.lastIndexOf("\n") + 1).trim(), MAX_LINE);
}

// src/opencode.js
var CALL_TIMEOUT = 5 * SECOND;
async function ask(call, timeout = CALL_TIMEOUT) {
  await nextTurn();
  return askNow(call, timeout);
}
async function askNow(call, timeout = CALL_TIMEOUT) {
  const deadline = after(timeout, () => {
  });
  try {
    const answer = await Promise.race([call(), deadline.done]);
    if (answer === void 0) throw new RefusedError("OpenCode did not answer");
    const { data, error, response } = answer;
    if (error !== void 0 && error !== null) throw new RefusedError("OpenCode refused the call", response?.status);
    return data;
  } finally {
    deadline.cancel();
  }
}
var tryAsk = (call, timeout) => ask(call, timeout).catch(() => void 0);
var OpenCode = class {
  #client;
  /** @param {any} input what OpenCode passes to its plugins */
  constructor({ client, directory, serverUrl }) {
    this.#client = client;
    this.directory = directory;
    this.isOld = serverUrl === void 0;
  }
  /** @param {string} url */
  get(url) {
    return this.#client._client.get(this.#bind({ url }));
  }
  /**
   * @param {string} url with {placeholders} for `path`
   * @param {Record<string, string>} path
   * @param {any} body
   */
  post(url, path, body) {
    const headers = { "content-type": "application/json", ...authorization() };
    return this.#client._client.post({ ...this.#bind({ url, path, body }), headers });
  }
  /** @param {number} limit */
  sessions(limit) {
    return this.#client.session.list(this.#bind({ query: { limit } }));
  }
  createSession() {
    return this.#client.session.create(this.#bind({ body: {} }));
  }
  statuses() {
    return this.#client.session.status(this.#bind({}));
  }
  providers() {
    return this.#client.config.providers(this.#bind({}));
  }
  /**
   * Call a function of the client's `session` namespace for one session.
   * @param {string} name
   * @param {string} id
   * @param {{ query?: any, body?: any }} [options]
   */
  session(name, id, { query, body } = {}) {
    if (typeof this.#client.session[name] !== "function") throw new UnsupportedError(`this OpenCode has no ${name}`);
    return this.#client.session[name](this.#bind({ path: { id }, query, ...body && { body } }));
  }
  /** @param {Record<string, any>} options */
  #bind({ query, ...options }) {
    const headers = authorization();
    return { ...options, query: { directory: this.directory, ...query }, ...headers && { headers } };
  }
};
function authorization() {
  const { OPENCODE_SERVER_PASSWORD: password, OPENCODE_SERVER_USERNAME: user } = process.env;
  if (!password) return void 0;
  return { authorization: `Basic ${Buffer.from(`${user || "opencode"}:${password}`).toString("base64")}` };
}

// src/parameters.js
var MAX_MESSAGE = 1e4;
var isId = (value) => typeof value === "string" && /^[A-Za-z0-9][\w-]{0,127}$/.test(value);
var isMessage = (value, most = MAX_MESSAGE) => isText(value) && value.length <= most;
function checkParameters(params, checks) {
  const given = isRecord(params) ? params : {};
  const checked = {};
  for (const [key, isValid] of Object.entries(checks)) {
    const name = key.replace("?", "");
    if (given[name] === void 0 && name !== key) continue;
    if (!isValid(given[name])) throw new ParameterError(`invalid ${name}`);
    checked[name] = given[name];
  }
  return checked;
}

// src/request-calls.js
var REPLIES = ["once", "always", "reject"];
var MAX_ANSWERS = 50;
async function expectTrue(call) {
  if (await askNow(call) !== true) throw new UnsupportedError("this OpenCode cannot do that");
  return {};
}
async function pendingRequest(opencode, seen, url, requestID) {
  if (seen.has(requestID)) return seen.get(requestID);
  const listed = opencode.isOld ? [] : listOrNothing(await askNow(() => opencode.get(url)));
  if (!listed) throw new RefusedError("OpenCode did not list its pending requests");
  const request = listed.find((item) => item?.id === requestID);
  if (!request) throw new NotFoundError("the request is no longer pending");
  return request;
}
async function replyToPermission({ opencode, watcher }, params) {
  const { requestID, reply, message } = checkParameters(params, {
    requestID: isId,
    reply: (value) => REPLIES.includes(value),
    "message?": (text) => isMessage(text)
  });
  const { sessionID } = await pendingRequest(opencode, watcher.permissions, "/permission", requestID);
  if (!opencode.isOld) {
    const body = { reply, ...message && { message } };
    return expectTrue(() => opencode.post("/permission/{requestID}/reply", { requestID }, body));
  }
  if (message) throw new UnsupportedError("this OpenCode takes no message with a rejection");
  const path = { id: sessionID, permissionID: requestID };
  return expectTrue(() => opencode.post("/session/{id}/permissions/{permissionID}", path, { response: reply }));
}
async function replyToQuestion({ opencode, watcher }, params) {
  const isListOf = (value, isValid) => Array.isArray(value) && value.length <= MAX_ANSWERS && value.every(isValid);
  const isAnswer = (value) => isListOf(value, (text) => isMessage(text));
  const { requestID, answers: answers2 } = checkParameters(params, {
    requestID: isId,
    answers: (value) => isListOf(value, isAnswer) && value.length > 0
  });
  await pendingRequest(opencode, watcher.questions, "/question", requestID);
  return expectTrue(() => opencode.post("/question/{requestID}/reply", { requestID }, { answers: answers2 }));
}
async function rejectQuestion({ opencode, watcher }, params) {
  const { requestID } = checkParameters(params, { requestID: isId });
  await pendingRequest(opencode, watcher.questions, "/question", requestID);
  return expectTrue(() => opencode.post("/question/{requestID}/reject", { requestID }, {}));
}

// src/trim.js
var MAX_METADATA = 20;
var MAX_SERVICES = 100;
var MAX_TODOS = 100;
function trimTokens(tokens) {
  if (!isRecord(tokens)) return void 0;
  const counts = {};
  for (const name of ["input", "output", "reasoning"]) if (tokens[name] > 0) counts[name] = tokens[name];
  const cache = {};
  for (const name of ["read", "write"]) if (tokens.cache?.[name] > 0) cache[name] = tokens.cache[name];
  if (cache.read || cache.write) counts.cache = cache;
  return Object.keys(counts).length ? counts : void 0;
}
function trimSession(info) {
  if (!isText(info?.id)) return void 0;
  const session = pick(info, ["id", "parentID", "title", "directory", "agent"]);
  if (isRecord(info.model)) session.model = pick(info.model, ["id", "providerID"]);
  if (info.cost > 0) session.cost = info.cost;
  const tokens = trimTokens(info.tokens);
  if (tokens) session.tokens = tokens;
  if (isRecord(info.time)) session.time = pick(info.time, ["created", "updated", "archived"]);
  const { additions = 0, deletions = 0, files = 0 } = info.summary ?? {};
  if (additions || deletions || files) session.summary = { additions, deletions, files };
  return session;
}
function trimAssistant(info) {
  const message = pick(info, ["id", "sessionID", "role", "agent", "modelID", "providerID", "finish"]);
  if (isText(info.mode) && !message.agent) message.agent = info.mode;
  if (info.error?.name) message.error = { name: truncate(String(info.error.name)) };
  if (info.cost > 0) message.cost = info.cost;
  const tokens = trimTokens(info.tokens);
  if (tokens) message.tokens = tokens;
  if (info.time?.completed) message.time = { completed: info.time.completed };
  if (info.summary === true) message.summary = true;
  return message;
}
var isPlain = (value) => ["string", "number", "boolean"].includes(typeof value);
function trimRequest(request) {
  if (!isText(request?.id) || !isText(request.sessionID)) return void 0;
  const { metadata, ...rest } = request;
  let more = false;
  const onCut = () => more = true;
  const trimmed = truncateDeep(rest, onCut);
  if (isRecord(metadata)) {
    const all = Object.entries(metadata);
    const plain = all.filter(([, value]) => isPlain(value) || Array.isArray(value) && value.every(isPlain));
    if (plain.length < all.length || plain.length > MAX_METADATA) onCut();
    const kept = plain.slice(0, MAX_METADATA).map(([key, value]) => [truncate(key), truncateDeep(value, onCut)]);
    trimmed.metadata = Object.fromEntries(kept);
  }
  if (more) trimmed.more = true;
  return trimmed;
}
function withCommand(request, command) {
  if (!isText(command) || request.metadata?.command) return request;
  const completed = { ...request, metadata: { ...request.metadata, command: truncate(command) } };
  return command.length > MAX_TEXT ? { ...completed, more: true } : completed;
}
function trimServices(services) {
  const trim = (service) => truncateDeep(pick(isRecord(service) ? service : {}, ["id", "name", "status", "error"]));
  if (Array.isArray(services)) return services.slice(0, MAX_SERVICES).map(trim);
  const entries = Object.entries(services).slice(0, MAX_SERVICES);
  return Object.fromEntries(entries.map(([name, service]) => [truncate(name), trim(service)]));
}
function trimTodos(todos) {
  return todos.slice(0, MAX_TODOS).map((todo) => pick(todo ?? {}, ["content", "status", "priority"]));
}
function trimError({ sessionID, error }) {
  if (!isText(sessionID) || !isRecord(error)) return void 0;
  const name = truncate(String(error.name));
  if (name === "MessageAbortedError") return { sessionID, error: { name } };
  return { sessionID, error: { name, data: pick(error.data ?? {}, ["message", "statusCode"]) } };
}
function trimStatus({ sessionID, status }) {
  if (!isText(sessionID) || !isText(status?.type)) return void 0;
  const trimmed = status.type === "retry" ? pick(status, ["type", "attempt", "message", "next"]) : { type: status.type };
  return { sessionID, status: trimmed };
}

// src/requests.js
var MAX_REQUESTS = 200;
var callOf = (request) => request.tool?.callID ?? request.callID;
function addRequest(watcher, requests, type, properties) {
  const trimmed = trimRequest(properties);
  if (!trimmed) return;
  const call = watcher.trace(trimmed.sessionID).tools.get(callOf(trimmed));
  const request = withCommand(trimmed, call?.command);
  const [oldest] = requests.keys();
  if (oldest !== void 0 && requests.size >= MAX_REQUESTS) requests.delete(oldest);
  requests.set(request.id, request);
  watcher.emit(type, request);
}
function closeRequest(watcher, requests, type, properties) {
  requests.delete(properties.requestID ?? properties.permissionID);
  if (!isText(properties.sessionID)) return;
  watcher.emit(type, pick(properties, ["sessionID", "requestID", "permissionID", "reply", "response"]));
}
function addCommand(watcher, sessionID, call, command) {
  for (const [id, request] of watcher.permissions) {
    if (request.sessionID !== sessionID || callOf(request) !== call) continue;
    const completed = withCommand(request, command);
    if (completed === request) continue;
    watcher.permissions.set(id, completed);
    watcher.emit("permission.asked", completed);
  }
}

// src/activity.js
var PROMPT_WRITTEN = "prompt";
var EDITED = "tray.edit";
var ACTIVITY_INTERVAL = SECOND;
var TEXT_INTERVAL = 5 * SECOND;
var MAX_TOOLS = 50;
var MAX_CHANGES = 100;
var DRAFT_TIME = 5 * SECOND;
var MAX_DRAFT = 8e3;
function handlePart(watcher, part) {
  if (!isText(part?.sessionID)) return;
  if (part.type === "tool" && isText(part.tool)) return handleTool(watcher, watcher.trace(part.sessionID), part);
  if (part.type !== "text" || typeof part.text !== "string" || part.synthetic) return;
  const trace = watcher.trace(part.sessionID);
  if (part.messageID === trace.userMessage) return reportPrompt(watcher, trace, part);
  if (part.messageID !== trace.assistantMessage) return;
  if (trace.text?.part !== part.id) {
    reportText(watcher, trace);
    trace.text = { part: part.id, tail: "", since: Date.now(), hasEnded: false };
  }
  if (trace.text) {
    trace.text.tail = endOf(trace, part.text);
    trace.text.hasEnded = part.time?.end > 0;
  }
  reportSoon(watcher, trace);
}
function reportPrompt(watcher, trace, { messageID, text }) {
  if (messageID === trace.reportedPrompt || !watcher.hasListener || !text.trim()) return;
  trace.reportedPrompt = messageID;
  const part = { sessionID: trace.id, messageID, type: "text", text: text.trim().slice(0, MAX_LINE) };
  watcher.emit(PROMPT_WRITTEN, { part });
}
function handleDelta(watcher, { sessionID, partID, delta }) {
  const trace = watcher.traces.get(sessionID);
  if (!trace?.text || trace.text.part !== partID || typeof delta !== "string") return;
  trace.text.tail = endOf(trace, trace.text.tail + delta);
  if (Date.now() - trace.text.since >= TEXT_INTERVAL) reportSoon(watcher, trace);
}
var endOf = (trace, text) => Date.now() < trace.draftUntil ? text.slice(-MAX_DRAFT) : tailOf(text);
function readDraft(trace) {
  if (!trace) return "";
  trace.draftUntil = Date.now() + DRAFT_TIME;
  return trace.isIdle || !trace.text || trace.text.hasEnded ? "" : trace.text.tail;
}
function handleTool(watcher, trace, part) {
  const call = part.callID ?? part.id;
  const status = part.state?.status;
  if (status === "running" || status === "pending") {
    if (trace.isIdle) return;
    const { command } = part.state.input ?? {};
    if (trace.tools.size < MAX_TOOLS)
      trace.tools.set(call, { tool: part.tool, command: isText(command) ? truncate(command, MAX_TEXT + 1) : void 0 });
    if (isText(command)) addCommand(watcher, trace.id, call, command);
  } else {
    if (status === "completed") reportEdit(watcher, trace.id, part);
    trace.tools.delete(call);
  }
  const running = [...trace.tools.values()].at(-1);
  trace.tool = running ? { tool: running.tool, status: "running" } : { tool: part.tool, status: "completed" };
  reportSoon(watcher, trace);
}
function reportEdit(watcher, sessionID, { tool, callID, state }) {
  if (!isText(callID) || !watcher.hasListener) return;
  const call = `${truncate(callID)}@${state.time?.start ?? 0}`;
  for (const [index, { path, added, removed }] of changesOf(tool, state).entries())
    watcher.emit(EDITED, { sessionID, callID: index ? `${call}#${index}` : call, extension: extensionOf(path), added, removed });
}
function changesOf(tool, { metadata, input }) {
  const { filediff: diff, files } = metadata ?? {};
  const { filePath, content } = input ?? {};
  if (tool === "edit" && isText(diff?.file)) return [{ path: diff.file, added: diff.additions, removed: diff.deletions }];
  if (tool === "write" && isText(filePath) && isText(content))
    return [{ path: filePath, added: content.split("\n").length - (content.endsWith("\n") ? 1 : 0) }];
  if (tool !== "apply_patch" || !Array.isArray(files)) return [];
  return files.slice(0, MAX_CHANGES).map((file) => ({ path: file?.movePath ?? file?.filePath, added: file?.additions, removed: file?.deletions })).filter(({ path }) => isText(path));
}
function endTurn(trace) {
  if (trace.text) trace.text.hasEnded = true;
  trace.tools.clear();
  trace.tool = void 0;
  trace.reportedTool = "";
  trace.timer?.cancel();
  trace.timer = void 0;
}
function reportSoon(watcher, trace) {
  if (!watcher.hasListener) {
    trace.reportedTool = trace.tool?.status === "running" ? trace.tool.tool : "";
    return;
  }
  if (trace.timer) return;
  const wait = trace.reportedAt + ACTIVITY_INTERVAL - Date.now();
  if (wait <= 0 || wait > ACTIVITY_INTERVAL) return report(watcher, trace);
  trace.timer = after(wait, () => {
    trace.timer = void 0;
    report(watcher, trace);
  });
}
function report(watcher, trace) {
  const { tool } = trace;
  const running = tool?.status === "running" ? tool.tool : "";
  if (tool && running !== trace.reportedTool) {
    const name = running || trace.reportedTool;
    trace.reportedTool = running;
    trace.reportedAt = Date.now();
    const part = { sessionID: trace.id, type: "tool", tool: truncate(name), state: { status: tool.status } };
    watcher.emit("message.part.updated", { part });
  } else if (trace.text && Date.now() - trace.text.since >= TEXT_INTERVAL) reportText(watcher, trace);
}
function reportText(watcher, trace) {
  const text = takeNewLine(watcher, trace);
  if (!text || !trace.text) return;
  trace.reportedAt = trace.text.since;
  watcher.emit("message.part.updated", { part: { sessionID: trace.id, type: "text", text } });
}
function takeNewLine(watcher, trace) {
  if (!trace.text || !watcher.hasListener) return "";
  const line = lastLine(trace.text.tail);
  trace.text.since = Date.now();
  if (line === trace.reportedText) return "";
  trace.reportedText = line;
  return line;
}

// src/session-calls.js
var MAX_PROMPT = 5e4;
var MAX_TITLE = 200;
var DEFAULT_MESSAGES = 50;
async function existingSession({ opencode }, params) {
  const { sessionID } = checkParameters(params, { sessionID: isId });
  const found = await ask(() => opencode.session("get", sessionID));
  if (found?.id !== sessionID) throw new NotFoundError("no such session");
  return (name, options = {}) => ask(() => opencode.session(name, sessionID, options));
}
async function readMessages(context, params) {
  const isLimit = (count) => Number.isInteger(count) && count >= 1 && count <= MAX_LIST;
  const { limit = DEFAULT_MESSAGES } = checkParameters(params, { "limit?": isLimit });
  const call = await existingSession(context, params);
  const messages = listOrNothing(await call("messages", { query: { limit } })) ?? [];
  return truncateDeep(messages.slice(-limit));
}
async function readTodos(context, params) {
  const call = await existingSession(context, params);
  return truncateDeep(listOrNothing(await call("todo")) ?? []);
}
async function readDiff(context, params) {
  const call = await existingSession(context, params);
  const whole = listOrNothing(await call("diff"));
  const newest = context.watcher.traces.get(params.sessionID)?.userMessage;
  if (whole?.length || !newest) return truncateDeep(whole ?? []);
  return truncateDeep(listOrNothing(await call("diff", { query: { messageID: newest } })) ?? []);
}
async function abortSession(context, params) {
  const call = await existingSession(context, params);
  await call("abort");
  return {};
}
async function deleteSession(context, params) {
  const call = await existingSession(context, params);
  await call("abort");
  await call("delete");
  return {};
}
async function forkSession(context, params) {
  const { messageID } = checkParameters(params, { "messageID?": isId });
  const call = await existingSession(context, params);
  const forked = await call("fork", { body: messageID ? { messageID } : {} });
  return pick(forked ?? {}, ["id", "title"]);
}
async function updateSession(context, params) {
  const { title, archived } = checkParameters(params, {
    "title?": (text) => isMessage(text, MAX_TITLE),
    "archived?": (time) => Number.isInteger(time) && time >= 0
  });
  if (title === void 0 && archived === void 0) throw new ParameterError("needs title or archived");
  const call = await existingSession(context, params);
  await call("update", { body: { ...title && { title }, ...archived !== void 0 && { time: { archived } } } });
  return {};
}
async function promptSession(context, params) {
  const { text } = checkParameters(params, { text: (value) => isMessage(value, MAX_PROMPT) });
  const call = await existingSession(context, params);
  await call("promptAsync", { body: { parts: [{ type: "text", text }] } });
  return {};
}
async function readDraftOf({ watcher }, params) {
  const { sessionID } = checkParameters(params, { sessionID: isId });
  return { text: readDraft(watcher.traces.get(sessionID)) };
}
async function createSession(context, params) {
  const { text } = checkParameters(params, { text: (value) => isMessage(value, MAX_PROMPT) });
  await existingSession(context, params);
  const created = await ask(() => context.opencode.createSession());
  if (!isId(created?.id)) throw new UnsupportedError("this OpenCode created no session");
  await ask(() => context.opencode.session("promptAsync", created.id, { body: { parts: [{ type: "text", text }] } }));
  return pick(created, ["id", "title"]);
}
async function selectSession({ opencode }, params) {
  const { sessionID } = checkParameters(params, { sessionID: isId });
  if (opencode.isOld) throw new UnsupportedError("this OpenCode cannot switch its terminal UI");
  return expectTrue(() => opencode.post("/tui/select-session", {}, { sessionID }));
}

// src/calls.js
var MAX_CALLS = 4;
var MAX_IDS = 100;
var CODES = { noMethod: -32601, badParameters: -32602, refused: -32e3, notFound: -32001, unsupported: -32002 };
async function snapshot({ feed }) {
  await feed.sendSnapshot();
  return {};
}
async function wishes({ feed }, params) {
  feed.wishes = wishesOf(params);
  return {};
}
var METHODS = {
  // @ts-expect-error: no inherited keys such as "constructor"
  __proto__: null,
  snapshot,
  wishes,
  "permission.reply": replyToPermission,
  "question.reply": replyToQuestion,
  "question.reject": rejectQuestion,
  "session.messages": readMessages,
  "session.draft": readDraftOf,
  "session.todo": readTodos,
  "session.diff": readDiff,
  "session.abort": abortSession,
  "session.delete": deleteSession,
  "session.fork": forkSession,
  "session.update": updateSession,
  "session.create": createSession,
  "session.prompt": promptSession,
  "tui.select": selectSession
};
var CallServer = class {
  #context;
  #running = 0;
  /** @type {Set<number>} ids of the newest calls */
  #ids = /* @__PURE__ */ new Set();
  /** @param {Context} context */
  constructor(context) {
    this.#context = context;
  }
  /**
   * Return the answer to a call; undefined if the frame is not a call.
   * @param {any} frame
   */
  async answer(frame) {
    if (!isRecord(frame) || !Number.isInteger(frame.id) || typeof frame.method !== "string") return void 0;
    if (this.#isCopy(frame.id)) return void 0;
    if (this.#running >= MAX_CALLS) return failure(frame.id, CODES.refused, "too many calls at once");
    this.#running += 1;
    try {
      return await this.#call(frame.id, frame.method, frame.params);
    } finally {
      this.#running -= 1;
    }
  }
  /**
   * Whether a call has been served: a relay on the way may send a frame twice, and a prompt must not be sent twice.
   * @param {number} id
   */
  #isCopy(id) {
    if (this.#ids.has(id)) return true;
    this.#ids.add(id);
    if (this.#ids.size > MAX_IDS) this.#ids.delete([...this.#ids][0]);
    return false;
  }
  /**
   * Return what is sent instead of an answer that does not fit into a frame.
   * @param {{ id: number }} answer
   */
  tooLarge({ id }) {
    return failure(id, CODES.refused, "the answer is larger than 4 MiB");
  }
  /**
   * @param {number} id
   * @param {string} name
   * @param {any} params
   */
  async #call(id, name, params) {
    const method = METHODS[name];
    if (!method) return failure(id, CODES.noMethod, "no such method");
    try {
      return { id, result: await method(this.#context, params) };
    } catch (error) {
      return failureOf(id, error);
    }
  }
};
function failure(id, code, message, status) {
  return { id, error: { code, message: truncate(message, MAX_LINE), ...status && { status } } };
}
function failureOf(id, error) {
  const message = String(error?.message);
  if (error instanceof ParameterError) return failure(id, CODES.badParameters, message);
  if (error instanceof UnsupportedError) return failure(id, CODES.unsupported, message);
  if (error instanceof NotFoundError || error?.status === 404) return failure(id, CODES.notFound, message);
  return failure(id, CODES.refused, message, error?.status);
}

// src/flow-control.js
var MAX_UNREAD = 1024 * 1024;
var PING_AFTER = MAX_UNREAD / 4;
var FlowControl = class {
  #socket;
  #unread = 0;
  #beforePing = 0;
  // bytes sent before the ping that has no pong yet; 0: there is no such ping
  /** @param {Socket} socket */
  constructor(socket) {
    this.#socket = socket;
  }
  get unread() {
    return Math.max(this.#socket.bufferedAmount, this.#unread);
  }
  /** @param {number} bytes */
  sent(bytes) {
    if (!this.#socket.ping) return;
    this.#unread += bytes;
    this.#pingIfNeeded();
  }
  ponged() {
    this.#unread -= this.#beforePing;
    this.#beforePing = 0;
    this.#pingIfNeeded();
  }
  #pingIfNeeded() {
    if (this.#unread < PING_AFTER || this.#beforePing) return;
    this.#beforePing = this.#unread;
    this.#socket.ping?.();
  }
};

// src/frames.js
var MAX_FRAME = 4 * 1024 * 1024;
var HALF_CHARACTER = /\\ud[89a-f]/;
function encode(frame) {
  const repair = (_, value) => isText(value) ? value.toWellFormed() : value;
  let text = JSON.stringify(frame);
  if (HALF_CHARACTER.test(text)) text = JSON.stringify(frame, repair);
  if (text.length > MAX_FRAME) return void 0;
  return text.length > MAX_FRAME / 4 && Buffer.byteLength(text) > MAX_FRAME ? void 0 : text;
}
function shrink(snapshot2) {
  const fits = () => Buffer.byteLength(JSON.stringify(snapshot2)) <= MAX_FRAME;
  if (!fits()) delete snapshot2.todos;
  if (!fits()) for (const session of snapshot2.sessions ?? []) delete session.digest;
  return snapshot2;
}

// src/handlers.js
var SERVICES_CHANGED = "services";
function sessionChanged(watcher, { info }, type) {
  const session = trimSession(info);
  watcher.emit(type, session && { info: session });
}
function sessionDeleted(watcher, { info }, type) {
  if (!isText(info?.id)) return;
  watcher.dropTrace(info.id);
  watcher.dropRequests(info.id);
  watcher.emit(type, { info: { id: info.id } });
}
function statusChanged(watcher, properties, type) {
  const trimmed = trimStatus(properties);
  if (!trimmed) return;
  const trace = watcher.trace(trimmed.sessionID);
  trace.status = trimmed.status;
  trace.isIdle = trimmed.status.type === "idle";
  if (trace.isIdle) {
    endTurn(trace);
    watcher.dropRequests(trace.id);
  }
  watcher.emit(type, trimmed);
}
function messageChanged(watcher, { info }, type) {
  if (!isText(info?.id) || !isText(info.sessionID)) return;
  const trace = watcher.trace(info.sessionID);
  if (info.role === "user") {
    if (info.id <= trace.userMessage) return;
    trace.userMessage = info.id;
    return watcher.emit(type, { info: pick(info, ["id", "sessionID", "role"]) });
  }
  if (info.role !== "assistant") return;
  if (info.id > trace.assistantMessage) trace.assistantMessage = info.id;
  if (!info.time?.completed && !info.error) return;
  const message = trimAssistant(info);
  const end = `${message.id} ${message.finish} ${message.error?.name} ${message.tokens?.output}`;
  if (end === trace.lastEnd) return;
  trace.lastEnd = end;
  const output = takeNewLine(watcher, trace);
  watcher.emit(type, { info: output ? { ...message, output } : message });
}
var permissionAsked = (watcher, properties, type) => addRequest(watcher, watcher.permissions, type, properties);
var permissionClosed = (watcher, properties, type) => closeRequest(watcher, watcher.permissions, type, properties);
var questionAsked = (watcher, properties, type) => addRequest(watcher, watcher.questions, type, properties);
var questionClosed = (watcher, properties, type) => closeRequest(watcher, watcher.questions, type, properties);
var servicesChanged = (watcher) => watcher.emit(SERVICES_CHANGED, {});
var HANDLERS = {
  // @ts-expect-error: no inherited keys such as "constructor"
  __proto__: null,
  "session.created": sessionChanged,
  "session.updated": sessionChanged,
  "session.deleted": sessionDeleted,
  "session.status": statusChanged,
  "session.error": (watcher, properties, type) => watcher.emit(type, trimError(properties)),
  "permission.asked": permissionAsked,
  "permission.updated": permissionAsked,
  "permission.replied": permissionClosed,
  "question.asked": questionAsked,
  "question.replied": questionClosed,
  "question.rejected": questionClosed,
  "todo.updated": (watcher, { sessionID, todos }, type) => watcher.emit(type, isText(sessionID) && Array.isArray(todos) && { sessionID, todos: trimTodos(todos) }),
  "message.updated": messageChanged,
  "message.part.updated": (watcher, { part }) => handlePart(watcher, part),
  "message.part.delta": handleDelta,
  "mcp.tools.changed": servicesChanged,
  "lsp.updated": servicesChanged,
  "vcs.branch.updated": (watcher, { branch }, type) => watcher.emit(type, isText(branch) && { branch: truncate(branch) })
};

// src/heartbeat.js
var MAX_SILENCE = 65 * SECOND;
var Heartbeat = class {
  #onSilence;
  #lastPing = 0;
  // ms of the clock that is never set
  /** @type {Timer | undefined} */
  #timer;
  /** @param {() => void} onSilence */
  constructor(onSilence) {
    this.#onSilence = onSilence;
  }
  /** Take a ping of the tray; the first one starts the watch. */
  pinged() {
    this.#lastPing = performance.now();
    if (!this.#timer) this.#checkLater();
  }
  stop() {
    this.#timer?.cancel();
  }
  #checkLater() {
    this.#timer = after(MAX_SILENCE / 2, () => {
      if (performance.now() - this.#lastPing > MAX_SILENCE) this.#onSilence();
      else this.#checkLater();
    });
  }
};

// src/sent-state.js
var MAX_ENTRIES = 5 * MAX_LIST;
var ZEROS = { cost: 0, tokens: {}, summary: { additions: 0, deletions: 0, files: 0 } };
var isSame = (a, b) => JSON.stringify(a) === JSON.stringify(b);
var SentState = class {
  /** @type {Map<string, any>} */
  #sessions = /* @__PURE__ */ new Map();
  /** @type {Map<string, string>} JSON by session */
  #statuses = /* @__PURE__ */ new Map();
  /** @type {string | undefined} status of the sessions that are not in the map: unknown, or idle after a snapshot */
  #defaultStatus;
  /** @param {Partial<Snapshot>} snapshot that was sent */
  constructor({ sessions = [], status } = {}) {
    for (const { digest, ...info } of sessions) this.#sessions.set(info.id, info);
    for (const [sessionID, value] of Object.entries(status ?? {})) this.#statuses.set(sessionID, JSON.stringify(value));
    this.#defaultStatus = status && '{"type":"idle"}';
  }
  /**
   * Return the event without what was sent before; undefined if nothing is left. The caller sends what is returned.
   * @param {Event} event
   * @returns {Event | undefined}
   */
  changes(event) {
    const { type, properties } = event;
    if (type === "session.created" || type === "session.updated") return this.#sessionChanges(type, properties.info);
    if (type === "session.status") return this.#isNewStatus(properties) ? event : void 0;
    if (type === "message.updated") return { type, properties: { info: this.#messageChanges(properties.info) } };
    if (type === "session.deleted") {
      this.#sessions.delete(properties.info.id);
      this.#statuses.delete(properties.info.id);
    }
    return event;
  }
  /** @param {any} properties */
  #isNewStatus({ sessionID, status }) {
    const before = this.#statuses.get(sessionID) ?? this.#defaultStatus;
    const now = JSON.stringify(status);
    this.#statuses.set(sessionID, now);
    return before !== now;
  }
  /**
   * Leave out agent and model if the session has the same.
   * @param {any} info
   */
  #messageChanges(info) {
    const { agent, modelID, providerID, ...rest } = info;
    const session = this.#sessions.get(info.sessionID);
    if (!session || !modelID) return info;
    const model = { id: modelID, providerID };
    if (session.agent === agent && session.model?.id === modelID && session.model.providerID === providerID) return rest;
    this.#sessions.set(info.sessionID, { ...session, agent, model });
    return info;
  }
  /**
   * @param {string} type
   * @param {any} info
   */
  #sessionChanges(type, info) {
    const before = this.#sessions.get(info.id);
    const archived = info.time?.archived ?? 0;
    if (archived) {
      this.#sessions.delete(info.id);
      return before && { type, properties: { info: { id: info.id, time: { archived } } } };
    }
    this.#makeRoom();
    if (!before || type === "session.created") {
      this.#sessions.set(info.id, info);
      return { type, properties: { info } };
    }
    const now = { ...before, ...info };
    for (const [name, zero] of Object.entries(ZEROS)) if (name in before && !(name in info)) now[name] = zero;
    this.#sessions.set(info.id, now);
    const changed = { id: info.id };
    for (const [name, value] of Object.entries(now))
      if (name !== "time" && !isSame(value, before[name])) changed[name] = value;
    if (before.time?.archived) changed.time = { archived };
    return Object.keys(changed).length > 1 ? { type, properties: { info: changed } } : void 0;
  }
  #makeRoom() {
    if (this.#sessions.size > MAX_ENTRIES) this.#sessions.clear();
    if (this.#statuses.size > MAX_ENTRIES) {
      this.#statuses.clear();
      this.#defaultStatus = void 0;
    }
  }
};

// src/digest.js
var MAX_MESSAGES = 100;
var ID_SPAN = 2 ** 36;
function mayBeFork({ title = "", cost, tokens, time = {} }) {
  if (!(cost > 0) && !tokens) return false;
  return / \(fork #\d+\)$/.test(title) || time.updated === time.created;
}
function isInherited({ id, time }) {
  const digits = /^[a-z]+_([0-9a-f]{12})/.exec(id)?.[1];
  if (!digits || !time?.completed) return false;
  const age = (time.completed - Math.floor(Number.parseInt(digits, 16) / 4096)) % ID_SPAN;
  return (age + ID_SPAN) % ID_SPAN >= ID_SPAN / 2;
}
function digestOf(messages) {
  const sums = { own: noUsage(), inherited: noUsage() };
  const digest = { messages: messages.length, cost: 0 };
  if (messages.length === MAX_MESSAGES) digest.partial = true;
  for (const { info, parts } of messages.filter(isRecord)) {
    if (info?.role === "user" && isText(info.id)) digest.prompt = info.id;
    if (info?.role !== "assistant") continue;
    addUsage(sums[isInherited(info) ? "inherited" : "own"], info);
    digest.last = lastMessage(info);
    delete digest.tool;
    addParts(digest, Array.isArray(parts) ? parts : []);
  }
  if (digest.last?.completed) delete digest.tool;
  digest.cost = sums.own.cost;
  digest.tokens = trimTokens(sums.own.tokens) ?? {};
  const inherited = { cost: sums.inherited.cost, tokens: trimTokens(sums.inherited.tokens) };
  if (inherited.cost || inherited.tokens) digest.inherited = inherited;
  return digest;
}
function lastMessage(info) {
  const { sessionID, time, ...message } = trimAssistant(info);
  const last = { ...message, ...pick(info.time ?? {}, ["created", "completed"]) };
  if (message.error) last.error = trimError({ sessionID: info.sessionID, error: info.error })?.error ?? message.error;
  return last;
}
function addParts(digest, parts) {
  for (const part of parts) {
    if (part?.type === "text" && typeof part.text === "string") digest.output = lastLine(part.text) || digest.output;
    if (part?.type === "tool" && part.state?.status === "running") digest.tool = truncate(String(part.tool));
  }
}
var noUsage = () => ({ cost: 0, tokens: { input: 0, output: 0, reasoning: 0, cache: { read: 0, write: 0 } } });
function addUsage(sum, { cost, tokens }) {
  const count = (value) => value > 0 ? value : 0;
  sum.cost += count(cost);
  sum.tokens.input += count(tokens?.input);
  sum.tokens.output += count(tokens?.output);
  sum.tokens.reasoning += count(tokens?.reasoning);
  sum.tokens.cache.read += count(tokens?.cache?.read);
  sum.tokens.cache.write += count(tokens?.cache?.write);
}

// src/sessions.js
var MAX_EXTRA = 50;
async function chooseSessions(opencode, listed, ranks) {
  const known = new Map(listed.filter((info) => isText(info?.id)).map((info) => [info.id, info]));
  let extra = 0;
  const find = async (id) => {
    if (!known.has(id) && extra++ < MAX_EXTRA) known.set(id, await tryAsk(() => opencode.session("get", id)));
    return isText(known.get(id)?.id) ? known.get(id) : void 0;
  };
  for (const id of ranks.keys()) await find(id);
  const chosen = /* @__PURE__ */ new Map();
  for (const info of sortByRank([...known.values()], ranks, opencode.directory)) {
    for (let next = info; next && !chosen.has(next.id) && chosen.size < MAX_LIST; ) {
      chosen.set(next.id, next);
      next = isText(next.parentID) ? await find(next.parentID) : void 0;
    }
  }
  return [...chosen.values()];
}
function sortByRank(sessions, ranks, directory) {
  const rank = (info) => ranks.get(info.id) ?? 0;
  const updated = (info) => info.time?.updated ?? 0;
  const isRecent = (info) => info.directory === directory && updated(info) > Date.now() - DAY;
  return sessions.filter((info) => isText(info?.id) && !info.time?.archived && (rank(info) || isRecent(info))).sort((a, b) => rank(b) - rank(a) || updated(b) - updated(a));
}

// src/snapshot.js
var MAX_DIGESTS = 12;
var MAX_FORKS = 12;
var MAX_LIMITS = 500;
var SECTIONS = ["sessions", "status", "permissions", "questions"];
async function takeSnapshot(opencode, watcher) {
  const listed = listOrNothing(await tryAsk(() => opencode.sessions(MAX_LIST)));
  const statuses = await tryAsk(() => opencode.statuses());
  const [permissions, questions] = await readRequests(opencode, watcher);
  const vcs = await tryAsk(() => opencode.get("/vcs"));
  const snapshot2 = { type: "snapshot" };
  if (isRecord(statuses)) snapshot2.status = { ...watcher.activeStatuses(), ...activeOnly(statuses) };
  if (permissions) snapshot2.permissions = permissions;
  if (questions) snapshot2.questions = questions;
  if (isText(vcs?.branch)) snapshot2.branch = truncate(vcs.branch);
  if (!listed) return snapshot2;
  const requests = [...permissions ?? [], ...questions ?? []];
  const ranks = new Map([...watcher.traces.keys()].map((sessionID) => [sessionID, 1]));
  for (const sessionID of Object.keys(snapshot2.status ?? {})) ranks.set(sessionID, 2);
  for (const { sessionID } of requests) ranks.set(sessionID, 2);
  snapshot2.sessions = (await chooseSessions(opencode, listed, ranks)).map(trimSession);
  await addDigests(opencode, snapshot2, new Set(ranks.keys()));
  return snapshot2;
}
async function addDigests(opencode, snapshot2, live) {
  const { sessions = [] } = snapshot2;
  const newest = sessions.filter((session) => live.has(session.id)).slice(0, MAX_DIGESTS);
  const forks = sessions.filter((session) => !newest.includes(session) && mayBeFork(session)).slice(0, MAX_FORKS);
  snapshot2.todos = {};
  for (const session of [...newest, ...forks]) {
    const query = { limit: MAX_MESSAGES };
    const messages = listOrNothing(await tryAsk(() => opencode.session("messages", session.id, { query })));
    if (messages) session.digest = digestOf(messages.slice(-MAX_MESSAGES));
    const todos = listOrNothing(await tryAsk(() => opencode.session("todo", session.id)));
    if (todos?.length) snapshot2.todos[session.id] = trimTodos(todos);
  }
}
async function readRequests(opencode, watcher) {
  const read = async (url) => opencode.isOld ? [] : listOrNothing(await tryAsk(() => opencode.get(url)));
  const lists = [await read("/permission"), await read("/question")];
  return lists.map((list, index) => {
    const seen = index === 0 ? watcher.permissions : watcher.questions;
    const listed = list?.slice(0, MAX_LIST).map(trimRequest).filter(Boolean);
    if (!listed) return void 0;
    const requests = new Map(listed.map((request) => [request.id, request]));
    for (const [id, request] of seen) requests.set(id, request);
    return [...requests.values()];
  });
}
function activeOnly(statuses) {
  const active = Object.entries(statuses).filter(([, status]) => isText(status?.type) && status.type !== "idle");
  const trimmed = active.map(([sessionID, status]) => [sessionID, trimStatus({ sessionID, status })?.status]);
  return Object.fromEntries(trimmed.slice(0, MAX_LIST));
}
async function readLimits(opencode) {
  const found = await tryAsk(() => opencode.providers());
  const limits = {};
  for (const provider of listOrNothing(found?.providers) ?? [])
    for (const [model, info] of Object.entries(provider?.models ?? {})) {
      const size = info?.limit?.context;
      if (size > 0 && Object.keys(limits).length < MAX_LIMITS) limits[`${provider.id}/${model}`] = size;
    }
  return Object.keys(limits).length ? limits : void 0;
}

// src/feed.js
var MAX_QUEUE = 500;
var CATCH_UP_INTERVAL = SECOND;
var SERVICES_INTERVAL = SECOND;
var FIRST_RETRY = 2 * SECOND;
var MAX_RETRIES = 5;
var Feed = class {
  #instance;
  #output;
  #isClosed = false;
  #sent = new SentState();
  /** @type {Promise<void> | undefined} the snapshot that is being taken */
  #snapshot;
  /** @type {Event[] | undefined} events that follow the snapshot that is being taken */
  #queue;
  #isBehind = false;
  // events were dropped
  #retries = 0;
  #hasLimits = false;
  #number = 0;
  // of the last frame that was sent
  /** @type {Record<string, Timer | undefined>} by what they do next */
  #timers = {};
  /** @type {import("./handshake.js").Wishes} */
  wishes = { prompts: false, edits: false };
  isNumbered = false;
  // whether the tray asks for the number of each frame
  /**
   * @param {Instance} instance
   * @param {Output} output
   */
  constructor(instance, output) {
    this.#instance = instance;
    this.#output = output;
  }
  close() {
    this.#isClosed = true;
    for (const timer of Object.values(this.#timers)) timer?.cancel();
  }
  /**
   * Send what is new in an event, after the snapshot if one is being taken.
   * @param {Event} event
   */
  event(event) {
    if (this.#isClosed) return;
    if (event.type === SERVICES_CHANGED) return this.#sendServicesSoon();
    if (event.type === EDITED && !this.wishes.edits) return;
    if (event.type === PROMPT_WRITTEN) {
      if (!this.wishes.prompts) return;
      event = { ...event, type: "message.part.updated" };
    }
    if (this.#queue) return this.#enqueue(this.#queue, event);
    if (this.#isBehind) return;
    if (this.#output.unread() > MAX_UNREAD) return this.#fallBehind();
    const changes = this.#sent.changes(event);
    if (changes) this.#send([changes.type, changes.properties]);
    if (event.type === "session.status" && !this.#hasLimits) attempt(() => this.#sendLimits());
  }
  /**
   * @param {Event[]} queue
   * @param {Event} event
   */
  #enqueue(queue, event) {
    if (queue.length < MAX_QUEUE) queue.push(event);
    else this.#isBehind = true;
  }
  /** Send a snapshot and the events that happen meanwhile. While one is being taken, no second one is started. */
  sendSnapshot() {
    this.#snapshot ??= this.#sendSnapshot().catch(() => {
    }).then(() => this.#snapshot = void 0);
    return this.#snapshot;
  }
  async #sendSnapshot() {
    const queue = this.#queue = [];
    this.#isBehind = false;
    const snapshot2 = await this.#instance.snapshot().catch((error) => this.#instance.log(`no snapshot: ${error?.name}`));
    if (this.#isClosed) return;
    if (snapshot2 && this.#send(shrink(snapshot2))) this.#sent = new SentState(snapshot2);
    this.#queue = void 0;
    if (this.#isBehind) this.#fallBehind();
    else for (const event of queue) this.event(event);
    this.#retryIfIncomplete(snapshot2 ?? {});
    if (!this.#hasLimits && this.#instance.watcher.traces.size) await this.#sendLimits();
  }
  /** @param {Partial<Snapshot>} snapshot */
  #retryIfIncomplete(snapshot2) {
    if (SECTIONS.every((name) => name in snapshot2)) this.#retries = 0;
    else if (this.#retries < MAX_RETRIES) {
      this.#later("retry", FIRST_RETRY * 2 ** this.#retries, () => this.sendSnapshot());
      this.#retries += 1;
    }
  }
  /** Drop events, and send a snapshot as soon as the tray has read enough. */
  #fallBehind(since = performance.now()) {
    this.#isBehind = true;
    if (this.#timers.catchUp) return;
    this.#later("catchUp", CATCH_UP_INTERVAL, () => {
      if (!this.#isBehind) return;
      if (this.#output.unread() <= MAX_UNREAD / 2) return this.sendSnapshot();
      if (performance.now() - since > MAX_SILENCE) return this.#output.onStuck();
      this.#fallBehind(since);
    });
  }
  /** Send the context sizes once, when a session works: before, OpenCode would need a second to load its models. */
  async #sendLimits() {
    this.#hasLimits = true;
    const limits = await readLimits(this.#instance.opencode);
    if (this.#isClosed) return;
    if (limits) this.#send({ type: "snapshot", limits });
    else this.#hasLimits = false;
    this.#sendServicesSoon();
  }
  #sendServicesSoon() {
    if (!this.#timers.services) this.#later("services", SERVICES_INTERVAL, () => this.#sendServices());
  }
  /** Send the state of the MCP and LSP servers. OpenCode starts them when it is asked, so this waits for a session. */
  async #sendServices() {
    const { opencode } = this.#instance;
    if (opencode.isOld) return;
    const mcp = await tryAsk(() => opencode.get("/mcp"));
    const lsp = await tryAsk(() => opencode.get("/lsp"));
    if (this.#isClosed) return;
    const services = {};
    if (isRecord(mcp)) services.mcp = trimServices(mcp);
    if (Array.isArray(lsp)) services.lsp = trimServices(lsp);
    if (Object.keys(services).length) this.#send({ type: "snapshot", ...services });
  }
  /**
   * Send a frame; return false if it is too large. The numbers ascend by 1, so the tray finds out what was lost on the way.
   * @param {any} frame
   */
  #send(frame) {
    if (!this.isNumbered) return this.#output.send(frame);
    const number = this.#number + 1;
    const isSent = this.#output.send(Array.isArray(frame) ? [...frame, number] : { ...frame, number });
    if (isSent) this.#number = number;
    return isSent;
  }
  /**
   * @param {string} name
   * @param {number} ms
   * @param {() => unknown} act
   */
  #later(name, ms, act) {
    this.#timers[name]?.cancel();
    this.#timers[name] = after(ms, () => {
      this.#timers[name] = void 0;
      return act();
    });
  }
};

// src/transport.js
var Transport = class {
  #callbacks;
  #log;
  #socket;
  #flow;
  #heartbeat = new Heartbeat(() => this.drop(CLOSE.silent));
  #isClosed = false;
  /**
   * @param {string} url
   * @param {Log} log
   * @param {Callbacks} callbacks
   * @throws {SyntaxError} `url` is not a WebSocket URL
   */
  constructor(url, log, callbacks) {
    this.#callbacks = callbacks;
    this.#log = log;
    const socket = (
      /** @type {Socket} */
      new WebSocket(url)
    );
    this.#socket = socket;
    this.#flow = new FlowControl(socket);
    socket.onopen = this.#guard(() => callbacks.onOpen());
    socket.onmessage = this.#guard(({ data }) => this.#receive(data));
    socket.onclose = this.#guard(({ code }) => this.#lost(code));
    socket.onerror = () => {
    };
    socket.addEventListener?.("ping", this.#guard(() => this.#heartbeat.pinged()));
    socket.addEventListener?.("pong", this.#guard(() => this.#flow.ponged()));
  }
  get isClosed() {
    return this.#isClosed;
  }
  /** Bytes that the tray has not read. */
  get unread() {
    return this.#flow.unread;
  }
  /** Close the connection when the tray stops pinging, if the runtime shows pings. */
  watchPings() {
    if (this.#socket.ping) this.#heartbeat.pinged();
  }
  /**
   * Send a frame. Return false if it is too large.
   * @param {any} frame
   */
  send(frame) {
    const text = encode(frame);
    if (text === void 0) return false;
    try {
      this.#socket.send(text);
      this.#flow.sent(text.length);
    } catch (error) {
      this.#log(`cannot send: ${/** @type {Error} */
      error?.name}`);
    }
    return true;
  }
  /** Close without a call of `onClose`. Returns at once. */
  close(code = CLOSE.normal) {
    this.#isClosed = true;
    this.#heartbeat.stop();
    attempt(() => {
      if (code === CLOSE.silent && this.#socket.terminate) this.#socket.terminate();
      else this.#socket.close(code);
    });
  }
  /**
   * Close for a reason, without waiting for the tray, which may never answer.
   * @param {number} code
   */
  drop(code) {
    if (this.#isClosed) return;
    this.close(code);
    this.#callbacks.onClose(code);
  }
  /** @param {number} code */
  #lost(code) {
    this.#isClosed = true;
    this.#heartbeat.stop();
    this.#callbacks.onClose(code);
  }
  /** @param {unknown} data */
  #receive(data) {
    if (typeof data !== "string") return this.drop(CLOSE.unexpected);
    if (data.length > MAX_FRAME) return this.drop(CLOSE.tooBig);
    let frame;
    try {
      frame = JSON.parse(data);
    } catch {
    }
    return this.#callbacks.onFrame(frame);
  }
  /**
   * Return a listener that does nothing after the end, and drops the connection if it fails.
   * @param {(event: any) => unknown} act
   */
  #guard(act) {
    return (event) => {
      if (!this.#isClosed) attempt(() => act(event), (error) => this.#failed(error));
    };
  }
  /** @param {any} error */
  #failed(error) {
    this.#log(`failed: ${error?.name}`);
    this.drop(CLOSE.unexpected);
  }
};

// src/channel.js
var WELCOME_TIMEOUT = 10 * SECOND;
var Channel = class {
  #instance;
  #callbacks;
  #transport;
  #timeout;
  /** @type {Handshake | undefined} */
  #handshake;
  /** @type {{ feed: Feed, calls: CallServer } | undefined} after the handshake */
  #services;
  /**
   * @param {Endpoint} endpoint
   * @param {Instance} instance
   * @param {Callbacks} callbacks
   * @throws {SyntaxError} the endpoint's URL is not a WebSocket URL
   */
  constructor({ url, token, key }, instance, callbacks) {
    this.#instance = instance;
    this.#callbacks = callbacks;
    this.#transport = new Transport(url, instance.log, {
      onOpen: () => this.#hello(token, key),
      onFrame: (frame) => this.#receive(frame),
      onClose: (code) => this.#lost(code)
    });
    this.#timeout = after(WELCOME_TIMEOUT, () => this.#transport.drop(CLOSE.silent));
  }
  get isOpen() {
    return this.#services !== void 0;
  }
  /** @param {Event} event */
  event(event) {
    this.#services?.feed.event(event);
  }
  /** Say goodbye and close. Returns at once. */
  close() {
    if (this.isOpen) this.#transport.send({ type: "goodbye" });
    this.#stop();
    this.#transport.close();
  }
  /**
   * @param {string} token
   * @param {string} key
   */
  async #hello(token, key) {
    const { id } = this.#instance;
    const fields = await this.#instance.hello();
    if (this.#transport.isClosed) return;
    this.#handshake = new Handshake(token, id);
    this.#transport.send({ type: "hello", protocol: PROTOCOL, instance: id, nonce: this.#handshake.nonce, ...key && { key }, ...fields });
  }
  /** @param {any} frame */
  #receive(frame) {
    if (frame === void 0) return this.#transport.drop(CLOSE.unexpected);
    if (this.#services) return this.#answer(this.#services.calls, frame);
    const next = this.#handshake?.receive(frame) ?? { close: CLOSE.unexpected };
    if ("send" in next) this.#transport.send(next.send);
    else if ("close" in next) this.#transport.drop(next.close);
    else this.#welcomed(next);
  }
  /** @param {import("./handshake.js").Welcome} welcome */
  #welcomed({ wishes: wishes2, isNumbered }) {
    this.#timeout.cancel();
    const transport = this.#transport;
    const { opencode, watcher } = this.#instance;
    const feed = new Feed(this.#instance, {
      send: (frame) => transport.send(frame),
      unread: () => transport.unread,
      onStuck: () => transport.drop(CLOSE.silent)
    });
    feed.wishes = wishes2;
    feed.isNumbered = isNumbered;
    const calls = new CallServer({ opencode, watcher, feed });
    this.#services = { feed, calls };
    this.#callbacks.onOpen();
    transport.watchPings();
    feed.sendSnapshot();
  }
  /**
   * @param {CallServer} calls
   * @param {any} frame
   */
  async #answer(calls, frame) {
    const answer = await calls.answer(frame);
    if (!answer || this.#transport.isClosed) return;
    if (!this.#transport.send(answer)) this.#transport.send(calls.tooLarge(answer));
  }
  /** @param {number} code */
  #lost(code) {
    this.#stop();
    this.#callbacks.onClose(code);
  }
  #stop() {
    this.#timeout.cancel();
    this.#services?.feed.close();
  }
};

// src/connection.js
var FIRST_WAIT = 2 * SECOND;
var MAX_WAIT = 4 * SECOND;
var MAX_LOGGED = 5;
function retryDelay(failures, random = Math.random()) {
  const most = Math.min(MAX_WAIT, FIRST_WAIT * 2 ** Math.max(0, failures - 2));
  return most * (0.5 + random / 2);
}
var Connection = class {
  #instance;
  #find;
  #url = "";
  /** @type {Channel | undefined} */
  #channel;
  #failures = 0;
  /** @type {Timer | undefined} */
  #timer;
  /**
   * @param {Instance} instance
   * @param {() => Promise<Endpoint>} find returns where the tray is now
   */
  constructor(instance, find) {
    this.#instance = instance;
    this.#find = find;
  }
  get isOpen() {
    return this.#channel?.isOpen ?? false;
  }
  async connect() {
    if (this.#instance.isStopped || this.#channel) return;
    const endpoint = await this.#find();
    this.#url = endpoint.url;
    if (this.#instance.isStopped || this.#channel) return;
    if (!endpoint.token) return this.#retry("no token");
    try {
      this.#channel = new Channel(endpoint, this.#instance, {
        onOpen: () => this.#opened(),
        onClose: (code) => this.#lost(code)
      });
    } catch (error) {
      this.#retry(`cannot connect: ${/** @type {Error} */
      error?.name}`);
    }
  }
  close() {
    this.#timer?.cancel();
    this.#channel?.close();
    this.#channel = void 0;
  }
  /** @param {Event} event */
  event(event) {
    this.#channel?.event(event);
  }
  #opened() {
    this.#failures = 0;
    this.#instance.log(`connected to ${this.#url}`);
  }
  /** @param {number} code */
  #lost(code) {
    const isReplaced = this.isOpen && code === CLOSE.replaced;
    this.#channel = void 0;
    if (!isReplaced) this.#retry(`closed with ${code}`);
  }
  /** @param {string} reason */
  #retry(reason) {
    if (this.#instance.isStopped) return;
    this.#failures += 1;
    const wait = retryDelay(this.#failures);
    const line = `${this.#url} ${reason}, next attempt in ${Math.round(wait)} ms`;
    if (this.#failures <= MAX_LOGGED) this.#instance.log(line);
    this.#timer = after(wait, () => this.connect());
  }
};

// src/environment.js
import { readlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

// src/files.js
import { readFile, stat } from "node:fs/promises";
var MAX_FILE = 4096;
async function readSmallFile(path) {
  try {
    const found = await stat(path);
    return found.isFile() && found.size <= MAX_FILE ? await readFile(path, "utf8") : "";
  } catch {
    return "";
  }
}

// src/environment.js
var MAX_PLACE = 1024;
var MAX_WORD = 64;
var TERMINALS = [
  ["KITTY_WINDOW_ID", "kitty"],
  ["WEZTERM_PANE", "WezTerm"],
  ["ITERM_SESSION_ID", "iTerm.app"],
  ["ALACRITTY_WINDOW_ID", "alacritty"],
  ["GHOSTTY_RESOURCES_DIR", "ghostty"],
  ["KONSOLE_VERSION", "konsole"],
  ["GNOME_TERMINAL_SCREEN", "gnome-terminal"],
  ["WT_SESSION", "Windows Terminal"],
  ["VTE_VERSION", "vte"]
];
async function readPlace(env) {
  const place = {
    tty: await terminalDevice(env),
    tmux: env.TMUX?.split(",")[0],
    tmuxPane: env.TMUX_PANE,
    zellij: env.ZELLIJ_SESSION_NAME,
    zellijPane: env.ZELLIJ_PANE_ID,
    terminal: terminalName(env),
    kittyWindow: env.KITTY_WINDOW_ID,
    kittySocket: env.KITTY_LISTEN_ON,
    weztermPane: env.WEZTERM_PANE,
    weztermSocket: env.WEZTERM_UNIX_SOCKET,
    itermSession: env.ITERM_SESSION_ID,
    windowId: env.WINDOWID,
    wsl: env.WSL_DISTRO_NAME,
    program: env.WSL_DISTRO_NAME && process.execPath
  };
  const isSet = (field) => isText(field[1]);
  const fields = Object.entries(place).filter(isSet);
  return Object.fromEntries(fields.map(([name, value = ""]) => [name, truncate(value, MAX_PLACE)]));
}
async function terminalDevice(env) {
  for (const descriptor of [0, 1, 2]) {
    try {
      const device = await readlink(`/proc/self/fd/${descriptor}`);
      if (/^\/dev\/(pts\/\d+|tty\w+)$/.test(device)) return device;
    } catch {
      return env.GPG_TTY;
    }
  }
}
function terminalName(env) {
  if (isText(env.TERM_PROGRAM) && env.TERM_PROGRAM !== "tmux") return env.TERM_PROGRAM;
  const found = TERMINALS.find(([variable]) => isText(env[
    /** @type {string} */
    variable
  ]));
  return found ? found[1] : env.TERMINAL_EMULATOR;
}
function openCodeVersion(execArgv = process.execArgv ?? []) {
  const agent = execArgv.find((argument) => argument.startsWith("--user-agent=opencode/"));
  return agent ? truncate(agent.slice(agent.indexOf("/") + 1), MAX_WORD) : void 0;
}
function commandOf(argv) {
  const words = argv.slice(2);
  const command = words.find((word, index) => !word.startsWith("-") && words[index - 1] !== "--log-level");
  return command && /^[a-z]+$/.test(command) ? truncate(command, MAX_WORD) : void 0;
}
async function repositoryOf(directory) {
  const text = await readSmallFile(join(directory, ".git"));
  const [, common] = /^gitdir: (.+)[\\/]worktrees[\\/][^\\/]+\s*$/.exec(text) ?? [];
  if (!common) return "";
  return basename(common).startsWith(".") ? dirname(common) : common.replace(/\.git$/, "");
}

// src/endpoint.js
import { readdir } from "node:fs/promises";
import { join as join3 } from "node:path";

// src/settings.js
import { homedir, platform, tmpdir } from "node:os";
import { dirname as dirname2, join as join2 } from "node:path";

// src/windows.js
function trayFolderOnWindows(env) {
  if (!env.WSL_DISTRO_NAME) return "";
  const profiles = (env.PATH ?? "").split(":").map((path) => /^\/.*\/Users\/[^/]+(?=\/AppData\/Local\/)/.exec(path)?.[0]);
  const profile = profiles.find((found) => found !== void 0 && !found.endsWith("/Public"));
  return profile ? `${profile}/AppData/Local/opencode-tray` : "";
}

// src/settings.js
var DEFAULT_PORT = 41235;
var MAX_LISTENERS = 8;
function readSettings(env) {
  const tokenFile = env.OPENCODE_TRAY_TOKEN_FILE || join2(dataFolder(env), "token");
  const isDebug = env.OPENCODE_MONITOR_DEBUG === "1";
  return {
    listeners: listenersOf(env),
    token: (env.OPENCODE_MONITOR_TOKEN ?? "").trim(),
    tokenFile,
    endpointFile: join2(dirname2(tokenFile), "endpoint"),
    traysFolder: join2(dirname2(tokenFile), "trays"),
    windowsFolder: env.OPENCODE_TRAY_TOKEN_FILE ? "" : trayFolderOnWindows(env),
    logFile: isDebug ? env.OPENCODE_PLUGIN_LOG_FILE || join2(tmpdir(), "opencode-plugin.log") : ""
  };
}
function listenersOf(env) {
  const port = parsePort(env.OPENCODE_MONITOR_PORT);
  const hosts = (env.OPENCODE_MONITOR_HOST ?? "").split(",").map((host) => host.trim()).filter(isText);
  if (!port && !hosts.length) return [];
  const urls = (hosts.length ? hosts : ["127.0.0.1"]).map((host) => listenerUrl(host, port ?? DEFAULT_PORT));
  return [...new Set(urls)].slice(0, MAX_LISTENERS);
}
function parsePort(value) {
  const port = Number(value);
  return Number.isInteger(port) && port > 0 && port < 65536 ? port : void 0;
}
function listenerUrl(address, port) {
  const bracketed = /^\[([^\]]+)\](?::(\d+))?$/.exec(address);
  if (bracketed) return `ws://[${bracketed[1]}]:${parsePort(bracketed[2]) ?? port}/`;
  if (address.split(":").length > 2) return `ws://[${address}]:${port}/`;
  const [host, ownPort] = address.split(":");
  return `ws://${host}:${parsePort(ownPort) ?? port}/`;
}
function dataFolder(env) {
  const name = "opencode-tray";
  if (platform() === "win32") return join2(env.LOCALAPPDATA || join2(homedir(), "AppData", "Local"), name);
  if (env.XDG_DATA_HOME) return join2(env.XDG_DATA_HOME, name);
  if (platform() === "darwin") return join2(homedir(), "Library", "Application Support", name);
  return join2(homedir(), ".local", "share", name);
}

// src/endpoint.js
var MAX_TRAYS = 8;
async function findLocalTray(settings, url) {
  const { tokenFile, endpointFile, windowsFolder } = settings;
  const isOfWindows = tokenFile.startsWith("/mnt/");
  const isNeeded = url === void 0 || windowsFolder !== "";
  const own = isNeeded ? await readListener(endpointFile, ({ pid }) => isOfWindows || isRunning(pid)) : void 0;
  const byDefault = listenerUrl("127.0.0.1", DEFAULT_PORT);
  if (windowsFolder && !own && !settings.token) {
    const token2 = (await readSmallFile(join3(windowsFolder, "token"))).trim();
    const found = await readListener(join3(windowsFolder, "endpoint"), ({ host }) => host === "127.0.0.1");
    if (token2) return { url: url ?? found ?? byDefault, token: token2, key: "" };
  }
  const token = settings.token || (await readSmallFile(tokenFile)).trim();
  return { url: url ?? own ?? byDefault, token, key: "" };
}
async function readListener(file, isValid) {
  try {
    const { host, port, pid } = JSON.parse(await readSmallFile(file));
    const isHost = isText(host) && /^[\w.:-]{1,253}$/.test(host);
    if (isHost && parsePort(port) && isValid({ host, pid })) return listenerUrl(host, port);
  } catch {
  }
}
async function remoteTrays({ traysFolder }) {
  try {
    const names = (await readdir(traysFolder)).filter((name) => name.endsWith(".json")).sort();
    return names.slice(0, MAX_TRAYS).map((name) => join3(traysFolder, name));
  } catch {
    return [];
  }
}
async function readRemoteTray(file) {
  try {
    const { port, token, key } = JSON.parse(await readSmallFile(file));
    if (parsePort(port) && isText(token) && /^[\w.-]{1,80}$/.test(key))
      return { url: listenerUrl("127.0.0.1", port), token, key };
  } catch {
  }
  return { url: "", token: "", key: "" };
}
function isRunning(pid) {
  try {
    return Number.isInteger(pid) && pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return (
      /** @type {NodeJS.ErrnoException} */
      error?.code === "EPERM"
    );
  }
}

// src/server-address.js
async function findServer(env, serverUrl) {
  const address = serverAddress(env, serverUrl);
  return address && await answers(address.probe) ? address.url : void 0;
}
function serverAddress(env, serverUrl) {
  const port = parsePort(env.OPENCODE_SERVER_PORT);
  const host = env.OPENCODE_SERVER_HOST || "127.0.0.1";
  const fromPort = port && `http://${host.toLowerCase() === "auto" ? "AUTO" : host}:${port}`;
  const ownUrl = serverUrl && String(serverUrl) !== "http://localhost:4096/" ? String(serverUrl) : void 0;
  const url = (env.OPENCODE_SERVER_URL || fromPort || ownUrl || "").replace(/\/+$/, "");
  if (url.length > MAX_TEXT || !/^https?:\/\/[^\s/@]+(\/[^\s@]*)?$/.test(url)) return void 0;
  return { url, probe: url.replace(/^(https?:\/\/)AUTO(?=[:/]|$)/i, "$1127.0.0.1") };
}
async function answers(url) {
  try {
    const response = await fetch(`${url}/global/health`, { signal: AbortSignal.timeout(SECOND), redirect: "error" });
    response.body?.cancel().catch(() => {
    });
    return response.ok || response.status === 401;
  } catch {
    return false;
  }
}

// src/watcher.js
var MAX_TRACES = 300;
var Watcher = class {
  /** @type {Map<string, Trace>} by session, the least recently touched first */
  traces = /* @__PURE__ */ new Map();
  /** @type {Requests} */
  permissions = /* @__PURE__ */ new Map();
  /** @type {Requests} */
  questions = /* @__PURE__ */ new Map();
  #send;
  #hasListener;
  /**
   * @param {(event: Event) => void} send
   * @param {() => boolean} hasListener whether any tray is connected
   */
  constructor(send, hasListener) {
    this.#send = send;
    this.#hasListener = hasListener;
  }
  get hasListener() {
    return this.#hasListener();
  }
  /**
   * Take an event of OpenCode. Constant time, no I/O.
   * @param {any} event
   */
  handle(event) {
    HANDLERS[event?.type]?.(this, event.properties ?? {}, event.type);
  }
  /**
   * Send an event to the trays that are connected.
   * @param {string} type
   * @param {any} properties nothing is sent if they are undefined or false
   */
  emit(type, properties) {
    if (properties && this.hasListener) this.#send({ type, properties });
  }
  /**
   * Return the session's trace as the most recently touched one; create it if there is none.
   * @param {string} sessionID
   */
  trace(sessionID) {
    const found = this.traces.get(sessionID);
    if (found) this.traces.delete(sessionID);
    else if (this.traces.size >= MAX_TRACES) this.dropTrace(this.traces.keys().next().value);
    const trace = found ?? newTrace(sessionID);
    this.traces.set(sessionID, trace);
    return trace;
  }
  /** @param {string | undefined} sessionID */
  dropTrace(sessionID) {
    if (sessionID === void 0) return;
    this.traces.get(sessionID)?.timer?.cancel();
    this.traces.delete(sessionID);
  }
  /**
   * Forget the session's pending requests.
   * @param {string} sessionID
   */
  dropRequests(sessionID) {
    for (const requests of [this.permissions, this.questions])
      for (const [id, request] of requests) if (request.sessionID === sessionID) requests.delete(id);
  }
  /**
   * Return the statuses of the sessions that are not idle.
   * @returns {Record<string, any>}
   */
  activeStatuses() {
    const active = [...this.traces.values()].filter(({ status }) => status && status.type !== "idle");
    return Object.fromEntries(active.map(({ id, status }) => [id, status]));
  }
  stop() {
    for (const { timer } of this.traces.values()) timer?.cancel();
  }
};
function newTrace(sessionID) {
  return {
    id: sessionID,
    isIdle: false,
    status: void 0,
    userMessage: "",
    assistantMessage: "",
    lastEnd: "",
    tools: /* @__PURE__ */ new Map(),
    tool: void 0,
    reportedTool: "",
    text: void 0,
    reportedText: "",
    reportedPrompt: "",
    draftUntil: 0,
    reportedAt: 0,
    timer: void 0
  };
}

// src/instance.js
var MAX_NAME = 256;
var Instance = class {
  isStopped = false;
  /** @type {Connection[]} */
  #connections = [];
  #input;
  /** @type {Promise<unknown>} */
  #lastSnapshot = Promise.resolve();
  /** @type {Record<string, string> | undefined} */
  #place;
  /** @type {string | undefined} */
  #repository;
  /** @type {string | undefined} */
  #serverUrl;
  /**
   * @param {any} input what OpenCode passes to its plugins
   * @param {Settings} settings
   * @param {string} id
   * @param {Log} log
   */
  constructor(input, settings, id, log) {
    this.#input = input;
    this.opencode = new OpenCode(input);
    this.settings = settings;
    this.id = id;
    this.log = log;
    this.watcher = new Watcher(
      (event) => this.#connections.forEach((connection) => connection.event(event)),
      () => this.#connections.some((connection) => connection.isOpen)
    );
  }
  async start() {
    const { settings } = this;
    const urls = settings.listeners.length ? settings.listeners : [void 0];
    for (const url of urls) this.#connect(() => findLocalTray(settings, url));
    for (const file of await remoteTrays(settings)) this.#connect(() => readRemoteTray(file));
  }
  /** @param {() => Promise<Endpoint>} find */
  #connect(find) {
    if (this.isStopped) return;
    const connection = new Connection(this, find);
    this.#connections.push(connection);
    attempt(() => connection.connect());
  }
  stop() {
    if (this.isStopped) return;
    this.isStopped = true;
    for (const connection of this.#connections) connection.close();
    this.watcher.stop();
  }
  /** @param {any} event of OpenCode */
  handle(event) {
    if (this.isStopped) return;
    const isEnd = event?.type === "server.instance.disposed" && event.properties?.directory === this.#input.directory;
    if (isEnd) this.stop();
    else this.watcher.handle(event);
  }
  /**
   * Take a snapshot. One at a time, so that several listeners cannot keep OpenCode busy.
   * @returns {Promise<Snapshot>}
   */
  snapshot() {
    const next = this.#lastSnapshot.then(() => takeSnapshot(this.opencode, this.watcher));
    this.#lastSnapshot = next.catch(() => {
    });
    return next;
  }
  /** Return the fields of `hello` other than type, protocol, instance and nonce. */
  async hello() {
    const { project, serverUrl } = this.#input;
    const directory = this.#input.directory ?? "";
    this.#place ??= await readPlace(process.env);
    this.#repository ??= await repositoryOf(directory);
    this.#serverUrl ??= await findServer(process.env, serverUrl);
    const vcs = await tryAsk(() => this.opencode.get("/vcs"), SECOND);
    return {
      serverId: truncate(`${hostname()}-${process.pid}`, MAX_NAME),
      serverName: truncate(project?.name || basename2(directory) || directory || "opencode", MAX_NAME),
      serverUrl: this.#serverUrl ?? "disabled",
      ...pick({ directory, project: project?.id, branch: vcs?.branch }, ["directory", "project", "branch"]),
      ...pick({ repository: this.#repository }, ["repository"]),
      pid: process.pid,
      hostname: truncate(hostname(), MAX_NAME),
      ...pick({ opencode: openCodeVersion(), command: commandOf(process.argv) }, ["opencode", "command"]),
      plugin: VERSION,
      time: Date.now(),
      place: this.#place
    };
  }
};

// src/log.js
import { constants } from "node:fs";
import { open } from "node:fs/promises";
var MAX_SIZE = 1024 * 1024;
var MAX_PENDING = 500;
function createLog(path) {
  if (!path) return () => {
  };
  const { O_APPEND, O_CREAT, O_NOFOLLOW = 0, O_WRONLY } = constants;
  let pending = [];
  let isWriting = false;
  async function write() {
    isWriting = true;
    while (pending.length) {
      const text = pending.join("");
      pending = [];
      let file;
      try {
        file = await open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 384);
        if ((await file.stat()).size + text.length > MAX_SIZE) await file.truncate(0);
        await file.appendFile(text);
      } catch {
        pending = [];
      } finally {
        await file?.close().catch(() => {
        });
      }
    }
    isWriting = false;
  }
  return (line) => {
    if (pending.length >= MAX_PENDING) return;
    pending.push(`${(/* @__PURE__ */ new Date()).toISOString()} ${process.pid} ${line}
`);
    if (!isWriting) attempt(write);
  };
}

// src/index.js
var REGISTRY = /* @__PURE__ */ Symbol.for("opencode-tray");
var world = (
  /** @type {{ [REGISTRY]?: Map<string, { id: string, stop(): void }> }} */
  globalThis
);
var instances = world[REGISTRY] ??= /* @__PURE__ */ new Map();
var OpenCodeTray = async (input) => {
  try {
    const settings = readSettings(process.env);
    const before = instances.get(input.directory);
    before?.stop();
    const instance = new Instance(input, settings, before?.id ?? randomUUID(), createLog(settings.logFile));
    instances.set(input.directory, instance);
    after(0, () => instance.start());
    return {
      event: async ({ event }) => {
        try {
          instance.handle(event);
        } catch (error) {
          instance.log(`event ${event?.type}: ${/** @type {Error} */
          error?.name}`);
        }
      },
      dispose: async () => instance.stop()
    };
  } catch {
    return {};
  }
};
export {
  OpenCodeTray
};
