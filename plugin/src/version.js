/** The plugin's version (the same as OpenCode Tray's) and the wire protocol's (PROTOCOL.md). */
export const VERSION = "0.1.0"
export const PROTOCOL = 2
