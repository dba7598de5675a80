"""The listener that plugins connect to, and the protocols of our plugin and of two others."""
