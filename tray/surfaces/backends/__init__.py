"""The tray icon on each kind of desktop: StatusNotifier panels over D-Bus, all others through pystray."""
