"""``python -m antigravity``: the same as the command ``antigravity``."""

import sys

from antigravity.cli.main import main

sys.exit(main())
