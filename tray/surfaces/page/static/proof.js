// HMAC-SHA256 with the token of this device. Browsers compute it, with a key that no script can read, but not on pages
// without https: there a library does, which is loaded only then.

const ALGORITHM = { name: "HMAC", hash: "SHA-256" };
const bytes = (text) => new TextEncoder().encode(text);
const subtle = globalThis.crypto.subtle;

/** Return bytes in hex. */
export const hex = (values) => [...values].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** Return what is kept of a token. */
export const readKey = async (token) =>
  subtle ? subtle.importKey("raw", bytes(token), ALGORITHM, false, ["sign"]) : bytes(token);

/** Return the HMAC-SHA256 of a text, in hex. */
export async function proof(key, text) {
  return hex(subtle ? new Uint8Array(await subtle.sign("HMAC", key, bytes(text))) : await withLibrary(key, text));
}

async function withLibrary(key, text) {
  const { hmac, sha256 } = await import("/app/vendor/hmac.js");
  return hmac(sha256, key, bytes(text));
}
