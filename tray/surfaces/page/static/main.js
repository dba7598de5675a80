// The page: pairs this browser, connects, and shows what the address asks for.

import { effect, html, render, useEffect } from "/app/vendor/ui.js";
import { call, loadDevice, pair } from "/app/access.js";
import { Dialog } from "/app/dialog.js";
import { History } from "/app/history.js";
import { Icon } from "/app/icons.js";
import { Help, listenToKeys, showHelp } from "/app/keys.js";
import { Live, Overview } from "/app/live.js";
import { pages } from "/app/pages.js";
import { openPalette, Palette } from "/app/palette.js";
import { keepWorker } from "/app/push.js";
import { Answers, Devices, lostFor } from "/app/records.js";
import { Session } from "/app/session.js";
import { Usage } from "/app/usage.js";
import {
  connect,
  connection,
  entries,
  filter,
  isOpen,
  notices,
  notify,
  obstacle,
  pairingNumber,
  pairingProblem,
  route,
  sessions,
  summary,
  unpair,
  scope,
} from "/app/store.js";

const isMac = navigator.userAgent.includes("Mac OS");

function Bar() {
  const name = route.value.name === "s" ? "" : route.value.name;
  return html`<header class="bar">
    <a class="brand" href="#/" aria-label="OpenCode Tray: all sessions"><img src="/favicon.svg" alt="" width="20"
      height="20" /><b>OpenCode Tray</b></a>
    <p class="summary" role="status">${summary.value?.tooltip ?? ""}${summary.value?.muted ? " · muted" : ""}</p>
    <nav aria-label="Pages">${pages.value.map(
      ({ name: page, hash, label, icon }) => html`<a href=${hash}
      aria-current=${page === name ? "page" : undefined}><${Icon} name=${icon} /><span>${label}</span></a>`,
    )}</nav>
    <button class="search" onClick=${openPalette}><${Icon} name="search" /><span
      class="unseen">Search sessions and commands</span><kbd aria-hidden="true">${isMac ? "⌘ K" : "Ctrl K"}</kbd>
      </button>
  </header>`;
}

function Connection() {
  if (connection.value !== "lost") return null;
  return html`<div class="lost" role="alert"><p><b>Not connected to the tray.</b> ${obstacle.value && `${obstacle.value}. `}${lostFor()} Trying again…</p>
    <button onClick=${connect}>Try now</button></div>`;
}

function Unpaired() {
  if (pairingNumber.value)
    return html`<main class="unpaired"><img src="/favicon.svg" alt="" width="48" height="48" />
      <h1>Compare the number</h1><p class="number" role="status">${pairingNumber.value}</p>
      <p>Your computer shows it as well: in the tray’s menu, and where you ran <b>opencode-tray phone</b>. Allow this
        phone there, only if the numbers are equal.</p></main>`;
  return html`<main class="unpaired"><img src="/favicon.svg" alt="" width="48" height="48" />
    <h1>Pair this browser</h1>
    ${pairingProblem.value && html`<p class="warning" role="alert">${pairingProblem.value}</p>`}
    <p>Choose <b>Open dashboard</b> in the tray’s menu, or run:</p>
    <pre class="exact">opencode-tray open</pre>
    <p class="note">It opens this page with a code that works once, within a minute.</p>
    <p><label>On a phone: type the code of <b>opencode-tray phone</b> <input onChange=${usePhoneCode} /></label></p></main>`;
}

function usePhoneCode({ target }) {
  location.hash = `c=${target.value.replace(/\W/g, "")}`;
  location.reload();
}

function Panes() {
  const { name, id } = route.value;
  const waiting = summary.value?.waiting;
  const title = (name === "s" && entries.value.get(`session:${id}`)?.title) || "OpenCode Tray";
  useEffect(() => {
    document.title = `${waiting ? `(${waiting}) ` : ""}${title}`;
    navigator.setAppBadge?.(waiting ?? 0).catch(() => {}); // of the installed page
  }, [waiting, title]);
  if (name === "answers" || name === "devices")
    return html`<main class="single">${name === "answers" ? html`<${Answers} />` : html`<${Devices} />`}</main>`;
  if (name === "usage") return html`<${Usage} />`;
  if (name === "history") return html`<${History} />`;
  const isSession = name === "s" && id;
  return html`<main class=${isSession ? "panes with-session" : "panes"}>
    <h1 class="unseen">Sessions</h1>
    <div class="list">
      <div class="filter" hidden=${!sessions.value.length}><input id="filter" type="search" placeholder="Filter"
        aria-label="Filter the sessions" value=${filter.value}
        onInput=${(event) => (filter.value = event.target.value)} /></div>
      ${summary.value?.problems.map((problem) => html`<p class="problem" key=${problem}>⚠ ${problem}</p>`)}
      <${Live} />
    </div>
    <div class="detail">${isSession ? html`<${Session} key=${id} id=${id} />` : html`<${Overview} />`}</div>
  </main>`;
}

function Page() {
  if (connection.value === "unpaired") return html`<${Unpaired} />`;
  return html`<${Bar} /><${Connection} /><${Panes} /><${Palette} /><${Help} /><${Dialog} />
    <div class="notices" role="log" aria-live="polite">${notices.value.map(
      (notice) => html`<p key=${notice.id}
      class=${notice.isError ? "error" : ""}>${notice.text}</p>`,
    )}</div>
    ${
      summary.value && // before, it would jump when the sessions arrive
      html`<footer><button class="quiet" onClick=${showHelp}>Keys <kbd>?</kbd></button><span>
      OpenCode Tray ${summary.value.version}</span></footer>`
    }`;
}

/** Pair with the code in the address, which is removed from it at once, or use the pairing that this browser has. */
async function start() {
  document.documentElement.dataset.theme = localStorage.getItem("theme") ?? "";
  const code = location.hash.match(/^#c=([\w-]+)$/)?.[1];
  if (code) history.replaceState(null, "", "/#/");
  route.value = { ...route.value, ...(code ? { name: "", id: "" } : {}) };
  const root = document.querySelector("#app");
  root.replaceChildren();
  render(html`<${Page} />`, root); // at once: it shows that it loads
  listenToKeys();
  try {
    if (code) {
      await pair(code, (number) => {
        pairingNumber.value = number;
        connection.value = "unpaired";
      });
      pairingNumber.value = "";
    }
    if (code || (await loadDevice())) connect();
    else connection.value = "unpaired";
  } catch (error) {
    pairingNumber.value = "";
    if (await loadDevice().catch(() => false)) connect();
    else unpair(error.message);
  }
}

/** Load what this browser may do and keep its notifications; the first connection may be long after the start. */
async function loadRights() {
  scope.value = (await call("GET", "/api/me")).scope;
  await keepWorker();
}

effect(() => isOpen.value && void loadRights().catch(({ message }) => notify(`No notifications: ${message}`, true)));
start();
