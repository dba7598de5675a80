"""Start, list, prompt and stop OpenCode's servers, with or without a running tray."""
