"""OpenCode's JSON, as the plugin and the HTTP server send it, turned into core events."""
