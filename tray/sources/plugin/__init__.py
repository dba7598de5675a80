"""The listener that plugins connect to, for the plugins of OpenCode Tray, opencode-monitor and opencode-dashboard."""
