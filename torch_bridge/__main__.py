"""``python -m torch_bridge`` is the command ``matact``."""

from .cli import main

raise SystemExit(main())
