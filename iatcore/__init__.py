"""Matrix activations, exactly: the integral activation transform and step gates in numpy and numba."""

from . import gates
from .bases import Basis, basis
from .derivatives import SingularWarning
from .discrete import DiscreteIAT
from .gates import Gate
from .pattern import ActivationPattern, from_intervals
from .threads import get_num_threads, set_num_threads
from .transform import IAT, IATReLU

__all__ = [
    "IAT",
    "ActivationPattern",
    "Basis",
    "DiscreteIAT",
    "Gate",
    "IATReLU",
    "SingularWarning",
    "basis",
    "from_intervals",
    "gates",
    "get_num_threads",
    "set_num_threads",
]
