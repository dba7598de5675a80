"""Other machines, whose plugins reach the tray through a tunnel of ssh."""
