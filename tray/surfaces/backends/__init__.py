"""The tray icon on each kind of desktop: StatusNotifier panels over D-Bus, and pystray for all the others."""
