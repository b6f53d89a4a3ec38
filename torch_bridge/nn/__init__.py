"""Modules: each a thin layer over one operation."""

from .iat import IAT, IATReLU

__all__ = ["IAT", "IATReLU"]
