"""The control API: an authenticated WebSocket on `/client` for the command line, status bars and scripts."""
