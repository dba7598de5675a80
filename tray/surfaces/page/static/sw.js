// The service worker: shows the notifications of the push service, gives the answers of their buttons, and opens the
// page without a network. The server puts the version and the paths of its files in front of this file.

import { call, loadDevice } from "/app/access.js";

const ANSWER_TIMEOUT = 3_000; // ms until the page opens from what is kept
const CACHE = `page ${VERSION}`;

self.addEventListener("install", (event) => event.waitUntil(store()));

async function store() {
  await (await caches.open(CACHE)).addAll(FILES.map((path) => new Request(path, { cache: "reload" })));
  await self.skipWaiting();
}

self.addEventListener("activate", (event) => event.waitUntil(removeOlder()));

async function removeOlder() {
  for (const name of await caches.keys()) if (name !== CACHE) await caches.delete(name);
  await self.clients.claim();
}

/** Without the tray, Tailscale and tunnels answer with an error of their own, or not at all. */
self.addEventListener("fetch", (event) => {
  const { origin, pathname } = new URL(event.request.url);
  if (event.request.method !== "GET" || origin !== location.origin || !FILES.includes(pathname)) return;
  const kept = () => caches.match(pathname);
  const late = new Promise((resolve) => setTimeout(resolve, ANSWER_TIMEOUT)).then(kept);
  event.respondWith(Promise.race([fetch(event.request).then((answer) => (answer.ok ? answer : kept()), kept), late]));
});

/** A push that shows nothing would end the permission of this page, so each one shows a notification. */
self.addEventListener("push", (event) => event.waitUntil(show(event.data.json())));

async function show({ tag, title, body, actions, session, waits, silent }) {
  await self.registration.showNotification(title, {
    tag,
    body,
    silent,
    renotify: !silent,
    requireInteraction: waits,
    icon: "/icon.png",
    badge: "/icon.png",
    actions: actions.map(([label, code]) => ({ title: label, action: code })),
    data: { session, waits },
  });
  await countWaiting();
}

async function countWaiting() {
  const shown = await self.registration.getNotifications();
  await self.navigator.setAppBadge?.(shown.filter(({ data }) => data.waits).length).catch(() => {});
}

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(event.action ? press(event.action, event.notification) : open(event.notification.data.session));
});

self.addEventListener("notificationclose", (event) => event.waitUntil(countWaiting()));

async function press(code, { tag, title, data }) {
  try {
    await loadDevice();
    await call("POST", "/api/push/press", { code });
  } catch (error) {
    const shown = { tag, title, body: `Not answered: ${error.message}. Tap to open it`, actions: [], silent: false };
    await show({ ...shown, session: data.session, waits: data.waits });
  }
  await countWaiting();
}

async function open(session) {
  const address = session ? `/#/s/${encodeURIComponent(session)}` : "/#/";
  const [page] = await self.clients.matchAll({ type: "window" });
  if (!page) return self.clients.openWindow(address);
  await page.focus();
  page.postMessage({ open: address.slice(1) });
}
