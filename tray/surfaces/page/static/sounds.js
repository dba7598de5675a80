// Sounds and spoken summaries, for a page that is open but not looked at. Both are off until the user turns them on.

import { effect, signal } from "/app/vendor/ui.js";
import { connection, sessions, summary } from "/app/store.js";

const TONES = { waiting: [660, 880], error: [440, 330], completed: [880] }; // Hz, one after another
const LENGTH = 0.16; // s of a tone
const VOLUME = 0.12;
const SUMMARIES = { waiting: "needs you", error: "has failed", completed: "has finished" };

const stored = (name) => signal(localStorage.getItem(name) === "on");
export const hasSounds = stored("sounds");
export const isSpoken = stored("speech");

/** Turn one of the two on or off, for this browser. */
export function toggle(name) {
  const chosen = name === "sounds" ? hasSounds : isSpoken;
  chosen.value = !chosen.value;
  localStorage.setItem(name, chosen.value ? "on" : "off");
  if (chosen.value) announce("waiting", "OpenCode Tray");
}

/** Return what a state means to the user: one of the keys of TONES, or undefined. */
function kindOf(status) {
  return status.startsWith("waiting") ? "waiting" : status in TONES ? status : undefined;
}

let known = null; // session id -> kind; null: not connected, or silent; then nothing is new

effect(() => {
  const isSilent = !hasSounds.value && !isSpoken.value;
  if (isSilent || connection.value !== "open") {
    known = null;
    return;
  }
  const rows = sessions.value;
  const kinds = new Map(rows.map((row) => [row.id, kindOf(row.status)]));
  if (known)
    for (const row of rows) {
      const kind = kinds.get(row.id);
      if (kind && known.get(row.id) !== kind && !row.muted && !summary.value?.muted) announce(kind, row.title);
    }
  known = kinds;
});

function announce(kind, title) {
  if (hasSounds.peek()) play(TONES[kind]);
  if (isSpoken.peek()) speak(`${title} ${SUMMARIES[kind]}`);
}

let audio;

function play(tones) {
  audio ??= new AudioContext();
  tones.forEach((frequency, number) => {
    const [tone, volume, at] = [audio.createOscillator(), audio.createGain(), audio.currentTime + number * LENGTH];
    tone.frequency.value = frequency;
    volume.gain.setValueAtTime(VOLUME, at);
    volume.gain.exponentialRampToValueAtTime(0.001, at + LENGTH);
    tone.connect(volume).connect(audio.destination);
    tone.start(at);
    tone.stop(at + LENGTH);
  });
}

/** Speak with a voice of this machine: others would send the text away. */
function speak(text) {
  const voices = speechSynthesis.getVoices().filter((voice) => voice.localService);
  if (!voices.length) return;
  const spoken = new SpeechSynthesisUtterance(text);
  spoken.voice = voices.find((voice) => voice.lang.startsWith(document.documentElement.lang)) ?? voices[0];
  speechSynthesis.speak(spoken);
}
