"""Exit codes of `opencode-tray`."""

OK = 0
FAILED = 1  # the command failed, or no tray is running
USAGE = 2  # the command line or a setting is invalid
PORT_TAKEN = 3  # another program uses the port
