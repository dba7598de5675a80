import assert from "node:assert/strict"
import { createHmac } from "node:crypto"
import { test } from "node:test"
import { CLOSE } from "../../src/close-codes.js"
import { Handshake } from "../../src/handshake.js"

const nonce = "ab".repeat(32)
const proof = (handshake, side, token = "secret") =>
  createHmac("sha256", token).update(`opencode-tray 2 ${side}\nid\n${handshake.nonce}\n${nonce}`).digest("hex")
const challenge = (handshake, token) => handshake.receive({ type: "challenge", nonce, proof: proof(handshake, "tray", token) })

test("a right proof is answered with the plugin's own, then the welcome counts", () => {
  const handshake = new Handshake("secret", "id")
  assert.deepEqual(challenge(handshake), { send: { type: "auth", proof: proof(handshake, "plugin") } })
  assert.deepEqual(handshake.receive({ type: "welcome" }), { welcomed: true, wishes: { prompts: false, edits: false }, isNumbered: false })
})

test("a wrong proof is untrusted, a frame out of turn unexpected", () => {
  assert.deepEqual(challenge(new Handshake("secret", "id"), "other"), { close: CLOSE.untrusted })
  assert.deepEqual(new Handshake("secret", "id").receive({ type: "welcome" }), { close: CLOSE.unexpected })
  assert.deepEqual(new Handshake("secret", "id").receive(undefined), { close: CLOSE.unexpected })
})

test("each handshake has a nonce of its own", () => {
  assert.notEqual(new Handshake("t", "id").nonce, new Handshake("t", "id").nonce)
})
