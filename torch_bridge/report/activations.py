"""Pictures of all activations of a network."""

from __future__ import annotations

from matplotlib.figure import Figure
from torch import Tensor, nn

from torch_bridge.experiments.figures import styled
from torch_bridge.plot import activation
from torch_bridge.plot.activations import activations_of


@styled
def draw_network(
    after: nn.Module,
    inputs: dict[str, Tensor],
    before: nn.Module | None = None,
    inputs_before: dict[str, Tensor] | None = None,
) -> Figure:
    """:func:`torch_bridge.plot.activation` of every activation of a network, in one figure.

    Args:
        after: the network; before: a copy of it from before training.
        inputs, inputs_before: of :func:`torch_bridge.plot.record_inputs`.

    Raises:
        ValueError: the network has no activation.
    """
    named = activations_of(after)
    if not named:
        raise ValueError("after must contain an activation, got none")
    columns = min(3, len(named))
    rows = -(-len(named) // columns)
    figure = Figure(figsize=(4.2 * columns, 3.2 * rows), layout="constrained")
    earlier = dict(activations_of(before)) if before is not None else {}
    for k, (name, module) in enumerate(named):
        axes = figure.add_subplot(rows, columns, k + 1)
        before_training = earlier.get(name), (inputs_before or {}).get(name)
        activation(module, inputs.get(name), *before_training, ax=axes)
        axes.set_title(f"{name or 'activation'}: {type(module).__name__}")
    return figure
