"""The page: controls on the left, figures and numbers on the right, redrawn together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from bokeh.document import Document

from torch_bridge.nn.iat import GATES

from .figures import SIGMA, Figures
from .settings import BASES, SIZES, SLOPED, Settings
from .snapshot import Snapshot, snapshot
from .sources import Sources, models
from .tables import STYLE, summary, table
from .template import TITLE, template

SIZE = 10
"""d of a new page."""
LARGEST = 3.0
"""The end of the sliders of z."""
LABELS = {"leaky_relu": "leaky ReLU, PReLU", "relu": "ReLU", "arelu": "AReLU", "absolute": "absolute value"}


def coefficients(seed: int | None) -> list[float]:
    """Sixteen normally distributed numbers with two digits, within the sliders; None for other ones each time."""
    numbers = np.random.default_rng(seed).normal(size=SIZES[1])
    return [float(x) for x in np.clip(np.round(numbers, 2), -LARGEST, LARGEST)]


class Page:
    """One page in one browser tab.

    Args:
        document: what it is shown in.
    """

    def __init__(self, document: Document) -> None:
        self._document, self._waiting = document, False
        self._make_controls()
        self._sources = Sources()
        self._figures = Figures(self._sources)
        self._summary, self._table = (models.Div(sizing_mode="stretch_width", stylesheets=[STYLE]) for _ in range(2))
        self.redraw()
        document.title, document.template = TITLE, template()
        self._add_roots()

    @property
    def settings(self) -> Settings:
        """What the controls say."""
        size = self._size.value
        return Settings(
            z=tuple(round(slider.value, 2) for slider in self._sliders[:size]),
            input_basis=self._input.value,
            output_basis=self._output_basis.value,
            gate=self._gate.value,
            slope=float(self._slope.value),
            mesh=int(self._mesh.value),
            output=int(self._chosen.value) - 1,
            direction=int(self._direction.value) - 1,
        )

    def redraw(self) -> None:
        """Show what the controls say."""
        self._waiting = False
        view = snapshot(self.settings)
        self._document.hold("combine")
        try:
            self._show(view)
        finally:
            self._document.unhold()

    def reset(self) -> None:
        """The z of a new page."""
        self._set(coefficients(0))

    def randomize(self) -> None:
        """Another z."""
        self._set(coefficients(None))

    def _set(self, values: list[float]) -> None:
        for slider, value in zip(self._sliders, values, strict=True):
            slider.value = value

    def _show(self, view: Snapshot) -> None:
        settings, figures = view.settings, self._figures
        i, k, mesh = settings.output + 1, settings.direction + 1, settings.mesh
        absent = ["; does not exist here" if reason else "" for reason in view.derivatives.missing]
        figures.resize(settings.size)
        figures.show_decades(view)
        self._sources.show(view)
        figures.matrix.title.text = "Activation matrix S(z)"
        figures.outputs.title.text = f"u = S(z) z, exact and on M = {mesh} points"
        figures.errors.title.text = f"Error on M = {mesh} points, moduli"
        figures.gradient.title.text = f"First derivative ∂u{i}/∂zj{absent[0]}"
        figures.hessian.title.text = f"Second derivative ∂²u{i}/∂zj∂zk{absent[1]}"
        figures.line.title.text = f"u{i} along z{k}, and its Taylor polynomials"
        figures.line.xaxis.axis_label = f"z{k}"
        self._summary.text, self._table.text = summary(view), table(view)

    # -- controls ------------------------------------------------------------------------------------------------

    def _make_controls(self) -> None:
        whole = {"sizing_mode": "stretch_width"}
        self._input = models.Select(title="input basis p", options=list(BASES), value="fourier", **whole)
        self._output_basis = models.Select(title="output basis q", options=list(BASES), value="pwq", **whole)
        gates = [(name, LABELS.get(name, name)) for name in GATES]
        self._gate = models.Select(title=f"gate {SIGMA}", options=gates, value="relu", **whole)
        self._slope = models.Slider(
            title="slope below 0", start=-1, end=1, step=0.01, value=0.1, visible=False, **whole
        )
        self._mesh = models.Slider(title="mesh M", start=1, end=500, step=1, value=50, **whole)
        self._size = models.Slider(title="size d", start=SIZES[0], end=SIZES[1], step=1, value=SIZE, **whole)
        numbers = [str(n) for n in range(1, SIZE + 1)]
        self._chosen = models.Select(title="output i", options=numbers, value="1", **whole)
        self._direction = models.Select(title="direction k", options=numbers, value="1", **whole)
        self._sliders = [
            models.Slider(
                title=f"z{k}", start=-LARGEST, end=LARGEST, step=0.01, value=value, visible=k <= SIZE, **whole
            )
            for k, value in enumerate(coefficients(0), start=1)
        ]
        self._reset, self._random = models.Button(label="Reset z", **whole), models.Button(label="Random z", **whole)
        self._reset.on_click(self.reset)
        self._random.on_click(self.randomize)
        self._size.on_change("value", self._on_change(self._resize))
        self._gate.on_change("value", self._on_change(self._show_slope))
        for control in (self._input, self._output_basis, self._slope, self._mesh, self._chosen, self._direction):
            control.on_change("value", self._on_change())
        for slider in self._sliders:
            slider.on_change("value", self._on_change())

    def _on_change(self, first: Callable[[], None] | None = None) -> Callable[[str, Any, Any], None]:
        """Redraw once, however many controls change before the server comes to it."""

        def change(attribute: str, old: Any, new: Any) -> None:
            if first is not None:
                first()
            if not self._waiting:
                self._waiting = True
                self._document.add_next_tick_callback(self.redraw)

        return change

    def _resize(self) -> None:
        size = self._size.value
        for k, slider in enumerate(self._sliders):
            slider.visible = k < size
        for select in (self._chosen, self._direction):
            select.value = str(min(int(select.value), size))
            select.options = [str(n) for n in range(1, size + 1)]

    def _show_slope(self) -> None:
        self._slope.visible = self._gate.value == SLOPED

    def _add_roots(self) -> None:
        """Each part is laid out for itself: what changes the text of one does not make the browser measure all."""
        wide, figures = {"sizing_mode": "stretch_width"}, self._figures
        buttons = models.Row(self._reset, self._random, **wide)
        pair = models.Row(self._chosen, self._direction, **wide)
        choices = (self._input, self._output_basis, self._gate, self._slope, self._mesh, pair, self._size)
        parts = {
            "controls": models.Column(*choices, buttons, *self._sliders, spacing=2, **wide),
            "summary": self._summary,
            "table": self._table,
            "curves": models.Column(figures.state, figures.pattern, **wide),
            "outputs": models.Row(figures.matrix, figures.outputs, figures.errors, **wide),
            "derivatives": models.Row(figures.gradient, figures.hessian, figures.line, **wide),
        }
        for name, part in parts.items():
            part.name = name
            self._document.add_root(part)
