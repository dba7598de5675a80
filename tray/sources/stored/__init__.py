"""The sessions that agents have stored on this machine, for the history. Everything here only reads, and blocks."""
