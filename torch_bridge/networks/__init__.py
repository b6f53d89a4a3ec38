"""Networks that take any activation."""

from .mlp import mlp

__all__ = ["mlp"]
