"""Exit codes of `opencode-tray`."""

OK = 0
FAILED = 1  # it did not work, or no tray is running
USAGE = 2  # the command line is wrong
PORT_TAKEN = 3  # another program listens on the port
