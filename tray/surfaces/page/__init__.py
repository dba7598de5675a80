"""The local page: an HTTP server of its own for browsers, beside the listener for plugins."""
