"""OpenCode's HTTP servers: a connection to each one, its events and snapshots, and the calls to it."""
