"""OpenCode's own HTTP servers: a snapshot by REST, then its stream of events; answers and deeds go the same way."""
