"""iatcore.gates: values against plain formulas, sides at breakpoints, infinities, bad input."""

from __future__ import annotations

import inspect
import math
import pickle
from collections.abc import Callable

import numpy as np
import pytest

from iatcore import Gate, gates

EPS = np.finfo(np.float64).eps
GRID = (-1.4, -0.92, -0.56, -0.26, 0.0, 0.26, 0.56, 0.92, 1.4)  # TMAF section 3.1
SLOPES = (1.5, -0.3, 0.2, 0.0, 0.5, 1.0, 2.0, -1.0, 3.0, 0.1)
Formula = Callable[[float], float]


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def step_function(t: float) -> float:
    """TMAF (6), spelled out: slope j on (s_j, s_{j+1}]."""
    for s, slope in zip(GRID, SLOPES, strict=False):
        if t <= s:
            return slope * t
    return SLOPES[-1] * t


# (constructor, the gate, its formula, its value of a(0))
CASES: list[tuple[str, Gate, Formula, float]] = [
    ("relu", gates.relu(), lambda t: max(t, 0.0), 0.0),
    ("leaky_relu", gates.leaky_relu(), lambda t: t if t > 0 else 0.01 * t, 0.01),
    ("leaky_relu", gates.leaky_relu(-0.5), lambda t: t if t > 0 else -0.5 * t, -0.5),
    ("absolute", gates.absolute(), abs, -1.0),
    ("identity", gates.identity(), lambda t: t, 1.0),
    ("arelu", gates.arelu(), lambda t: 0.9 * t if t < 0 else (1 + sigmoid(2)) * t, 1 + sigmoid(2)),
    (
        "arelu",
        gates.arelu(1.7, -3.0),
        lambda t: 0.99 * t if t < 0 else (1 + sigmoid(-3)) * t,
        1 + sigmoid(-3),
    ),
    ("arelu", gates.arelu(-1.0, 0.0), lambda t: 0.01 * t if t < 0 else 1.5 * t, 1.5),
    ("tmaf", gates.tmaf(GRID, SLOPES), step_function, 0.5),
]
EVERY_GATE = pytest.mark.parametrize(("name", "gate", "formula", "at_zero"), CASES)


def test_every_constructor_has_a_case() -> None:
    public = {
        name
        for name, f in inspect.getmembers(gates, inspect.isfunction)
        if f.__module__ == gates.__name__ and not name.startswith("_")
    }
    assert public == {name for name, *_ in CASES}


@EVERY_GATE
def test_values_follow_the_formula(name: str, gate: Gate, formula: Formula, at_zero: float) -> None:
    t = np.concatenate([np.random.default_rng(0).uniform(-2, 2, 500), GRID, [1e-320, -1e-320, 1e300, -1e300]])
    np.testing.assert_allclose(gate(t), [formula(v) for v in t.tolist()], rtol=2 * EPS, atol=0)


@EVERY_GATE
def test_derivative_is_the_slope_of_the_formula(name: str, gate: Gate, formula: Formula, at_zero: float) -> None:
    t = np.random.default_rng(1).uniform(-2, 2, 500)
    np.testing.assert_allclose(gate.derivative(t), [formula(v) / v for v in t.tolist()], rtol=4 * EPS, atol=0)
    assert gate.derivative(0.0) == pytest.approx(at_zero, rel=2 * EPS)
    assert gate.derivative(-0.0) == gate.derivative(0.0)


@EVERY_GATE
def test_infinities_follow_the_outer_slopes_and_nan_stays(
    name: str, gate: Gate, formula: Formula, at_zero: float
) -> None:
    def limit(slope: float, sign: int) -> float:
        return math.copysign(math.inf, slope * sign) if slope else 0.0

    low, high, nan = gate([-np.inf, np.inf, np.nan])
    assert low == limit(gate.slopes[0], -1) and high == limit(gate.slopes[-1], 1) and math.isnan(nan)
    assert np.isnan(gate.derivative(np.nan)) and np.isfinite(gate.derivative([-np.inf, np.inf])).all()


@EVERY_GATE
def test_homogeneity_and_continuity_are_what_values_say(
    name: str, gate: Gate, formula: Formula, at_zero: float
) -> None:
    t = np.random.default_rng(2).uniform(-3, 3, 200)
    assert gate.is_homogeneous == np.array_equal(gate(0.125 * t), 0.125 * gate(t))
    s = np.array(gate.breakpoints)
    jumps = np.abs(gate(np.nextafter(s, np.inf)) - gate(np.nextafter(s, -np.inf))).max(initial=0.0)
    assert gate.is_continuous == (jumps < 1e-12)
    assert len(gate.jumps) == len(s) and np.allclose(np.cumsum(gate.jumps), np.array(gate.slopes[1:]) - gate.slopes[0])


@EVERY_GATE
def test_shapes_types_pickling_equality_and_repr(name: str, gate: Gate, formula: Formula, at_zero: float) -> None:
    assert gate(np.zeros((2, 3), dtype=np.float32)).shape == (2, 3) and gate(1).shape == ()
    assert gate([1, 2]).dtype == np.float64
    copy = pickle.loads(pickle.dumps(gate))
    assert copy == gate and hash(copy) == hash(gate)
    space = {n: getattr(gates, n) for n in ("relu", "leaky_relu", "absolute", "identity", "arelu", "Gate")}
    assert eval(repr(gate), space) == gate


@pytest.mark.parametrize(("side", "at_breakpoints"), [("left", (1.0, 2.0)), ("right", (2.0, 3.0))])
def test_the_side_says_which_slope_holds_at_a_breakpoint(side: str, at_breakpoints: tuple[float, float]) -> None:
    gate = Gate((-0.5, 0.25), (1.0, 2.0, 3.0), side=side)
    assert tuple(gate.derivative([-0.5, 0.25])) == at_breakpoints
    assert tuple(gate([-0.5, 0.25])) == (-0.5 * at_breakpoints[0], 0.25 * at_breakpoints[1])
    around = np.nextafter([-0.5, -0.5, 0.25, 0.25], [-1, 1, -1, 1])
    assert tuple(gate.derivative(around)) == (1.0, 2.0, 2.0, 3.0)


def test_a_zero_slope_gives_plus_zero_everywhere() -> None:
    values = gates.relu()([-np.inf, -1.0, -0.0, 0.0])
    assert np.array_equal(values, np.zeros(4)) and not np.signbit(values).any()


def test_a_breakpoint_without_a_jump_breaks_neither_property() -> None:
    assert Gate((0.5,), (2.0, 2.0)).is_continuous
    assert not Gate((0.5,), (2.0, 3.0)).is_continuous
    assert Gate((0.0,), (2.0, 3.0)).is_continuous and Gate((0.0,), (2.0, 3.0)).is_homogeneous


def test_arelu_at_extreme_beta_does_not_overflow() -> None:
    assert gates.arelu(0.5, 1e4).slopes == (0.5, 2.0)
    assert gates.arelu(0.5, -1e4).slopes == (0.5, 1.0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: Gate((0.0,), (1.0,)),
            ValueError,
            r"slopes must have len\(breakpoints\) \+ 1 = 2 entries, got 1",
        ),
        (
            lambda: Gate((1.0, 0.0), (1.0, 2.0, 3.0)),
            ValueError,
            r"breakpoints must ascend strictly, got \(1.0, 0.0\)",
        ),
        (
            lambda: Gate((0.0, 0.0), (1.0, 2.0, 3.0)),
            ValueError,
            r"breakpoints must ascend strictly, got \(0.0, 0.0\)",
        ),
        (lambda: Gate((np.nan,), (1.0, 2.0)), ValueError, r"breakpoints must be finite, got \(nan,\)"),
        (lambda: Gate((0.0,), (1.0, np.inf)), ValueError, r"slopes must be finite, got \(1.0, inf\)"),
        (
            lambda: Gate(0.0, (1.0, 2.0)),
            TypeError,
            r"breakpoints must be a sequence of real numbers, got 0.0",
        ),
        (
            lambda: Gate(("a",), (1.0, 2.0)),
            TypeError,
            r"breakpoints must be a sequence of real numbers, got \('a',\)",
        ),
        (
            lambda: Gate((0.0,), (1.0, 2j)),
            TypeError,
            r"slopes must be a sequence of real numbers, got \(1.0, 2j\)",
        ),
        (
            lambda: Gate((0.0,), (1.0, 2.0), side="both"),
            ValueError,
            r"side must be 'left' or 'right', got 'both'",
        ),
        (lambda: gates.arelu(alpha=np.nan), ValueError, r"alpha must be finite, got nan"),
        (lambda: gates.arelu(beta=np.inf), ValueError, r"beta must be finite, got inf"),
        (lambda: gates.leaky_relu(np.nan), ValueError, r"slopes must be finite, got \(nan, 1.0\)"),
        (lambda: gates.tmaf([0.0, 1.0], [1.0, 2.0]), ValueError, r"= 3 entries, got 2"),
    ],
)
def test_bad_arguments_are_named(call: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
