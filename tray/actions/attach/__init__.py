"""Open a session: focus its terminal, else start a new terminal, a browser page, or offer the command."""
