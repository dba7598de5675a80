"""OpenCode Tray: show in the system tray which coding agents need the user, and answer their requests."""

__version__ = "0.1.0"
