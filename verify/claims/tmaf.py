"""Claims of the TMAF paper: step functions as entries of an activation matrix."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import sympy
from flint import arb
from sympy import Max, Min, Piecewise, Rational

from iatcore import gates, smooth_functions
from iatcore.grids import grid
from iatcore.operators import TMAF, Rescaled

from ..ledger import Proof, Verdict, claim
from ..symbols import rational, reals

c: Any = sympy.Symbol("c", positive=True)
h: Any = sympy.Symbol("h", positive=True)
x, y, z, g = reals("x y z g")


def step(points: Sequence[Any], values: Sequence[Any], at: Any) -> Any:
    """TMAF (6): ``values[j]`` on ``(points[j-1], points[j]]``."""
    pieces = [(v, at <= p) for p, v in zip(points, values, strict=False)]
    return Piecewise(*pieces, (values[-1], True)) if pieces else values[-1]


def sigma(points: Sequence[Any], values: Sequence[Any], at: Any) -> Any:
    """The scalar function ``a(s) s`` of a step function a."""
    return step(points, values, at) * at


def probe() -> TMAF:
    """A tri-diagonal TMAF of size 5 on breakpoints -1, 0, 1/2 with different dyadic step values everywhere."""
    op = TMAF((-1.0, 0.0, 0.5), bands=(-1, 0, 1), sharing="neuron", num_features=5)
    op.values = [np.arange(20.0).reshape(5, 4) / 8 + k for k in range(3)]
    return op


PROBES = np.array([p for p in itertools.product((-1.5, -0.25, 0.25, 2.0), repeat=5)])
"""Every combination of intervals of :func:`probe`."""


@claim("TMAF-1", "section 1", "Arbitrary activations come within reach: a diagonal TMAF with enough intervals is as "
       "close as wanted to any continuous scalar activation, uniformly on [-1, 1].", Verdict.REFUTED)  # fmt: skip
def arbitrary(proof: Proof) -> None:
    values = sympy.symbols("t0:4", real=True)
    for points in ([-2, -1, 1], [-1, 0, 1], [0, h, 2 * h]):
        zero = sigma(points, values, sympy.Integer(0))
        proof.equal(zero, 0, f"a(0) 0 = 0 for any step values, on breakpoints {points} as on all others")
    proof.note("softplus(s) = log(1 + exp(s)) is a continuous activation that the introduction names")
    proof.refute(sympy.log(1 + sympy.exp(0)) > Rational(1, 2), "softplus(0) = log 2: the error at 0 is always log 2")


@claim("TMAF-4", "(4)", "A layer of ReLU is D(y) y with a diagonal matrix D(y) whose entries are 0 or 1; the entry "
       "is unique for y_i != 0.")  # fmt: skip
def relu_matrix(proof: Proof) -> None:
    for at, entry, where in ((-c, 0, "y < 0"), (sympy.Integer(0), 0, "y = 0"), (c, 1, "y > 0")):
        proof.equal(step([0], [0, 1], at), entry, f"{where}: the entry is {entry}")
        proof.equal(entry * at, Max(at, 0), f"{where}: entry times y is max(y, 0)")
    d = sympy.Symbol("d")
    for at in (-c, c):
        found = sympy.solve(sympy.Eq(d * at, Max(at, 0)), d)
        proof.holds(len(found) == 1, f"d y = max(y, 0) has one solution d for y = {at}")


@claim("TMAF-4b", "(2), (4)", "The recurrence (4) with the matrices of ReLU is the network (2), with max(., 0) the "
       "composition of affine maps and ReLU.")  # fmt: skip
def recurrence(proof: Proof) -> None:
    proof.note(
        "two layers of width 2; eta_1 takes every pair of signs, with symbols for its entries; deeper by induction"
    )
    w, b = sympy.Matrix(2, 2, reals("w1:5")), sympy.Matrix(reals("b1:3"))
    for eta in itertools.product((-c, sympy.Integer(0), c), (-h, sympy.Integer(0), h)):
        v = sympy.Matrix(eta)
        d = sympy.diag(*(step([0], [0, 1], e) for e in eta))
        proof.equal(w * (d * v) + b, w * v.applyfunc(lambda e: Max(e, 0)) + b, f"eta_1 = {eta}: (4) is (2)")


@claim("TMAF-5", "(5)", "(D(g(x)) g(x))_i = a(g_i(x)) g_i(x): a diagonal activation matrix acts as one scalar "
       "function on every component.")  # fmt: skip
def diagonal_form(proof: Proof) -> None:
    a: Any = sympy.Function("a")
    v = sympy.Matrix(sympy.symbols("y1:5", real=True))
    matrix = sympy.diag(*(a(e) for e in v))
    proof.equal(matrix * v, sympy.Matrix([a(e) * e for e in v]), "diag(a(y_1), ..., a(y_4)) y for a function a")
    op, points = TMAF((-1.0, 0.5), init=(0.5, 2.0, -1.0)), np.array([-2.0, -1.0, 0.25, 0.5, 3.0])
    same = op.apply(points).tolist() == op.gate()(points).tolist() == (op.matrix(points) @ points).tolist()
    proof.holds(same, "the core: apply, the scalar gate and matrix(z) z agree exactly, at breakpoints too")


@claim("TMAF-6a", "(6)", "One breakpoint 0 with step values 0 and 1 gives ReLU.")
def reduces_to_relu(proof: Proof) -> None:
    for at in (-c, sympy.Integer(0), c):
        proof.equal(sigma([0], [0, 1], at), Max(at, 0), f"a(s) s = max(s, 0) for s = {at}, c > 0")
    same = gates.tmaf((0.0,), (0.0, 1.0)) == gates.Gate((0.0,), gates.relu().slopes)
    proof.holds(same and gates.relu().side == "left", "the core's ReLU is this step function")


@claim("TMAF-6b", "(6)", "One breakpoint 0 with step values t > 0 and 1 gives leaky ReLU: max(s, 0) + t min(s, 0); "
       "this is max(s, t s) exactly for t <= 1.")  # fmt: skip
def reduces_to_leaky_relu(proof: Proof) -> None:
    t: Any = sympy.Symbol("t", positive=True)
    for at in (-c, sympy.Integer(0), c):
        proof.equal(sigma([0], [t, 1], at), Max(at, 0) + t * Min(at, 0), f"for s = {at}, c > 0")
    proof.equal(-t * c - (-c), (1 - t) * c, "s = -c: t s - s = (1 - t) c, so max(s, t s) = t s if and only if t <= 1")
    proof.equal(c - t * c, (1 - t) * c, "s = c: s - t s = (1 - t) c, so max(s, t s) = s if and only if t <= 1")
    same = gates.tmaf((0.0,), (0.25, 1.0)) == gates.Gate((0.0,), gates.leaky_relu(0.25).slopes)
    proof.holds(same, "the core's leaky ReLU is this step function")


@claim("TMAF-6c", "(6)", "Breakpoints 0, 1 with step values 0, 1, 0 give a discontinuous function.")
def third_example(proof: Proof) -> None:
    points, values = [0, 1], [0, 1, 0]
    proof.equal(sigma(points, values, sympy.Integer(1)), 1, "a(1) 1 = 1")
    proof.equal(sigma(points, values, 1 + c), 0, "a(1 + c)(1 + c) = 0 for every c > 0: the limit from the right is 0")
    proof.equal(sigma(points, values, -c), 0, "a(-c)(-c) = 0")
    proof.equal(sympy.limit(sigma(points, values, c / (1 + c)), c, 0), 0, "continuous at 0: the jump is at 1 alone")
    proof.holds(not gates.tmaf((0.0, 1.0), (0.0, 1.0, 0.0)).is_continuous, "the core says so too")


@claim("TMAF-6e", "(6), 3.3", "The intervals, too, can be adjusted in training by gradients: the output depends on the "
       "breakpoints with a derivative that is not 0 almost everywhere.", Verdict.REFUTED)  # fmt: skip
def grid_gradient(proof: Proof) -> None:
    p, low, high = reals("p low high")
    for at, side in ((p - c, "s < p"), (p + c, "s > p")):
        value = sigma([p], [low, high], at)
        slope = sympy.diff(value, low), sympy.diff(value, high)
        proof.holds(
            slope == ((at, 0) if side == "s < p" else (0, at)), f"{side}: a step value has the derivative s or 0"
        )
    off = [sigma([p + e], [low, high], x).subs(x, p - c) for e in (-c / 2, c / 2)]
    other = [sigma([p + e], [low, high], x).subs(x, p + c) for e in (-c / 2, c / 2)]
    same = off[0] == off[1] == low * (p - c) and other[0] == other[1] == high * (p + c)
    proof.refute(same, "s = p - c or p + c: moving the breakpoint p by up to c/2 changes nothing, so the derivative "
                 "by p is 0 at every s != p")  # fmt: skip
    proof.note("in function space it is not 0: the integral of q f over a level set depends on the level smoothly")


@claim("TMAF-7a", "(7)", "The operator T, (T g)(x) = D(g(x)) g(x), maps continuous functions to continuous functions "
       "for every choice of step values.", Verdict.REFUTED)  # fmt: skip
def maps_to_continuous(proof: Proof) -> None:
    proof.note("d = n = 1, g(x) = x, which is continuous; D of the third example: breakpoints 0, 1, values 0, 1, 0")
    left, right = sigma([0, 1], [0, 1, 0], 1 - h / (1 + h)), sigma([0, 1], [0, 1, 0], 1 + h)
    proof.equal(sympy.limit(left, h, 0, "+"), 1, "(T g)(x) -> 1 for x -> 1 from below")
    proof.equal(right, 0, "(T g)(1 + h) = 0 for h > 0")
    proof.refute(sympy.limit(left - right, h, 0, "+") == 1, "g(x) = x: T g jumps by 1 at x = 1")


@claim("TMAF-7b", "(7)", "Row i of the tri-diagonal form is gamma(g_{i-1}) g_{i-1} + alpha(g_i) g_i + beta(g_{i+1}) "
       "g_{i+1}: an entry is evaluated at the component of its column.")  # fmt: skip
def tridiagonal_rows(proof: Proof) -> None:
    alpha, beta, gamma = (sympy.Function(name) for name in ("alpha", "beta", "gamma"))
    v: Any = sympy.symbols("g1:6", real=True)
    band: dict[int, Any] = {0: alpha, 1: beta, -1: gamma}
    matrix = sympy.Matrix(5, 5, lambda i, j: band[j - i](v[j]) if abs(i - j) < 2 else 0)
    rows = [sum(band[k](v[i + k]) * v[i + k] for k in band if 0 <= i + k < 5) for i in range(5)]
    proof.equal(matrix * sympy.Matrix(v), sympy.Matrix(rows), "n = 5, function symbols as entries; first and last rows "
                "have two terms")  # fmt: skip
    op, total = probe(), True
    for point in PROBES[::97]:
        for i, j in itertools.product(range(5), repeat=2):
            entry = op.gate(i, j - i).derivative(point[j]) if abs(i - j) < 2 else 0
            total = total and op.matrix(point)[i, j] == entry
    proof.holds(bool(total), "the core's entries (i, j) are its step functions at z_j")


@claim("TMAF-7c", "(7)", "p diagonals of an n x n matrix cost at most p n multiplications and as many look-ups: "
       "proportional to the number of rows, where a full matrix costs n^2.")  # fmt: skip
def cost(proof: Proof) -> None:
    n, w, k = (sympy.Symbol(name, integer=True, positive=True) for name in "nwk")
    off: Any = sympy.summation(n - k, (k, 1, w))
    proof.equal(
        n + 2 * off, (2 * w + 1) * n - w * (w + 1), "p = 2 w + 1 diagonals, w < n, have p n - w (w + 1) entries"
    )
    proof.holds((w * (w + 1)).is_positive, "that is less than p n")
    proof.equal(sympy.limit((n + 2 * off) / n, n, sympy.oo), 2 * w + 1, "entries for each row tend to p")
    sizes = [TMAF((0.0,), (-1, 0, 1), num_features=m).matrix(np.ones(m), sparse=True).nnz for m in (2, 5, 40)]
    proof.holds(sizes == [3 * m - 2 for m in (2, 5, 40)], "the core stores 3 n - 2 entries of the tri-diagonal form")


@claim("TMAF-8a", "(7), (8)", "On each cell between breakpoints the Jacobian of z -> S(z) z is S(z), for the diagonal, "
       "the tri-diagonal and every sparse form.")  # fmt: skip
def jacobian(proof: Proof) -> None:
    n = 4
    v = sympy.Matrix(sympy.symbols("z1:5", real=True))
    proof.note("z_j off its breakpoints: these are finitely many, so a_ij(z_j) is a constant t_ij in a neighbourhood")
    full = sympy.Matrix(n, n, lambda i, j: sympy.Symbol(f"t{i}{j}"))
    for name, width in (("diagonal", 0), ("tri-diagonal", 1), ("full, hence every sparsity pattern", n)):
        matrix = sympy.Matrix(n, n, lambda i, j, w=width: full[i, j] if abs(i - j) <= w else 0)
        proof.equal((matrix * v).jacobian(v), matrix, f"{name}: d(sum_k t_ik z_k)/dz_j = t_ij")
    op, dz, exact = probe(), 2.0**-6, True
    for e in np.eye(5):
        exact &= bool(np.all((op.apply(PROBES + dz * e) - op.apply(PROBES)) / dz == op.matrix(PROBES) @ e))
    proof.holds(exact, "the core, difference quotients without rounding: all 4^5 cells of a tri-diagonal form")
    weights = np.arange(1.0, 6.0)
    back, _ = op.vjp(PROBES, np.tile(weights, (len(PROBES), 1)))
    proof.holds(bool(np.all(back == weights @ op.matrix(PROBES))), "its backward product is S(z)^T g on the same cells")


@claim("TMAF-8b", "(6)", "At a breakpoint p with a jump of the step value, a(s) s has no derivative: the function "
       "jumps if p != 0, and for p = 0 the one-sided derivatives differ.")  # fmt: skip
def at_breakpoints(proof: Proof) -> None:
    p, low, high = reals("p low high")
    jump = sympy.limit(high * (p + h), h, 0) - sympy.limit(low * (p - h), h, 0)
    proof.equal(
        jump, (high - low) * p, "the function jumps by (t_j - t_{j-1}) p: not 0 if p != 0 and the values differ"
    )
    proof.equal((high * h - 0) / h - (low * -h - 0) / -h, high - low, "p = 0: difference quotients from the right and "
                "from the left are t_j and t_{j-1}")  # fmt: skip


@claim("TMAF-8c", "section 2", "A continuous diagonal TMAF is of leaky ReLU type: t_- min(s, 0) + t_+ max(s, 0), the "
       "only possible kink is at 0.")  # fmt: skip
def continuous_is_leaky(proof: Proof) -> None:
    p, low, high, minus, plus = reals("p low high t_minus t_plus")
    proof.equal((high * p - low * p) - (high - low) * p, 0, "the jump at a breakpoint p is (t_j - t_{j-1}) p")
    q: Any = sympy.Symbol("q", nonzero=True)
    solved = sympy.solve((high - low) * q, high) == [low]
    proof.holds(solved, "continuous at p != 0 if and only if t_j = t_{j-1}: step values change at 0 alone")
    for at in (-c, sympy.Integer(0), c):
        proof.equal(sigma([0], [minus, plus], at), minus * Min(at, 0) + plus * Max(at, 0), f"what is left, s = {at}")
    agree = all(
        gates.tmaf((-1.0, 0.0, 0.5, 2.0), t).is_continuous == (t[0] == t[1] and t[2] == t[3] == t[4])
        for t in itertools.product((0.0, 1.0, 2.0), repeat=5)
    )
    proof.holds(agree, "the core's test of continuity says so for all 243 step functions of values 0, 1, 2 on one grid")


@claim("TMAF-8d", "section 2", "A diagonal TMAF is positively homogeneous if and only if its step values change at 0 "
       "alone; on each cell between breakpoints it is linear.")  # fmt: skip
def homogeneity(proof: Proof) -> None:
    a: Any = sympy.Function("a")
    proof.equal(a(c * x) * c * x - c * a(x) * x, c * x * (a(c * x) - a(x)), "sigma(c s) - c sigma(s) = c s (a(c s) - "
                "a(s)), c > 0: homogeneous if and only if a is constant on s > 0 and on s < 0")  # fmt: skip
    minus, plus = reals("t_minus t_plus")
    for at in (-h, h):
        same = step([0], [minus, plus], c * at) - step([0], [minus, plus], at)
        proof.equal(same, 0, f"a breakpoint 0 alone: a(c s) = a(s) for s = {at}")
    p: Any = h + sympy.Symbol("p", positive=True)
    grid = [-p - h, -p, -p + h, p - h, p, p + h]
    values = sympy.symbols("t0:7", real=True)
    for k, at in ((1, -p), (4, p)):
        gap = step(grid, values, at + h / 2) - step(grid, values, at)
        proof.equal(gap, values[k + 1] - values[k], f"a breakpoint {at} between others at a distance h: a({at} + h/2) "
                    f"- a({at}) = t{k + 1} - t{k}, so homogeneity forces them to be equal")  # fmt: skip
    homogeneous = [gates.tmaf(q, (0.0, 1.0)).is_homogeneous for q in ((0.0,), (1.0,))]
    proof.holds(homogeneous == [True, False], "the core's test agrees")


@claim("TMAF-2a", "section 2", "TMAF is not worse than ReLU or leaky ReLU: the infimum of the training loss over TMAF "
       "networks is at most that over ReLU networks of the same sizes.", Verdict.PROVED_IF,
       "0 is a breakpoint of the grid of every layer")  # fmt: skip
def inclusion(proof: Proof) -> None:
    proof.assume("0 is a breakpoint of the grid of every layer")
    t = sympy.Symbol("t", real=True)
    points: list[Any] = [-2 * h, -h, sympy.Integer(0), h, 2 * h]
    cells = (-3 * h, -2 * h, -3 * h / 2, -h, -h / 2, sympy.Integer(0), h / 2, h, 3 * h / 2, 2 * h, 3 * h)
    for at in cells:
        leaky = sigma(points, [t, t, t, 1, 1, 1], at)
        proof.equal(leaky, Max(at, 0) + t * Min(at, 0), f"values t up to 0 and 1 above give leaky ReLU at s = {at}")
    proof.note("so for W, B of a ReLU network (t = 0) there is a TMAF network that is the same function; the infimum "
               "of any loss over a larger set is not larger")  # fmt: skip
    named = [0.0 in grid("gaussian10"), 0.0 in grid("uniform")]
    proof.holds(named == [True, True], "both grids of the paper's diagonal TMAF have the breakpoint 0")
    start = TMAF("gaussian10", init="relu").values[0][0].tolist()
    proof.holds(start == [0.0] * 5 + [1.0] * 5, "the core's start is ReLU exactly")


@claim("TMAF-2b", "section 2", "In practice a trained TMAF network is clearly not worse than a trained ReLU network: "
       "its error on other points, too, is not larger.", Verdict.REFUTED)  # fmt: skip
def generalization(proof: Proof) -> None:
    proof.note("one neuron, W = 1, b = 0; one training pair (1, 1); the target is f(x) = x; gaussian10 grid")
    points = [rational(p).limit_denominator(100) for p in grid("gaussian10")]
    values = [0] * 5 + [1, 1, 1, 1, 7]
    proof.equal(sigma(points, values, sympy.Integer(1)), 1, "TMAF with value 7 beyond 1.4 has training loss 0: minimal")
    proof.equal(Max(1, 0), 1, "ReLU has training loss 0 as well")
    proof.refute(sigma(points, values, sympy.Integer(2)) == 14, "at x = 2 TMAF gives 14 and ReLU 2 = f(2)")


@claim("TMAF-2c", "section 2", "Piecewise linear units (PWLU) are continuous whatever their parameters, TMAF has "
       "discontinuous functions; and neither class contains the other.")  # fmt: skip
def pwlu(proof: Proof) -> None:
    p, q, r, u, v, w = reals("p q r u v w")
    left, right = u + (v - u) * (x - p) / (q - p), v + (w - v) * (x - q) / (r - q)
    proof.equal(left.subs(x, q), right.subs(x, q), "PWLU: neighbouring pieces through (p, u), (q, v), (r, w) meet at q")
    proof.equal(sigma([0, 1], [0, 1, 0], 1 + c), 0, "TMAF: 0 right of 1 ...")
    proof.equal(sigma([0, 1], [0, 1, 0], sympy.Integer(1)), 1, "... and 1 at 1: no PWLU")
    slope = sympy.diff(left.subs({p: 0, u: 0, q: 1, v: 0}), x), sympy.diff(right.subs({q: 1, v: 0, r: 2, w: 1}), x)
    proof.holds(
        slope == (0, 1), "PWLU through (0, 0), (1, 0), (2, 1) is continuous with a kink at 1: no TMAF (TMAF-8c)"
    )


@claim("TMAF-6d", "(6)", "Step functions come as close as wanted to a continuous a; with m steps of width h and "
       "Lipschitz constant L the error is at most L h/2, and that of a(s) s at most L h/2 max abs(s).",
       Verdict.PROVED_IF, "on a compact interval")  # fmt: skip
def step_approximation(proof: Proof) -> None:
    proof.assume("on a compact interval")
    proof.note("a is uniformly continuous there (Heine-Cantor): for eps there is h with abs(a(s) - a(r)) < eps for "
               "abs(s - r) <= h; step values a(midpoint) on steps of width h do")  # fmt: skip
    theta = sympy.Symbol("theta", real=True)
    off = sympy.expand((h / 2) ** 2 - ((x + theta * h) - (x + h / 2)) ** 2)
    proof.equal(off, h**2 * theta * (1 - theta), "s = left + theta h: (h/2)^2 - (s - midpoint)^2 = h^2 theta (1 - "
                "theta) >= 0 for theta in [0, 1], so abs(a(s) - t_j) <= L h/2")  # fmt: skip
    proof.equal(off.subs(theta, 1), 0, "sharp: for a(s) = s the error at an end of a step is h/2 exactly")
    j = sympy.Symbol("j", integer=True, positive=True)
    proof.holds(sympy.limit(j - c, j, sympy.oo) == sympy.oo, "the condition is needed: a(s) = s is unbounded on the "
                "last interval, where a step function is a constant c")  # fmt: skip


@claim("TMAF-2d", "section 2, end", "Entries sigma(omega z) with a trained omega make a matrix activation for any "
       "activation sigma; with the sigmoid on the diagonal it is Swish.")  # fmt: skip
def rescaled(proof: Proof) -> None:
    w = sympy.Symbol("omega", real=True)
    proof.equal(x / (1 + sympy.exp(-w * x)) - x * (1 / (1 + sympy.exp(-w * x))), 0, "sigmoid(omega z) z is Swish")
    f: Any = sympy.Function("f")
    slope = sympy.diff(f(w * x) * x, x).doit()
    outer = f(w * x) + x * sympy.diff(f(w * x), x).doit()
    proof.equal(slope, outer, "its derivative sigma(omega z) + omega z sigma'(omega z) is not the entry: unlike for "
                "step functions the Jacobian is not S(z)")  # fmt: skip
    op = Rescaled(smooth_functions.sigmoid)
    proof.holds(op.apply(np.zeros(3)).tolist() == [0.0] * 3, "the core has it: 0 at 0")


@claim("TMAF-3a", "section 3", "The printed cross entropy, whose sum inside the logarithm runs over the p images, is "
       "the cross entropy of the network's outputs.", Verdict.REFUTED)  # fmt: skip
def cross_entropy(proof: Proof) -> None:
    proof.note("x_{j,k} is the output of image k for class j, j = 1 .. M; printed: the sum is over j = 1 .. p")
    a, b = reals("a b")
    right = -sympy.log(sympy.exp(b) / (sympy.exp(a) + sympy.exp(b)))
    proof.equal(right, sympy.log(1 + sympy.exp(a - b)), "p = 1 image of class 2, M = 2: the cross entropy of (a, b) is "
                "log(1 + exp(a - b)) > 0")  # fmt: skip
    printed = -sympy.log(sympy.exp(b) / sympy.exp(a)).subs({a: 0, b: 1})
    proof.refute(sympy.simplify(printed) == -1, "p = 1, M = 2, x_1 = (0, 1), class 2: as printed -1, a negative loss")
    proof.note("for p > M the printed sum asks for outputs x_{j,k} with j > M, which are not there")


@claim("TMAF-3.1a", "section 3.1", "The ten intervals, as printed, are a partition of the line.", Verdict.REFUTED)
def partition(proof: Proof) -> None:
    bounds = [Rational(k, 100) for k in (-140, -92, -56, -26, 0, 26, 56, 92, 140)]
    intervals: list[Any] = [sympy.Interval.open(-sympy.oo, bounds[0])]
    intervals += [sympy.Interval.Lopen(a, b) for a, b in itertools.pairwise(bounds)]
    intervals.append(sympy.Interval.open(bounds[-1], sympy.oo))
    disjoint = all(sympy.Intersection(a, b) == sympy.S.EmptySet for a, b in itertools.combinations(intervals, 2))
    proof.holds(disjoint, "no two intervals meet")
    inside = [i.contains(bounds[0]) == sympy.true for i in intervals]
    proof.refute(not any(inside), "-1.4 is in no interval: the first is open there, the second too")
    proof.equal(sum(i.contains(bounds[-1]) == sympy.true for i in intervals), 1, "+1.4 is in one interval")


@claim("TMAF-3.1b", "section 3.1", "Each of the ten intervals has probability 0.1 under the standard normal "
       "distribution.", Verdict.REFUTED)  # fmt: skip
def gaussian(proof: Proof) -> None:
    points = [arb(k) / 100 for k in (0, 26, 56, 92, 140)]
    below = [(1 + (p / arb(2).sqrt()).erf()) / 2 for p in points]
    masses = [b - a for a, b in itertools.pairwise(below)] + [1 - below[-1]]
    digits = (1025, 1096, 1089, 980, 807)
    enclosed = all(arb(d) < 10000 * m and 10000 * m < d + 1 for d, m in zip(digits, masses, strict=True))
    proof.holds(bool(enclosed), f"ball arithmetic: the masses right of 0 are in {digits} + [0, 1], times 1e-4")
    proof.refute(bool(masses[-1] < arb(81) / 1000), "the two outer intervals have probability less than .081 each")
    proof.refute(bool(masses[1] > arb(109) / 1000), "(.26, .56] has more than .109")
    ninth = (1 + (arb(12816) / 10000 / arb(2).sqrt()).erf()) / 2
    proof.holds(bool(ninth > arb(9) / 10), "the ninth decile is less than 1.2816, not 1.4")


@claim("TMAF-3.2a", "section 3.2", "alpha has 102 intervals (101 breakpoints, step .02 on [-1, 1]); gamma has 102 "
       "(.01 ... 2.01).")  # fmt: skip
def uniform_grid(proof: Proof) -> None:
    width = Fraction(1, 50)
    for name, first, last, band in (("alpha", Fraction(-1), Fraction(1), 0), ("gamma", Fraction(1, 100), None, -1)):
        points = [first + k * width for k in range(101)]
        end = last or Fraction(201, 100)
        proof.holds(points[-1] == end, f"{name}: k = 0 .. 99 ends at {end}: 100 intervals and the two unbounded ones")
        core = grid("uniform", band)
        exact = [Fraction(p).limit_denominator(1000) for p in core]
        proof.holds(exact == points, f"{name}: the core's 101 breakpoints are these, rounded once")


@claim("TMAF-3.2b", "section 3.2", "The intervals printed for beta, (-oo, -1.99] and (-2.01 + k h, -2.01 + (k+1) h] "
       "from k = 0 and (-.01, oo), are a partition of the line.", Verdict.REFUTED)  # fmt: skip
def beta_grid(proof: Proof) -> None:
    width, start = Rational(1, 50), Rational(-201, 100)
    pieces = [sympy.Interval.Lopen(start + k * width, start + (k + 1) * width) for k in range(100)]
    outer = [sympy.Interval(-sympy.oo, start + width), sympy.Interval.open(Rational(-1, 100), sympy.oo)]
    proof.equal(pieces[-1].end, Rational(-1, 100), "k = 99 ends at -.01, where the last interval starts")
    count = sum(i.contains(sympy.Integer(-2)) == sympy.true for i in [*pieces, *outer])
    proof.refute(count == 2, "-2 is in two intervals: the first one and that of k = 0")
    core = [Fraction(p).limit_denominator(1000) for p in grid("uniform", 1)]
    proof.holds(core == [Fraction(-199 + 2 * k, 100) for k in range(100)], "with k = 1 .. 99 it is a partition with "
                "101 intervals, which is what the core has")  # fmt: skip


@claim("TMAF-3.2c", "section 3.2", "More intervals cost few parameters: in the networks of section 3.2 the step values "
       "are less than 1 % of all parameters.")  # fmt: skip
def parameters(proof: Proof) -> None:
    for name, width, steps in (("diagonal", 400, 102), ("tri-diagonal", 300, 102 + 101 + 102)):
        weights = (width + width) + 2 * (width * width + width) + (width + 1)
        share = Rational(3 * steps, weights + 3 * steps)
        text = f"{name}, 3 hidden layers of {width}: {weights} weights and biases, {3 * steps} step values"
        proof.holds(share < Rational(1, 100), text)


@claim("TMAF-3.3", "section 3.3", "A network for MNIST images has n_0 = 764 inputs.", Verdict.REFUTED)
def mnist_inputs(proof: Proof) -> None:
    proof.note("MNIST images have 28 x 28 pixels")
    proof.refute(28 * 28 == 784 and 784 != 764, "28 x 28 = 784")
