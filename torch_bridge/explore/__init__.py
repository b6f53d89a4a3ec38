"""``matact explore``: a page on this machine that shows one exact transform while its input is moved."""

from .server import run

__all__ = ["run"]
