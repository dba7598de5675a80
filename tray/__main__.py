"""`python -m tray` is `opencode-tray`."""

import sys

from tray.cli.main import main

sys.exit(main())
