"""``python -m verify``: decide the claims of the three papers."""

import sys

from .command import main

sys.exit(main())
