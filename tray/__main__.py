"""`python -m tray` is `opencode-tray`."""

import sys

from tray.cli import main

sys.exit(main())
