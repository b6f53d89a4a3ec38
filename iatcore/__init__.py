"""Matrix activations, exactly: the integral activation transform and step gates in numpy and numba."""

from . import gates, grids, operators, smooth_functions
from .bases import Basis, basis
from .derivatives import SingularWarning
from .discrete import DiscreteIAT
from .gates import Gate
from .gdnn import GDNN
from .mesh_bounds import mesh_bound, mesh_for
from .pattern import ActivationPattern, from_intervals
from .smooth import SmoothIAT
from .smooth_functions import Smooth
from .threads import get_num_threads, set_num_threads
from .transform import IAT, IATReLU

__all__ = [
    "GDNN",
    "IAT",
    "ActivationPattern",
    "Basis",
    "DiscreteIAT",
    "Gate",
    "IATReLU",
    "SingularWarning",
    "Smooth",
    "SmoothIAT",
    "basis",
    "from_intervals",
    "gates",
    "get_num_threads",
    "grids",
    "mesh_bound",
    "mesh_for",
    "operators",
    "set_num_threads",
    "smooth_functions",
]
