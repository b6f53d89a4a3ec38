"""Pictures of bases, state functions, patterns, matrices and learned activations; one call each, Axes in and Axes out.

Every function that draws takes ``ax=None``. None makes a new figure with pyplot; Axes that are given keep their own
style. Axis labels are set, titles are not. matplotlib, of the extra ``experiments``, is imported when something is
drawn.
"""

from .activations import activation, record_inputs
from .bases import basis
from .matrices import activation_matrix
from .orders import convergence, mesh_errors
from .patterns import pattern, pattern_2d
from .states import state_function
from .steps import step_functions

__all__ = [
    "activation",
    "activation_matrix",
    "basis",
    "convergence",
    "mesh_errors",
    "pattern",
    "pattern_2d",
    "record_inputs",
    "state_function",
    "step_functions",
]
