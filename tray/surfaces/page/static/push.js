// Notifications of this browser, also while the page is closed.

import { html, useEffect, useState } from "/app/vendor/ui.js";
import { call } from "/app/access.js";
import { goTo, notify } from "/app/store.js";

const worker = navigator.serviceWorker; // missing without https, but not on this machine
if (worker) worker.onmessage = ({ data }) => goTo(data.open);
const canPush = worker && "PushManager" in window;

// A second policy of this name would not be allowed.
const policy = window.trustedTypes?.createPolicy("worker", { createScriptURL: () => "/sw.js" });

async function register() {
  await worker.register(policy?.createScriptURL("") ?? "/sw.js", { type: "module" });
  return worker.ready;
}

const found = async () => (await worker?.getRegistration())?.pushManager.getSubscription();

/** Make the page work offline where it is installed, and tell the tray where notifications go: browsers change that. */
export async function keepWorker() {
  if (!worker) return;
  if (matchMedia("(display-mode: standalone)").matches) await register();
  const subscription = await found();
  if (subscription) await subscribe();
}

async function subscribe() {
  const { pushManager } = await register();
  const { key } = await call("GET", "/api/push");
  const options = { userVisibleOnly: true, applicationServerKey: key };
  const subscription = await pushManager.subscribe(options).catch(async () => {
    await (await pushManager.getSubscription())?.unsubscribe(); // of a key that the tray has no more
    return pushManager.subscribe(options);
  });
  await call("PUT", "/api/push", subscription);
}

async function turnOn() {
  if ((await Notification.requestPermission()) !== "granted")
    throw new Error("The browser does not allow notifications of this page");
  await subscribe();
}

async function turnOff() {
  await (await found())?.unsubscribe();
  await call("DELETE", "/api/push");
}

export function Notifications() {
  const [isOn, setOn] = useState(null);
  useEffect(() => void found().then((subscription) => setOn(Boolean(subscription))), []);
  const run = (work, after) => () => work().then(after, (error) => notify(error.message, true));
  const test = () => call("POST", "/api/push/test").then(({ message }) => notify(message));
  return html`<h2>Notifications</h2>
    <p class="note">${
      canPush
        ? "Alerts reach this browser while the page is closed, with buttons to answer."
        : "This browser has none here: they need https, and on an iPhone the page on the Home Screen."
    }</p>
    ${canPush && isOn !== null && html`<p><button onClick=${run(isOn ? turnOff : turnOn, () => setOn(!isOn))}>
      ${isOn ? "Turn off" : "Turn on"}</button>${isOn && html` <button onClick=${run(test)}>Send a test</button>`}</p>`}`;
}
