"""OpenCode from outside: its processes, and its HTTP interface."""
