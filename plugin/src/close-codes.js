/** Why the plugin closes a connection, as WebSocket close codes. `replaced` comes from the tray. */
export const CLOSE = { normal: 1000, tooBig: 1009, unexpected: 4400, untrusted: 4401, silent: 4408, replaced: 4409 }
