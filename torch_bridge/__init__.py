"""Matrix activations for torch: the integral activation transform as modules."""

from .nn import IAT, IATReLU

__all__ = ["IAT", "IATReLU"]
