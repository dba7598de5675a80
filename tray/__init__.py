"""OpenCode Tray: one glance says whether a coding agent needs you, one click deals with it."""

__version__ = "0.1.0"
