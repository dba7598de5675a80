// The token of this device, and the calls to the server. The token is kept in IndexedDB: it belongs to this origin
// with its port, and is never sent by itself, as a cookie would be.

const STORE = "device";

function database() {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open("opencode-tray", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error);
  });
}

async function withStore(mode, use) {
  const opened = await database();
  try {
    return await new Promise((resolve, reject) => {
      const request = use(opened.transaction(STORE, mode).objectStore(STORE));
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  } finally {
    opened.close();
  }
}

let token = "";
let markReady;
const isReady = new Promise((resolve) => (markReady = resolve)); // resolved once the token is known, or known to be missing

export const currentToken = () => token;

export async function loadToken() {
  try {
    return (token = (await withStore("readonly", (store) => store.get("token"))) ?? "");
  } finally {
    markReady();
  }
}

export async function forgetToken() {
  token = "";
  await withStore("readwrite", (store) => store.delete("token"));
}

/**
 * Exchange a one-time code for a token of this device. A phone waits until the user at the desk has compared the number
 * that `onNumber` gets. Throws CallError.
 */
export async function pair(code, onNumber) {
  let answer = await send("POST", "/api/pair", { code, name: deviceName(navigator.userAgent) });
  if (answer.number) onNumber(answer.number);
  const { pending, secret } = answer;
  while (!answer.token) answer = await send("POST", "/api/pair/wait", { pending, secret });
  token = answer.token;
  markReady();
  await withStore("readwrite", (store) => store.put(token, "token"));
}

export class CallError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** Call the server and return the decoded answer. Throws CallError, also if the server cannot be reached. */
export async function call(method, path, body) {
  await isReady;
  return send(method, path, body);
}

/** Save what the server sends as a file. Throws CallError. */
export async function download(path, name) {
  await isReady;
  const content = await (await request("GET", path)).blob();
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

async function send(method, path, body) {
  return (await request(method, path, body)).json();
}

async function request(method, path, body) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  if (method !== "GET") headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: method === "GET" ? undefined : JSON.stringify(body ?? {}),
      credentials: "omit",
      cache: "no-store",
    });
  } catch {
    throw new CallError("The tray cannot be reached", 0);
  }
  if (response.ok) return response;
  const answer = await response.json().catch(() => ({}));
  throw new CallError(answer.error || `Error ${response.status}`, response.status);
}

/** Return a name for the list of devices, such as "Firefox on Linux". */
export function deviceName(agent) {
  const browser = ["Edg", "OPR", "Firefox", "Chrome", "Safari"].find((name) => agent.includes(`${name}/`));
  const system = ["Android", "iPhone", "iPad", "Windows", "Mac OS X", "Linux"].find((name) => agent.includes(name));
  const full = { Edg: "Edge", OPR: "Opera", "Mac OS X": "macOS" };
  return `${full[browser] ?? browser ?? "Browser"} on ${full[system] ?? system ?? "an unknown system"}`;
}
