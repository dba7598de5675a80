/** N instances of the plugin in one process, as if OpenCode had loaded them: `restart.py` starts it. */
const [plugin, count] = process.argv.slice(2)
const { OpenCodeTray } = await import(plugin)
const call = async () => ({ data: [], response: { status: 200 } })
const session = Object.fromEntries(["list", "get", "status", "messages", "todo"].map((name) => [name, call]))
const client = { session, config: { providers: call }, _client: { get: call, post: call } }
for (let number = 0; number < Number(count); number++) await OpenCodeTray({ client, directory: `/srv/${number}` })
setInterval(() => {}, 60_000) // the plugin keeps no process alive
