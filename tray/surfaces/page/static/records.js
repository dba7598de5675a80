// The answers that were given, the devices that may use the page, and what reaches the user away from the desk.

import { html, useEffect, useState } from "/app/vendor/ui.js";
import { call } from "/app/access.js";
import { ask } from "/app/dialog.js";
import { addressOf } from "/app/pages.js";
import { Notifications } from "/app/push.js";
import { Loading } from "/app/reading.js";
import { lastUpdate, notify, now, unpair, waiting } from "/app/store.js";
import { age, baseName, dateTime, dayOf, revealed, timeOfDay } from "/app/text.js";

const SCOPES = { watch: "may watch", answer: "may answer", act: "may do everything" };

function useList(path, change) {
  const [state, setState] = useState({ value: null, problem: "" });
  useEffect(() => {
    call("GET", path).then(
      (value) => setState({ value, problem: "" }),
      (error) => setState({ value: null, problem: error.message }),
    );
  }, [path, change]);
  return state;
}

function Frame({ title, about, state, children }) {
  return html`<section class="records"><h1>${title}</h1><p class="note">${about}</p>
    ${state.problem ? html`<p class="warning">${state.problem}</p>` : state.value ? children : html`<${Loading} what=${title.toLowerCase()} />`}
  </section>`;
}

export function Answers() {
  const state = useList("/api/audit", waiting.value.length);
  const days = new Map();
  for (const entry of latest(state.value?.entries ?? [])) {
    const day = dayOf(entry.at);
    days.set(day, [...(days.get(day) ?? []), entry]);
  }
  return html`<${Frame} title="Answers" about="Every answer that was given through the tray, the newest first."
    state=${state}>
    ${days.size === 0 && html`<div class="empty"><p>No answer was given yet.</p></div>`}
    ${[...days].map(([day, entries]) => html`<h2>${day}</h2><ol class="answers">
      ${entries.map((entry) => html`<${Answer} entry=${entry} />`)}</ol>`)}
  <//>`;
}

/** Leave out the first of the two entries that each answer has, once it has its result. */
function latest(entries) {
  const done = new Set();
  return entries.filter((entry) => {
    if (entry.result === "sending" && done.has(entry.request)) return false;
    done.add(entry.request);
    return true;
  });
}

function Answer({ entry }) {
  const verdict = entry.verdict === "reject" || entry.answer === "Rejected" ? "rejected" : "allowed";
  const failed = !["answered", "sending"].includes(entry.result);
  return html`<li><time>${timeOfDay(entry.at)}</time>
    <div><p><b class=${failed ? "" : verdict}>${entry.answer}</b> <span>
      ${entry.device ? entry.device.replace(/ \(\w+\)/, "") : entry.surface}</span></p>
      <code>${revealed(entry.asked ?? "")}</code>
      ${entry.always && html`<p class="note">Always: ${entry.always.join(", ")}</p>`}
      ${failed && html`<p class="warning">${entry.result}</p>`}
      <p class="note">${baseName(entry.directory ?? "")} · <a
        href=${addressOf(entry.session)}>session</a></p></div></li>`;
}

export function Devices() {
  const [version, setVersion] = useState(0);
  const state = useList("/api/devices", version);
  const revoke = async (device) => {
    const text = device.is_own ? "This browser then has to be paired again." : `Paired ${dateTime(device.created)}.`;
    if (!(await ask({ title: `Revoke ${device.name}?`, text, action: "Revoke", isDanger: true }))) return;
    try {
      await call("DELETE", device.is_own ? "/api/me" : `/api/devices/${device.id}`);
      if (device.is_own) unpair("This browser was revoked.");
      else notify(`Revoked ${device.name}`);
    } catch (error) {
      notify(error.message, true);
    }
    setVersion(version + 1);
  };
  return html`<${Frame} title="Devices"
    about="Browsers that may use this page. A revoked one is disconnected at once." state=${state}>
    <ul class="devices">${(state.value?.devices ?? []).map(
      (device) => html`<li>
      <div><b>${device.name}</b>${device.is_own && html` <span class="badge">this browser</span>`}
        <p class="note">
          ${SCOPES[device.scope]} · last seen ${age(device.last_seen, now.value)} from ${device.address} · paired ${dateTime(device.created)}</p>
          </div>
      <button class="quiet-danger" onClick=${() => revoke(device)}>Revoke</button></li>`,
    )}</ul>
    <p
      class="note">To pair another browser of this machine, open the dashboard from the tray’s menu or with <code>opencode-tray open</code>.</p>
    <${Notifications} /><${Phone} /><${Channels} />
  <//>`;
}

function Phone() {
  const [code, setCode] = useState(null);
  const show = () => call("POST", "/api/phone").then(setCode, (error) => notify(error.message, true));
  return html`<h2>Phone</h2>
    ${
      code
        ? html`<svg class="qr" viewBox=${`0 0 ${code.size} ${code.size}`} role="img" aria-label="QR code of the address below"><path
        d=${code.path} /></svg>
      <p><code>${code.address}</code></p>
      <p class="note">${code.message}. It shows a number: allow it in the tray’s menu, only if the number is the same there.</p>`
        : html`<p class="note">A phone can show this page, and answer requests.</p>`
    }
    <p><button onClick=${show}>${code ? "Another code" : "Pair a phone"}</button></p>`;
}

function Channels() {
  const [version, setVersion] = useState(0);
  const { value, problem } = useList("/api/channels", version);
  const test = async (name) => {
    try {
      notify((await call("POST", `/api/channels/${encodeURIComponent(name)}/test`)).message);
    } catch (error) {
      notify(error.message, true);
    }
    setVersion(version + 1);
  };
  if (!value) return problem && html`<p class="warning">${problem}</p>`;
  return html`<h2>Channels</h2>
    ${
      value.channels.length
        ? html`<ul class="devices">${value.channels.map(
            (channel) => html`<li key=${channel.name}><div><b>${channel.name}</b>
        <p class="note">${used(channel)}</p>${channel.problem && html`<p class="warning">${channel.problem}</p>`}</div>
      <button onClick=${() => test(channel.name)}>Send a test</button></li>`,
          )}</ul>`
        : html`<p class="note">Alerts can reach you by Telegram, ntfy, e-mail and others: add a channel to the settings.</p>`
    }`;
}

const used = ({ sent, last_at: lastAt }) =>
  sent ? `${sent} sent, the last ${age(lastAt, now.value)}` : "nothing was sent yet";

export function lostFor() {
  return lastUpdate.value ? `Last update ${timeOfDay(lastUpdate.value)}.` : "";
}
