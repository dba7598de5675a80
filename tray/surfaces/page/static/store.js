// The state of the page: what the server sent last, how the connection is, and what the user looks at.

import { batch, computed, signal } from "/app/vendor/ui.js";
import { currentLogin, logIn, logOut } from "/app/access.js";

const UNAUTHORIZED = 4401;
const FIRST_DELAY = 500; // ms until the first attempt to connect again
const LONGEST_DELAY = 10_000;
const LONG_SILENCE = 60_000; // ms without a frame after which a page that is looked at again connects anew
const TICK = 20_000; // ms between two updates of the ages on the page

export const entries = signal(new Map()); // key -> entry, as tray/surfaces/page/view.py describes
export const connection = signal("connecting"); // or "open", "lost", "unpaired"
export const obstacle = signal(""); // why the connection is lost, if that is known
export const lastUpdate = signal(0); // ms, this browser's clock
export const pairingNumber = signal(""); // that a phone shows until the user at the desk has decided
export const pairingProblem = signal("");
export const now = signal(Date.now()); // ms, the tray's clock
export const route = signal(readRoute());
export const filter = signal("");
export const scope = signal("act"); // what this device may do: "watch", "answer" or "act"
export const notices = signal([]); // short messages: {id, text, isError}

export const summary = computed(() => entries.value.get("summary"));
export const sessions = computed(() =>
  (entries.value.get("order") ?? []).map((id) => entries.value.get(`session:${id}`)).filter(Boolean),
);
export const waiting = computed(() =>
  sessions.value.flatMap((session) => session.requests.map((request) => ({ session, request }))),
);
export const isOpen = computed(() => connection.value === "open");

let clockOffset = 0; // ms that the tray's clock is ahead
let socket;
let attempt; // the newest one to connect
let retry;
let delay = FIRST_DELAY;
let sequence = null;
let epoch = "";

export let waitingChangedAt = 0; // ms of performance.now(): when a card appeared or disappeared

function readRoute() {
  const [, name = "", id = ""] = location.hash.match(/^#\/(\w*)(?:\/(.*))?$/) ?? [];
  return { name, id: decodeURIComponent(id) };
}

export function goTo(hash) {
  if (location.hash !== hash) location.hash = hash;
}

export function notify(text, isError = false) {
  const notice = { id: Math.random(), text, isError };
  notices.value = [...notices.value.slice(-2), notice];
  setTimeout(() => (notices.value = notices.value.filter((other) => other !== notice)), isError ? 8000 : 4000);
}

/** Show that the server no longer knows this device. */
export function unpair(problem = "") {
  clearTimeout(retry);
  attempt = null;
  socket?.close();
  batch(() => {
    pairingProblem.value = problem;
    connection.value = "unpaired";
    entries.value = new Map();
  });
  sequence = null;
}

/** Log in and follow the view; each attempt ends the one before. */
export async function connect() {
  clearTimeout(retry);
  socket?.close();
  const started = (attempt = {});
  try {
    await logIn();
  } catch (error) {
    if (started !== attempt) return;
    if (error.status === 401) unpair("This browser is no longer paired.");
    else lost(error.status ? error.message : "");
    return;
  }
  if (started !== attempt) return;
  const opened = (socket = new WebSocket(`${location.origin.replace("http", "ws")}/ws`));
  opened.onopen = () => opened.send(JSON.stringify({ auth: currentLogin(), since: sequence, epoch }));
  opened.onmessage = ({ data }) => apply(JSON.parse(data));
  opened.onclose = ({ code }) => {
    if (started !== attempt) return;
    if (code === UNAUTHORIZED) connect(); // the next login says whether this device was revoked
    else lost("");
  };
}

function lost(reason) {
  logOut(); // another program may have the address now
  if (connection.value !== "unpaired") connection.value = "lost";
  obstacle.value = reason;
  retry = setTimeout(connect, delay * (0.75 + Math.random() / 2));
  delay = Math.min(delay * 2, LONGEST_DELAY);
}

function apply(frame) {
  const before = waiting.peek();
  batch(() => {
    const changed = frame.type === "view" ? new Map() : new Map(entries.value);
    for (const [key, entry] of Object.entries(frame.set)) changed.set(key, entry);
    for (const key of frame.removed ?? []) changed.delete(key);
    entries.value = changed;
    connection.value = "open";
    obstacle.value = "";
    lastUpdate.value = Date.now();
    clockOffset = frame.at - Date.now();
    now.value = frame.at;
  });
  const keys = (list) => list.map(({ request }) => request.id).join();
  if (keys(before) !== keys(waiting.peek())) waitingChangedAt = performance.now();
  sequence = frame.seq;
  epoch = frame.epoch ?? epoch;
  delay = FIRST_DELAY;
}

addEventListener("hashchange", () => (route.value = readRoute()));
addEventListener("online", () => connection.value === "lost" && connect());
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  now.value = Date.now() + clockOffset;
  // After sleep a socket may be dead without an event. To connect again costs little: only what was missed is sent.
  if (connection.value === "lost" || (connection.value === "open" && Date.now() - lastUpdate.value > LONG_SILENCE))
    connect();
});
setInterval(() => document.hidden || (now.value = Date.now() + clockOffset), TICK);
