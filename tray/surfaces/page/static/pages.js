// The pages and their addresses, for the bar, the keys and the palette.

import { computed } from "/app/vendor/ui.js";
import { scope } from "/app/store.js";

// `key` follows "g".
const PAGES = [
  { name: "", hash: "#/", label: "Live", icon: "live", key: "l" },
  { name: "history", hash: "#/history", label: "History", icon: "clock", key: "h" },
  { name: "usage", hash: "#/usage", label: "Usage", icon: "chart", key: "u" },
  { name: "answers", hash: "#/answers", label: "Answers", icon: "list", key: "a" },
  { name: "devices", hash: "#/devices", label: "Devices", icon: "device", key: "d" },
];

/** The pages that this device may see. */
export const pages = computed(() => PAGES.filter(({ name }) => name !== "devices" || scope.value === "act"));

export const addressOf = (id) => `#/s/${encodeURIComponent(id)}`;
