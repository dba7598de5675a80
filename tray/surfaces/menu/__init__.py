"""The tray's view as plain values: icon, tooltip and menu. No toolkit is imported here."""
