"""Sessions of processes without a plugin or an HTTP server: read from OpenCode's files, with an inferred state."""
