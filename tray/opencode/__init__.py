"""OpenCode from the outside: its processes, HTTP API, event stream and database."""
