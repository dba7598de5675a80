import assert from "node:assert/strict"
import { test } from "node:test"
import { listenerUrl, parsePort, readSettings } from "../../src/settings.js"

test("without variables there is no fixed listener, token or log", () => {
  const { listeners, token, logFile } = readSettings({})
  assert.deepEqual([listeners, token, logFile], [[], "", ""])
})

test("the endpoint file is beside the token file", () => {
  const { tokenFile, endpointFile } = readSettings({ OPENCODE_TRAY_TOKEN_FILE: "/data/token" })
  assert.deepEqual([tokenFile, endpointFile.replaceAll("\\", "/")], ["/data/token", "/data/endpoint"])
})

test("a host without a port gets the default port, and a port without a host is on loopback", () => {
  assert.deepEqual(readSettings({ OPENCODE_MONITOR_HOST: "far" }).listeners, ["ws://far:41235/"])
  assert.deepEqual(readSettings({ OPENCODE_MONITOR_PORT: "5" }).listeners, ["ws://127.0.0.1:5/"])
})

test("at most eight listeners, each once", () => {
  const hosts = ["a", "a", ...Array.from({ length: 20 }, (_, n) => `h${n}`)].join(",")
  assert.equal(readSettings({ OPENCODE_MONITOR_HOST: hosts }).listeners.length, 8)
})

for (const [address, url] of [
  ["host", "ws://host:1/"],
  ["host:2", "ws://host:2/"],
  ["host:x", "ws://host:1/"],
  ["::1", "ws://[::1]:1/"],
  ["[::1]", "ws://[::1]:1/"],
  ["[::1]:3", "ws://[::1]:3/"],
])
  test(`the URL of ${address} is ${url}`, () => assert.equal(listenerUrl(address, 1), url))

test("parsePort accepts 1 to 65535", () => {
  assert.deepEqual(["1", "65535", 80].map(parsePort), [1, 65535, 80])
  for (const value of ["0", "65536", "-1", "1.5", "x", "", undefined, null]) assert.equal(parsePort(value), undefined)
})
