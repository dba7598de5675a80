"""Decode the JSON of OpenCode, as plugins and HTTP servers send it, to core events."""
