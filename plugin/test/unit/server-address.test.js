import assert from "node:assert/strict"
import { createServer } from "node:http"
import { test } from "node:test"
import { findServer, serverAddress } from "../../src/server-address.js"

const cases = {
  "the URL of a terminal UI without a server is not used": [{}, "http://localhost:4096/", undefined],
  "OpenCode's own URL is used": [{}, new URL("http://127.0.0.1:5000/"), "http://127.0.0.1:5000"],
  "the environment's URL comes first": [{ OPENCODE_SERVER_URL: "https://far/code/" }, "http://x:1/", "https://far/code"],
  "a port is on loopback": [{ OPENCODE_SERVER_PORT: "7" }, undefined, "http://127.0.0.1:7"],
  "AUTO is left to the tray": [{ OPENCODE_SERVER_PORT: "7", OPENCODE_SERVER_HOST: "auto" }, undefined, "http://AUTO:7"],
  "a URL with a password is not sent": [{ OPENCODE_SERVER_URL: "http://user:secret@far" }, undefined, undefined],
}
for (const [name, [env, own, url]] of Object.entries(cases))
  test(name, () => assert.equal(serverAddress(env, own)?.url, url))

test("AUTO is probed on loopback", () => {
  const env = { OPENCODE_SERVER_PORT: "7", OPENCODE_SERVER_HOST: "AUTO" }
  assert.equal(serverAddress(env, undefined)?.probe, "http://127.0.0.1:7")
})

for (const [status, isFound] of [[200, true], [401, true], [404, false]])
  test(`a server that answers ${status} is ${isFound ? "" : "not "}OpenCode's`, async () => {
    const server = createServer((_, response) => response.writeHead(status).end())
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve))
    const url = `http://127.0.0.1:${server.address().port}`
    assert.equal(await findServer({}, `${url}/`), isFound ? url : undefined)
    server.closeAllConnections()
    server.close()
  })
