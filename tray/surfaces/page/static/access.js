// This device, and the calls to the server. A token of the device, which pairing gives, proves each side to the other
// and is never sent. It is kept in IndexedDB: it belongs to this origin with its port.

import { hex, proof, readKey } from "/app/proof.js";

const STORE = "device";
const MISDIRECTED = 421;

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

let device = null; // {id, key}
let login = ""; // what proves this device to the tray that runs now
let loggingIn = null; // the promise of a login
let markReady;
const isReady = new Promise((resolve) => (markReady = resolve)); // resolved once it is known whether this device is paired

export const currentLogin = () => login;
export const logOut = () => (login = "");

/** Read which device this is; return whether it was ever paired. */
export async function loadDevice() {
  try {
    device = (await withStore("readonly", (store) => store.get("own"))) ?? null;
    return device !== null;
  } finally {
    markReady();
  }
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
  device = { id: answer.id, key: await readKey(answer.token) };
  login = "";
  markReady();
  await withStore("readwrite", (store) => store.put(device, "own"));
}

/** Log in to the tray that runs now. Throws CallError: 401 if this device is not paired any more. */
export function logIn() {
  loggingIn ??= prove().finally(() => (loggingIn = null));
  return loggingIn;
}

async function prove() {
  const nonce = hex(crypto.getRandomValues(new Uint8Array(16)));
  const { id, key } = device;
  const answer = await send("POST", "/api/login", { device: id, nonce });
  const proofOf = (side) => proof(key, [`opencode-tray ${side}`, location.host, nonce, answer.nonce].join("\n"));
  if (answer.proof !== (await proofOf("page"))) throw new CallError("Another program has the tray’s address", MISDIRECTED);
  login = await proofOf("browser");
}

export class CallError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** Call the server and return the decoded answer. Throws CallError, also if the server cannot be reached. */
export async function call(method, path, body) {
  return (await loggedIn(method, path, body)).json();
}

/** Save what the server sends as a file. Throws CallError. */
export async function download(path, name) {
  const content = await (await loggedIn("GET", path)).blob();
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

async function loggedIn(method, path, body) {
  await isReady;
  if (device && !login) await logIn();
  try {
    return await request(method, path, body, { Authorization: `Bearer ${login}` });
  } catch (error) {
    if (error.status !== 401 || !device) throw error;
    await logIn(); // the tray was restarted
    return request(method, path, body, { Authorization: `Bearer ${login}` });
  }
}

async function send(method, path, body) {
  return (await request(method, path, body, {})).json();
}

async function request(method, path, body, headers) {
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
