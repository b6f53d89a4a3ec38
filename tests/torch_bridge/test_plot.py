"""Pictures show the numbers of the objects that they are pictures of."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest
import scipy.sparse
import torch
from torch import nn

import iatcore
import torch_bridge as tb
from iatcore import operators
from torch_bridge import plot

pyplot = pytest.importorskip("matplotlib.pyplot")

RNG = np.random.default_rng(0)
STEPS = iatcore.Gate((-0.5, 0.0, 1.0), (-0.5, 0.0, 0.5, 2.0))
STATE = RNG.normal(size=7)
PATH = np.linspace(-1, 1, 41)[:, None] * RNG.normal(size=7) + RNG.normal(size=7)


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    pyplot.close("all")


def transform(p="fourier", q="pwq", gate=None, d=7):
    return iatcore.IAT(iatcore.basis(p, d), iatcore.basis(q, d), gate)


def labelled(ax, label):
    return [line for line in ax.get_lines() if line.get_label() == label]


def points(line):
    """Coordinates without gaps, (n, 2)."""
    xy = line.get_xydata()
    return xy[np.isfinite(xy).all(axis=1)]


def polygons(ax):
    """Corners and values of shaded sets."""
    (drawn,) = ax.collections
    return [path.vertices for path in drawn.get_paths()], drawn.get_array()


def at(polygon, x):
    """The vertical extent of a polygon above x; None if there is none."""
    corners = polygon[:-1] if np.array_equal(polygon[0], polygon[-1]) else polygon
    lower, upper = corners[: len(corners) // 2], corners[len(corners) // 2 :][::-1]
    if not lower[0, 0] <= x <= lower[-1, 0]:
        return None
    return np.interp(x, *lower.T), np.interp(x, *upper.T)


def covered(ax, x):
    """The intervals above x of all polygons, ascending, (k, 2)."""
    found = [at(polygon, x) for polygon in polygons(ax)[0]]
    return np.array(sorted(ends for ends in found if ends)).reshape(-1, 2)


# -- Axes ----------------------------------------------------------------------------------------------------


CALLS = {
    "basis": lambda ax: plot.basis("pwl", 3, ax=ax),
    "state_function": lambda ax: plot.state_function(transform(), STATE, ax=ax),
    "pattern": lambda ax: plot.pattern(transform(), PATH, ax=ax),
    "pattern_2d": lambda ax: plot.pattern_2d(transform(d=2), lambda x: x, points=2, ax=ax),
    "activation_matrix": lambda ax: plot.activation_matrix(np.eye(2), ax=ax),
    "activation": lambda ax: plot.activation(nn.Tanh(), ax=ax),
    "step_functions": lambda ax: plot.step_functions(STEPS, ax=ax),
    "convergence": lambda ax: plot.convergence([1, 2], [1, 2], ax=ax),
}


@pytest.mark.parametrize("name", CALLS)
def test_axes_are_used_or_made(name):
    figure, ax = pyplot.subplots()
    assert CALLS[name](ax) is ax
    made = CALLS[name](None)
    assert made.figure is not figure and made.figure.number in pyplot.get_fignums()
    made.figure.canvas.draw()
    with pytest.raises(TypeError, match="ax must be matplotlib Axes or None, got list"):
        CALLS[name]([ax])


def test_every_picture_is_tried():
    assert {*CALLS, "mesh_errors", "record_inputs"} == set(plot.__all__)


def test_import_needs_no_matplotlib(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("torch_bridge.plot")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(tb, "plot", plot)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    fresh = importlib.import_module("torch_bridge.plot")
    assert fresh is not plot
    with pytest.raises(ImportError):
        fresh.basis("pwl", 3)


# -- bases and states ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", [*iatcore.bases.FAMILIES])
def test_basis_lines_are_its_values(family):
    b = iatcore.basis(family, 4)
    ax = plot.basis(b)
    np.testing.assert_array_equal(labelled(ax, "_breakpoints")[0].get_xdata(), b.breakpoints)
    for j in range(4):
        (line,) = labelled(ax, f"$p_{{{j + 1}}}$")
        s, values = points(line).T
        inside = ~np.isin(s, b.breakpoints)
        np.testing.assert_allclose(values[inside], b(s[inside])[j], atol=1e-14)
        middle = (b.breakpoints[1:] + b.breakpoints[:-1]) / 2
        shown = [np.any((s[:-1] <= m) & (m <= s[1:]) & (np.diff(s) > 0)) for m in middle]
        assert all(drawn for drawn, value in zip(shown, b(middle)[j], strict=True) if abs(value) > 1e-12)


def test_jumps_are_dotted_gaps():
    ax = plot.basis("rect", 2)
    (first,) = labelled(ax, "$p_{1}$")
    assert points(first).tolist() == [[-1, 1], [0, 1]]
    assert [points(jump).tolist() for jump in labelled(ax, "_jumps")] == [[[0, 1], [0, 0]], [[0, 0], [0, 1]]]
    assert not labelled(plot.basis("pwq", 4), "_jumps")


@pytest.mark.parametrize("gate", [None, STEPS, iatcore.gates.absolute()], ids=["relu", "steps", "absolute"])
@pytest.mark.parametrize("p", ["fourier", "pwl", "rect-w"])
def test_state_function_shows_its_pattern(p, gate):
    iat = transform(p, gate=gate)
    ax = plot.state_function(iat, STATE)
    found = iat.pattern(STATE)
    spans = [[span.get_x(), span.get_x() + span.get_width()] for span in ax.patches]
    np.testing.assert_allclose(spans, found.intervals(0), atol=1e-15)
    assert len({span.get_facecolor() for span in ax.patches}) == len(set(found.slopes(0)))
    crossings = [xy for line in labelled(ax, "crossings") for xy in points(line)]
    np.testing.assert_array_equal([s for s, _ in crossings], found.positions(0))
    (curve,) = labelled(ax, "$f(s)$")
    s, f = points(curve).T
    inside = ~np.isin(s, iat.p.breakpoints)
    np.testing.assert_allclose(f[inside], STATE @ iat.p(s[inside]), atol=1e-13)
    if crossings:
        s, level = np.transpose(crossings)
        np.testing.assert_allclose(STATE @ iat.p(s), level, atol=1e-12)
    assert len(ax.figure.axes) == 1 + (len({t for t in iat.gate.slopes if t}) > 1)


def test_state_on_a_mesh_is_steps():
    mesh = transform().discretize(5)
    ax = plot.state_function(mesh, STATE)
    (curve,) = labelled(ax, "$f(s)$")
    np.testing.assert_allclose(points(curve)[::2, 1], STATE @ mesh.p_values)
    edges = np.array([[-1 + 2 * k / 5, -1 + 2 * (k + 1) / 5] for k in np.flatnonzero(STATE @ mesh.p_values > 0)])
    shaded = np.concatenate([np.linspace(p.get_x(), p.get_x() + p.get_width(), 100) for p in ax.patches])
    assert all(((edges[:, :1] - 1e-9 <= s) & (s <= edges[:, 1:] + 1e-9)).any() for s in shaded)
    assert sum(p.get_width() for p in ax.patches) == pytest.approx(0.4 * len(edges))


def test_trained_modules_show_what_they_compute():
    module = tb.TrainableIAT(4, 4, "pwl", "pwq", gate="leaky_relu", trainable=("input", "slopes"), dtype=torch.float64)
    with torch.no_grad():
        module.input_coefficients.normal_(generator=torch.Generator().manual_seed(1))
        module.slopes.copy_(torch.tensor([0.0, 3.0]))
    ax = plot.state_function(module, torch.from_numpy(STATE[:4]))
    coefficients = module.input_coefficients.detach().numpy()
    s, f = points(labelled(ax, "$f(s)$")[0]).T
    np.testing.assert_allclose(f, STATE[:4] @ (coefficients @ iatcore.basis("pwl", 4)(s)), atol=1e-12)
    assert points(plot.step_functions(module).get_lines()[0])[:, 1].tolist() == [0, 0, 3, 3]


# -- patterns ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", ["fourier", "pwl", "rect"])
@pytest.mark.parametrize("gate", [None, STEPS], ids=["relu", "steps"])
def test_pattern_edges_are_exact_at_the_given_points(p, gate):
    iat, x = transform(p, gate=gate), np.linspace(2, 3, len(PATH))
    ax = plot.pattern(iat, PATH, x)
    found = iat.pattern(PATH)
    for k, place in enumerate(x):
        np.testing.assert_allclose(covered(ax, place), found.intervals(k), atol=1e-12)
    assert set(polygons(ax)[1]) == {t for t in iat.gate.slopes if t}
    assert ax.get_xlim() == (2, 3)
    assert len(ax.figure.axes) == 1 + (gate is not None)
    assert len(plot.pattern(iat, PATH, colorbar=False).figure.axes) == 1


def test_pattern_area_is_the_measure():
    x = np.linspace(0, 1, len(PATH))
    for iat in (transform("rect"), transform().discretize(9)):
        corners = [np.concatenate([v, v[:1]]) for v in polygons(plot.pattern(iat, PATH, x))[0]]
        area = sum(abs(np.sum(v[:-1, 0] * v[1:, 1] - v[1:, 0] * v[:-1, 1])) / 2 for v in corners)
        values = PATH @ (iat.p_values if hasattr(iat, "p_values") else np.eye(7))
        weights = np.diff(np.concatenate([x[:1], (x[1:] + x[:-1]) / 2, x[-1:]]))
        assert area == pytest.approx(weights @ (values > 0).sum(axis=1) * 2 / values.shape[1])


def test_pattern_goes_on_where_it_can_and_skips_what_is_not_finite():
    iat = iatcore.IATReLU(iatcore.basis("pwl", 2), iatcore.basis("pwl", 2))
    z = np.array([[-1.0, 1.0], [-1.0, 2.0], [-1.0, 4.0], [np.nan, 1.0], [-1.0, 1.0], [1.0, -1.0]])
    shapes = polygons(plot.pattern(iat, z))[0]
    assert [(v[:, 0].min(), v[:, 0].max()) for v in shapes] == [(0, 2.5), (3.5, 4.5), (4.5, 5)]
    assert not polygons(plot.pattern(iat, -np.ones((3, 2))))[0]


def test_states_come_from_networks_and_functions():
    torch.manual_seed(0)
    layer = tb.IATReLU(7, 7, "pwl")
    network = nn.Sequential(nn.Linear(1, 7), nn.Linear(7, 7), layer, nn.Linear(7, 1))
    x = np.linspace(-1, 1, 20)
    with torch.no_grad():
        z = network[:2](torch.from_numpy(x).float()[:, None])
    expected = [layer.transform.core.pattern(z.numpy().astype(float)).intervals(k) for k in range(20)]
    for state in (network, network[:2], lambda x: network[:2](torch.from_numpy(x).float()), z):
        ax = plot.pattern(layer, state, x)
        for k, place in enumerate(x):
            np.testing.assert_allclose(covered(ax, place), expected[k], atol=1e-12)
    assert not layer._forward_pre_hooks


def test_the_pattern_of_a_decoupled_layer_is_that_of_its_source():
    class Decoupled(nn.Module):
        def __init__(self):
            super().__init__()
            self.values, self.source, self.layer = nn.Linear(1, 5), nn.Linear(1, 5), tb.IATReLU(5, 5, "pwl")

        def forward(self, x):
            return self.layer(self.values(x), pattern_from=self.source(x))

    network, x = Decoupled(), np.linspace(-1, 1, 9)
    pictures = [plot.pattern(network.layer, state, x) for state in (network, network.source)]
    for place in x:
        np.testing.assert_array_equal(*(covered(ax, place) for ax in pictures))


@pytest.mark.parametrize("mesh", [None, 4])
def test_planes_are_measures_numbers_and_regions(mesh):
    iat = transform("pwl", d=3)
    iat = iat if mesh is None else iat.discretize(mesh)
    weights = RNG.normal(size=(2, 3))
    extent, n = (0.0, 2.0, -1.0, 1.0), 6
    x, y = np.meshgrid((np.arange(n) + 0.5) / n * 2, (np.arange(n) + 0.5) / n * 2 - 1)
    z = np.stack([x, y], axis=-1) @ weights
    drawn = {q: plot.pattern_2d(iat, lambda x: x @ weights, q, extent, n) for q in ("measure", "intervals", "regions")}
    images = {q: np.asarray(ax.images[0].get_array()) for q, ax in drawn.items()}
    assert all(tuple(ax.images[0].get_extent()) == extent for ax in drawn.values())
    if mesh is None:
        np.testing.assert_array_equal(images["measure"], iat.pattern(z).measure())
        np.testing.assert_array_equal(images["intervals"], iat.pattern(z).number_of_intervals())
        # the state is linear between three nodes
        signs = z > 0
    else:
        signs = z @ iat.p_values > 0
        np.testing.assert_allclose(images["measure"], 2 / mesh * signs.sum(axis=-1))
        starts = np.diff(np.pad(signs, ((0, 0), (0, 0), (1, 1))).astype(int), axis=-1) > 0
        np.testing.assert_array_equal(images["intervals"], starts.sum(axis=-1))
    borders = drawn["regions"].collections[0].get_segments()
    across = (signs[:, 1:] != signs[:, :-1]).any(axis=-1).sum() + (signs[1:] != signs[:-1]).any(axis=-1).sum()
    assert len(borders) == across


def test_planes_leave_out_what_is_not_finite():
    iat = transform("pwl", d=2)
    for quantity in ("measure", "intervals", "regions"):
        ax = plot.pattern_2d(iat, lambda x: np.where(x[:, :1] < 0, np.nan, 1 + x), quantity, points=2)
        image = np.ma.filled(np.ma.masked_invalid(ax.images[0].get_array()).astype(float), np.nan)
        np.testing.assert_array_equal(np.isnan(image), [[True, False], [True, False]])
        ax.figure.canvas.draw()
        nowhere = plot.pattern_2d(iat, lambda x: x * np.nan, quantity, points=2)
        assert np.ma.masked_invalid(nowhere.images[0].get_array()).count() == 0


# -- matrices ------------------------------------------------------------------------------------------------


def shown(ax):
    return np.asarray(ax.images[0].get_array())


def test_heat_map_of_a_matrix():
    S = np.array([[1.0, -3.0, 0.0], [0.0, 2.0, 0.5]])
    for source in (S, torch.from_numpy(S), scipy.sparse.csr_array(S), S.tolist()):
        ax = plot.activation_matrix(source)
        np.testing.assert_array_equal(shown(ax), S)
        assert ax.images[0].get_clim() == (-3, 3)
    assert len(plot.activation_matrix(np.zeros((2, 2)), colorbar=False).figure.axes) == 1


def test_heat_map_of_transforms_and_operators():
    iat = transform("pwl")
    for source in (iat, iat.discretize(20), transform(gate=STEPS)):
        np.testing.assert_allclose(shown(plot.activation_matrix(source, STATE)), source.activation_matrix(STATE))
    for source in (operators.TMAF(bands=(-1, 0, 1)), operators.AReLU()):
        np.testing.assert_array_equal(shown(plot.activation_matrix(source, STATE)), source.matrix(STATE))


@pytest.mark.parametrize("dim", [-1, 0, 1, 2, -2, -3])
def test_heat_map_of_modules(dim):
    z = torch.from_numpy(STATE)
    core = transform()
    module = tb.IATReLU(7, 7, dim=dim, scale=None)
    np.testing.assert_allclose(shown(plot.activation_matrix(module, z)), core.activation_matrix(STATE), atol=1e-14)
    trained = tb.TrainableIAT(7, 5, "pwl", dim=dim, trainable=("input", "output"), dtype=torch.float64)
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(2))
    S = shown(plot.activation_matrix(trained, z))
    rank = max(2, -dim, dim + 1)
    x = z.reshape([-1 if k == dim % rank else 1 for k in range(rank)])
    np.testing.assert_allclose(S @ STATE, trained(x).detach().flatten(), atol=1e-12)


@pytest.mark.parametrize("dim", [-1, 1, 0, -3])
def test_heat_map_of_a_banded_tmaf(dim):
    module = tb.TMAF(bands=(-1, 0, 2), dim=dim)
    with torch.no_grad():
        for v in module.values:
            v.normal_(generator=torch.Generator().manual_seed(0))
    flat = tb.TMAF(bands=(-1, 0, 2))
    flat.load_state_dict(module.state_dict())
    z = torch.from_numpy(STATE).float()
    np.testing.assert_array_equal(shown(plot.activation_matrix(module, z)), flat.matrix(z).numpy())
    rescaled = tb.RescaledTMAF(bands=(0, 1))
    S = shown(plot.activation_matrix(rescaled, z.double()))
    np.testing.assert_allclose(S @ STATE, rescaled(torch.from_numpy(STATE)).detach(), rtol=1e-6)


# -- step functions and orders -------------------------------------------------------------------------------


def test_step_functions_are_the_values():
    ax = plot.step_functions(STEPS, interval=(-2, 3), label="gate", color="red")
    line = ax.get_lines()[0]
    assert points(line).tolist() == [
        [-2, -0.5], [-0.5, -0.5], [-0.5, 0], [0, 0], [0, 0.5], [1, 0.5], [1, 2], [3, 2],
    ]  # fmt: skip
    assert line.get_color() == "red" and ax.get_legend().get_texts()[0].get_text() == "gate"
    inside = plot.step_functions(STEPS, interval=(0.25, 0.5)).get_lines()[0]
    assert points(inside).tolist() == [[0.25, 0.5], [0.5, 0.5]]
    arelu = tb.AReLU(alpha=0.3, beta=0.0)
    np.testing.assert_allclose(points(plot.step_functions(arelu).get_lines()[0])[::2, 1], [0.3, 1.5], rtol=1e-6)
    assert points(plot.step_functions(iatcore.gates.identity()).get_lines()[0]).tolist() == [[-1, 1], [1, 1]]


def test_step_functions_of_tmaf_have_a_name_a_diagonal():
    module = tb.TMAF(grid={0: (0.0,), 1: (-1.0, 1.0)}, bands=(0, 1), sharing="channel", num_features=12)
    with torch.no_grad():
        for v in module.values:
            v.normal_(generator=torch.Generator().manual_seed(0))
    ax = plot.step_functions(module)
    main, above = (labelled(ax, name)[0] for name in ("main diagonal", "diagonal +1"))
    np.testing.assert_array_equal(points(main)[::2, 1], module.values[0][0].tolist())
    np.testing.assert_array_equal(points(above)[::2, 1], module.values[1][0].tolist())
    assert len(labelled(ax, "_same")) == 14
    sparse = tb.TMAF(pattern=np.tri(3))
    assert len(labelled(plot.step_functions(sparse), "_same")) == len(sparse.values[0]) - 1


def test_convergence_fits_the_order():
    meshes = np.array([10, 20, 40])
    ax = plot.convergence(meshes, 5 / meshes**1.5, label="a", marker="s")
    plot.convergence(meshes, [3.0, 3.0, 3.0], ax=ax)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a: order 1.50", "order 0.00"]
    np.testing.assert_allclose(points(ax.get_lines()[0]), np.stack([meshes, 5 / meshes**1.5], axis=1))
    np.testing.assert_allclose(points(ax.get_lines()[1]), [[10, 5 / 10**1.5], [40, 5 / 40**1.5]])
    assert ax.get_xscale() == ax.get_yscale() == "log"
    assert ax.get_lines()[0].get_marker() == "s"


def test_mesh_errors_are_root_mean_squares():
    iat, z = transform("pwl"), RNG.normal(size=(2, 3, 7))
    errors = plot.mesh_errors(iat, z, [50, 101, 200])
    for error, mesh in zip(errors, (50, 101, 200), strict=True):
        difference = (iat.discretize(mesh)(z) - iat(z)).reshape(6, 7)
        assert error == pytest.approx(np.linalg.norm(difference) / np.sqrt(6))
    np.testing.assert_array_equal(plot.mesh_errors(iat, torch.from_numpy(z), [50]), errors[:1])


# -- bad input -----------------------------------------------------------------------------------------------


NETWORK = nn.Sequential(nn.Linear(1, 7), tb.IATReLU(7, 7))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: plot.basis("cubic", 3), ValueError, "family must be"),
        (lambda: plot.state_function(nn.ReLU(), STATE), TypeError, "transform must be an IAT .* got ReLU"),
        (lambda: plot.state_function(transform(), PATH), ValueError, "z must be one finite state"),
        (lambda: plot.state_function(transform(), STATE * np.nan), ValueError, "z must be one finite state"),
        (lambda: plot.state_function(transform(), STATE[:3]), ValueError, "z must have last dimension 7"),
        (
            lambda: plot.state_function(tb.IAT(7, 7, activation=torch.tanh), STATE),
            ValueError,
            "transform must have a step gate",
        ),
        (
            lambda: plot.state_function(iatcore.DiscreteIAT(transform().p, transform().q, 3, np.tanh), STATE),
            ValueError,
            "transform must have a step gate",
        ),
        (
            lambda: plot.state_function(tb.TrainableIAT(7, 7, trainable="input_frequencies"), STATE),
            ValueError,
            "must have fixed input frequencies",
        ),
        (lambda: plot.pattern(transform(), STATE), ValueError, r"state must have shape \(n, d_in\)"),
        (lambda: plot.pattern(transform(), PATH, [0, 1]), ValueError, "x must have one entry for each of 41"),
        (lambda: plot.pattern(transform(), PATH[:2], [1, 0]), ValueError, "x must have shape .* ascend"),
        (lambda: plot.pattern(transform(), PATH[:2], [0, np.nan]), ValueError, "x must have shape .* ascend"),
        (lambda: plot.pattern(transform(), np.sin), ValueError, "x must be given"),
        (lambda: plot.pattern(transform(), np.ravel, [0, 1]), ValueError, r"state must give shape \(2, d_in\)"),
        (lambda: plot.pattern(NETWORK[1], nn.Sequential(*NETWORK, NETWORK[1]), [0, 1]), ValueError, "got 2 calls"),
        (lambda: plot.pattern_2d(transform(d=2), PATH), TypeError, "state must be a function, .* got ndarray"),
        (lambda: plot.pattern_2d(transform(d=2), np.sin, "area"), ValueError, "quantity must be one of measure, "),
        (lambda: plot.pattern_2d(transform(d=2), np.sin, points=1), ValueError, "points must be at least 2, got 1"),
        (lambda: plot.pattern_2d(transform(d=2), np.sin, extent=(0, 0, 0, 1)), ValueError, "extent must be left <"),
        (lambda: plot.activation_matrix(transform()), TypeError, "z must be given with IAT"),
        (lambda: plot.activation_matrix(np.eye(2), STATE), TypeError, "z goes with an activation"),
        (lambda: plot.activation_matrix(nn.ReLU(), STATE), TypeError, "matrix must be .* got ReLU"),
        (lambda: plot.activation_matrix(transform(), PATH), ValueError, r"z must have shape \(d_in,\), got \(41, 7\)"),
        (lambda: plot.activation_matrix(tb.TMAF(), torch.ones(0)), ValueError, "z must have entries"),
        (lambda: plot.activation_matrix(np.full((2, 2), np.inf)), ValueError, "matrix must be one matrix of finite"),
        (lambda: plot.activation_matrix(STATE), ValueError, r"matrix must be one matrix .* got shape \(7,\)"),
        (lambda: plot.activation(torch.tanh), TypeError, r"module must be an nn\.Module"),
        (lambda: plot.activation(nn.Tanh(), interval=(1, 1)), ValueError, "interval must be two ascending"),
        (lambda: plot.step_functions(nn.ReLU()), TypeError, "source must be a Gate"),
        (lambda: plot.step_functions(STEPS, interval=(1, 0)), ValueError, "interval must be two ascending"),
        (lambda: plot.step_functions(tb.IAT(3, 3, activation=torch.tanh)), ValueError, "source must have a step"),
        (lambda: plot.convergence([1, 2], [1, 0]), ValueError, "errors must be positive and finite, got 0"),
        (lambda: plot.convergence([1, 2, 3], [1, 1]), ValueError, "errors must be one for each of"),
        (lambda: plot.convergence([3, 3], [1, 1]), ValueError, "at least two meshes"),
        (lambda: plot.convergence([[1, 2]], [1, 1]), ValueError, r"meshes must have shape \(n,\)"),
        (lambda: plot.mesh_errors(tb.IATReLU(2, 2), STATE, [3]), TypeError, r"iat must be an iatcore\.IAT"),
        (lambda: plot.mesh_errors(transform(), STATE * np.nan, [3]), ValueError, "z must hold finite states"),
    ],
)
def test_bad_input_is_named(call, error, text):
    with pytest.raises(error, match=text):
        call()
    assert not pyplot.get_fignums()
