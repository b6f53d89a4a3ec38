"""The figures of the page: made once, and redrawn by the browser when their sources change."""

from __future__ import annotations

from typing import Any

import numpy as np
from bokeh.palettes import RdBu11, interp_palette
from bokeh.plotting import figure

from .snapshot import Snapshot
from .sources import Sources, drawn_errors, models

SIGMA = "\N{GREEK SMALL LETTER SIGMA}"
BLUE, ORANGE, GREEN, GREY, DARK = "#1f6fb2", "#c8641e", "#3a8a5c", "#9a9a9a", "#333333"
HEIGHT = 300


class Figures:
    """All figures of one page.

    Attributes:
        state: f, sigma(f) and the roots over the set where f > 0.
        pattern: the slope of the gate on its maximal intervals.
        matrix, hessian: S and the second derivatives of u_i as heat maps, blue above 0 and red below.
        outputs: u, exact and on M points; errors: moduli, on a logarithmic axis.
        gradient: of u_i; line: u_i along z_k with its Taylor polynomials.
    """

    def __init__(self, sources: Sources) -> None:
        self.state = _state(sources)
        self.pattern = _pattern(sources, self.state.x_range)
        self.matrix = _heat_map(sources, "S", "input j", "output i")
        self.hessian = _heat_map(sources, "H", "k", "j")
        self.outputs = _outputs(sources)
        self.errors = _errors(sources)
        self.gradient = _gradient(sources)
        self.line = _line(sources)

    def resize(self, size: int) -> None:
        """Make room for d functions."""
        for plot in (self.matrix, self.hessian, self.outputs, self.errors, self.gradient):
            plot.x_range.end = size + 0.5
            plot.xaxis[0].ticker.ticks = list(range(1, size + 1))
        for plot in (self.matrix, self.hessian):
            plot.y_range.start = size + 0.5
            plot.yaxis[0].ticker.ticks = list(range(1, size + 1))

    def show_decades(self, view: Snapshot) -> None:
        """Let the axis of the errors end at powers of ten."""
        moduli = np.concatenate(drawn_errors(view))
        moduli = moduli[np.isfinite(moduli)]
        if len(moduli):
            low, high = np.floor(np.log10(moduli.min())), np.ceil(np.log10(moduli.max()))
            self.errors.y_range.update(start=float(10**low) / 1.5, end=float(10**high) * 1.5)


def _plain(x: str, y: str = "", height: int = HEIGHT, **settings: Any) -> Any:
    """A figure without tools, in the colours of the page, as wide as its column."""
    settings.setdefault("y_range", models.DataRange1d(range_padding=0.12))
    plot: Any = figure(title="", height=height, tools="", toolbar_location=None, **settings)
    plot.sizing_mode, plot.min_width, plot.min_border_left = "stretch_width", 220, 52
    plot.xaxis.axis_label, plot.yaxis.axis_label = x, y or None
    plot.outline_line_color, plot.grid.grid_line_color = "#dddddd", "#eeeeee"
    plot.title.text_font_style, plot.title.text_font_size, plot.title.text_color = "normal", "13px", DARK
    for axis in plot.axis:
        axis.axis_line_color, axis.axis_label_text_font_style = "#bbbbbb", "normal"
        axis.major_tick_line_color, axis.minor_tick_line_color = "#bbbbbb", None
    return plot


def _legend_above(plot: Any) -> None:
    legend = plot.legend[0]
    plot.add_layout(legend, "above")
    legend.orientation, legend.label_text_font_size, legend.glyph_height = "horizontal", "11px", 14
    legend.border_line_color, legend.padding, legend.margin, legend.spacing = None, 0, 0, 10


def _zero(plot: Any) -> None:
    plot.add_layout(models.Span(location=0, dimension="width", line_color=GREY))


def _numbered(axis: Any) -> None:
    axis.ticker = models.FixedTicker()


def _state(sources: Sources) -> Any:
    plot = _plain("s", x_range=models.Range1d(-1.02, 1.02))
    strips = models.VStrip(x0="left", x1="right", fill_color=BLUE, fill_alpha=0.09, line_color=None)
    plot.add_glyph(sources.positive, strips, level="underlay")
    _zero(plot)
    look = {"color": ORANGE, "width": 6, "alpha": 0.45}
    plot.line("s", "activated", source=sources.curve, **look, legend_label=f"{SIGMA}(f)")
    plot.line("s", "f", source=sources.curve, color=BLUE, width=2, legend_label="f = zᵀp")
    plot.scatter("s", "f", source=sources.mesh, color=DARK, size=3, legend_label="the M points")
    look = {"size": 9, "fill_color": "white", "line_color": DARK, "line_width": 1.5}
    plot.scatter("s", "f", source=sources.roots, **look, legend_label="roots")
    _legend_above(plot)
    plot.title.text = "State function; f > 0 where it is shaded"
    return plot


def _pattern(sources: Sources, x_range: Any) -> Any:
    plot = _plain("s", height=105, x_range=x_range, y_range=models.Range1d(0, 1))
    look = {"bottom": 0.1, "top": 0.9, "line_color": "white", "line_width": 2}
    plot.quad("left", "right", source=sources.pattern, fill_color="color", **look)
    look = {"text_align": "center", "text_baseline": "middle", "text_font_size": "11px", "text_color": DARK}
    plot.text("middle", 0.5, "slope", source=sources.pattern, **look)
    plot.yaxis.visible = plot.grid.visible = False
    plot.title.text = f"Activation pattern: the slope of {SIGMA} on each interval"
    return plot


def _heat_map(sources: Sources, name: str, x: str, y: str) -> Any:
    plot = _plain(x, y, x_range=models.Range1d(0.5, 10.5), y_range=models.Range1d(10.5, 0.5))
    colors = models.LinearColorMapper(
        palette=interp_palette(RdBu11[::-1], 255), low=-1, high=1, nan_color="rgba(0, 0, 0, 0)"
    )
    look = {"fill_color": {"field": f"{name}_shade", "transform": colors}, "line_color": "white", "line_width": 0.5}
    cells = plot.rect("j", "i", 1, 1, source=sources.matrices, **look)
    tips = [("row, column", "@i, @j"), ("value", f"@{name}{{0.000000}}")]
    plot.add_tools(models.HoverTool(renderers=[cells], tooltips=tips))
    plot.grid.visible = False
    _numbered(plot.xaxis)
    _numbered(plot.yaxis)
    return plot


def _over_numbers(x: str, **settings: Any) -> Any:
    plot = _plain(x, x_range=models.Range1d(0.5, 10.5), **settings)
    plot.xgrid.visible = False
    _numbered(plot.xaxis)
    return plot


def _outputs(sources: Sources) -> Any:
    plot = _over_numbers("output i")
    plot.vbar("i", 0.7, "u", source=sources.outputs, color=BLUE, alpha=0.55, legend_label="exact")
    look = {"marker": "dash", "size": 16, "line_width": 2.5, "color": ORANGE}
    plot.scatter("i", "u_mesh", source=sources.outputs, **look, legend_label="M points")
    _zero(plot)
    _legend_above(plot)
    return plot


def _errors(sources: Sources) -> Any:
    plot = _over_numbers("output i", y_axis_type="log", y_range=models.Range1d(1e-6, 1))
    kinds = (("bound", "dash", GREY, 16), ("error", "circle", BLUE, 9), ("leading", "x", ORANGE, 9))
    for name, marker, color, size in kinds:
        look = {"marker": marker, "size": size, "line_width": 2, "color": color}
        label = "leading term" if name == "leading" else name
        plot.scatter("i", name, source=sources.outputs, **look, legend_label=label)
    _legend_above(plot)
    return plot


def _gradient(sources: Sources) -> Any:
    plot = _over_numbers("j")
    plot.vbar("i", 0.7, "gradient", source=sources.outputs, color=GREEN, alpha=0.55)
    _zero(plot)
    return plot


def _line(sources: Sources) -> Any:
    y_range = models.DataRange1d(range_padding=0.12)
    plot = _plain("", x_range=models.DataRange1d(range_padding=0), y_range=y_range)
    for order, dash in ((1, "dotted"), (2, "dashed"), (3, "solid")):
        look = {"color": GREEN, "line_dash": dash, "width": 1.5}
        plot.line("x", f"order{order}", source=sources.line, **look, legend_label=f"order {order}")
    mesh = plot.line("x", "mesh", source=sources.line, color=ORANGE, width=1.5, legend_label="M points")
    exact = plot.line("x", "u", source=sources.line, color=BLUE, width=2, legend_label="exact")
    y_range.renderers = [mesh, exact]
    look = {"size": 8, "fill_color": "white", "line_color": DARK, "line_width": 1.5}
    plot.scatter("x", "u", source=sources.here, **look)
    _legend_above(plot)
    return plot
