"""Claims of the AReLU paper: sign-based attention added to ReLU."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import sympy
from sympy import Max, Min, Piecewise, Rational

from iatcore.attention import clamp_alpha
from iatcore.operators import ELSA, AReLU

from ..ledger import Proof, Verdict, claim
from ..symbols import reals

x, alpha, beta = reals("x alpha beta")
c: Any = sympy.Symbol("c", positive=True)
r: Any = sympy.Symbol("r", positive=True)
LOW, HIGH = Rational(1, 100), Rational(99, 100)
S: Any = 1 / (1 + sympy.exp(-beta))
"""sigmoid(beta)."""
SIDES: tuple[tuple[Any, str], ...] = ((-c, "x = -c < 0"), (sympy.Integer(0), "x = 0"), (c, "x = c > 0"))


def clamp(a: Any) -> Any:
    """C: to [.01, .99]."""
    return Min(Max(a, LOW), HIGH)


def elsa(at: Any, a: Any = None) -> Any:
    """L of section 2.3."""
    return Piecewise((clamp(alpha if a is None else a) * at, at < 0), (S * at, True))


def activation(at: Any, a: Any = None) -> Any:
    """F of section 2.3, by its own two branches."""
    return Piecewise((clamp(alpha if a is None else a) * at, at < 0), ((1 + S) * at, True))


@claim("AReLU-2.2a", "section 2.2", "ELSA is an element-wise multiplication: u_i = s_i v_i with a map s that depends "
       "on the sign of v_i alone, so S(v) is diagonal and constant on orthants.")  # fmt: skip
def elementwise(proof: Proof) -> None:
    for at, where in SIDES:
        entry = clamp(alpha) if at == -c else S
        proof.equal(elsa(at), entry * at, f"{where}: u = s v with s = {'C(alpha)' if at == -c else 'sigmoid(beta)'}")
        proof.equal(elsa(r * at), r * elsa(at), f"{where}: the same entry at r v for every r > 0")
    v, op = np.array([-3.0, -0.5, 0.0, 2.0]), ELSA(0.25, 0.0)
    proof.holds(op.matrix(v).tolist() == np.diag([0.25, 0.25, 0.5, 0.5]).tolist(), "the core's matrix is diagonal")
    proof.holds(op.apply(v).tolist() == (op.matrix(v) @ v).tolist(), "and its product with v is the result")


@claim("AReLU-2.2b", "section 2.2", "The attention map lies in (0, 1) for all alpha and beta.")
def attention_range(proof: Proof) -> None:
    b: Any = sympy.Symbol("e", positive=True)
    proof.note("e = exp(-beta) takes all positive values")
    proof.holds((1 / (1 + b)).is_positive and (1 - 1 / (1 + b)).together().is_positive, "0 < 1/(1 + e) < 1")
    for a, value in ((LOW - c, LOW), (HIGH + c, HIGH)):
        proof.equal(clamp(a), value, f"C({a}) = {value} for c > 0")
    inside = (LOW + HIGH * c) / (1 + c)
    proof.equal(clamp(inside), inside, "C is the identity between, so its values are in [.01, .99]")


@claim("AReLU-2.2c", "section 2.2", "With alpha = .5 and beta = 0, a start of figure 2, the attention module is "
       "nonlinear.", Verdict.REFUTED)  # fmt: skip
def linear_start(proof: Proof) -> None:
    half = Rational(1, 2)
    same = all(sympy.simplify(elsa(at, half).subs(beta, 0) - at / 2) == 0 for at, _ in SIDES)
    proof.refute(same, "alpha = 1/2, beta = 0: L(x) = x/2 on both sides of 0 and at 0; F = R + x/2 alone has a kink")
    v = np.linspace(-4, 4, 33)
    proof.holds(ELSA(0.5, 0.0).apply(v).tolist() == (v / 2).tolist(), "the core's ELSA gives x/2 as well")


@claim("AReLU-2.3a", "section 2.3", "ReLU plus ELSA is F: C(alpha) x for x < 0 and (1 + sigmoid(beta)) x for x >= 0; "
       "on x >= 0 ELSA is the residue F(x) - x.")  # fmt: skip
def sum_of_two(proof: Proof) -> None:
    for at, where in SIDES:
        proof.equal(Max(at, 0) + elsa(at), activation(at), f"{where}: R + L = F")
    proof.equal(activation(c) - c, S * c, "x > 0: F(x) - x = sigmoid(beta) x")
    v = np.array([-3.0, -0.5, 0.0, 2.0])
    both = AReLU(0.25, 0.0).apply(v).tolist() == (np.maximum(v, 0) + ELSA(0.25, 0.0).apply(v)).tolist()
    proof.holds(both, "the core's AReLU is ReLU plus its ELSA (alpha = 1/4, beta = 0: no rounding)")


@claim("AReLU-2.3b", "section 2.3", "F is continuous and positively homogeneous, F(r x) = r F(x) for r > 0: S(z) z "
       "with a matrix that is constant on orthants.")  # fmt: skip
def homogeneous(proof: Proof) -> None:
    proof.equal(sympy.limit(activation(-c), c, 0), 0, "F(x) -> 0 for x -> 0 from below")
    proof.equal(sympy.limit(activation(c), c, 0), activation(sympy.Integer(0)), "F(x) -> 0 = F(0) from above")
    for at, where in SIDES:
        proof.equal(activation(r * at), r * activation(at), f"F(r x) = r F(x), {where}")


@claim("AReLU-2.3c", "section 2.3", "F is strictly increasing, hence injective, with slopes between .01 and 2: no "
       "element has gradient 0.")  # fmt: skip
def monotone(proof: Proof) -> None:
    e: Any = sympy.Symbol("e", positive=True)
    proof.note("the slopes are C(alpha) in [.01, .99] and 1 + 1/(1 + e) with e = exp(-beta) > 0")
    proof.holds((1 + 1 / (1 + e)).is_positive and LOW.is_positive, "both are positive, F is continuous: increasing")
    proof.holds((2 - (1 + 1 / (1 + e))).together().is_positive, "2 - (1 + 1/(1 + e)) > 0")
    proof.equal(sympy.limit(1 + S, beta, sympy.oo), 2, "2 is the least upper bound: the limit for beta -> oo")


@claim("AReLU-2.3d", "section 2.3", "AReLU amplifies positive elements, by a factor in (1, 2).")
def amplifies(proof: Proof) -> None:
    e: Any = sympy.Symbol("e", positive=True)
    factor = (1 + S).subs(beta, -sympy.log(e))
    proof.equal(factor, 1 + 1 / (1 + e), "the factor with e = exp(-beta), which takes all positive values")
    proof.holds((factor - 1).together().is_positive, "it is greater than 1")
    proof.holds((2 - (1 + 1 / (1 + e))).together().is_positive, "and less than 2")
    proof.equal(sympy.diff(S, beta), S * (1 - S), "it grows with beta: the slope sigmoid (1 - sigmoid) is positive")


@claim("AReLU-2.3e", "section 2.3", "AReLU suppresses negative elements: abs(F(x)) <= .99 abs(x) for x < 0.")
def suppresses(proof: Proof) -> None:
    for a, where in ((LOW - c, "alpha < .01"), (HIGH + c, "alpha > .99"), (LOW, "alpha = .01"), (HIGH, "alpha = .99")):
        proof.holds((HIGH - clamp(a)).is_nonnegative, f"{where}: C(alpha) = {clamp(a)} <= .99")
    inside = (LOW + HIGH * c) / (1 + c)
    proof.holds(sympy.factor(HIGH - inside).is_positive, "alpha between: alpha = (.01 + .99 c)/(1 + c) < .99, c > 0")
    proof.equal(-activation(-c, LOW), LOW * c, "abs(F(-c)) = C(alpha) c")


@claim("AReLU-2.3f", "sections 2.3-4", "A learned AReLU makes the whole network more expressive than one PReLU for a "
       "layer, x for x > 0 and a x otherwise with a trained a.", Verdict.REFUTED)  # fmt: skip
def expressive(proof: Proof) -> None:
    a = clamp(alpha) / (1 + S)
    same = True
    for at, _ in SIDES:
        prelu = Piecewise((a * at, at < 0), (at, True))
        same = same and sympy.simplify(activation(at) - (1 + S) * prelu) == 0
    proof.refute(same, "F = (1 + sigmoid(beta)) PReLU with a = C(alpha)/(1 + sigmoid(beta)): the factor goes into the "
                 "next linear layer's weights, so every AReLU network is a PReLU network of the same size")  # fmt: skip
    proof.note("what changes is the parametrization, and with it the training")


@claim("AReLU-2.4a", "section 2.4", "The gradient of sum_i F(x_i) with respect to alpha is the sum of the negative "
       "x_i.", Verdict.PROVED_IF, ".01 < alpha < .99, and upstream gradient 1")  # fmt: skip
def gradient_alpha(proof: Proof) -> None:
    proof.assume(".01 < alpha < .99, and upstream gradient 1")
    proof.note("near such an alpha C is the identity: F(x) = alpha x for x < 0")
    inside = (LOW + HIGH * r) / (1 + r)
    proof.equal(clamp(inside), inside, "C(alpha) = alpha for alpha = (.01 + .99 r)/(1 + r), all of the open interval")
    proof.equal(sympy.diff(alpha * x, alpha), x, "dF/dalpha = x for x < 0")
    proof.equal(sympy.diff((1 + S) * x, alpha), 0, "dF/dalpha = 0 for x >= 0")
    v = np.array([-3.0, -0.5, 0.0, 2.0])
    proof.equal(AReLU(0.5, 0.0).vjp(v, np.ones(4))[1], -3.5, "the core: -3 - 0.5")


@claim("AReLU-2.4b", "section 2.4", "The gradient of sum_i F(x_i) with respect to beta is sigmoid(beta)(1 - "
       "sigmoid(beta)) times the sum of the x_i >= 0.")  # fmt: skip
def gradient_beta(proof: Proof) -> None:
    proof.equal(sympy.diff(S, beta), S * (1 - S), "sigmoid' = sigmoid (1 - sigmoid)")
    proof.equal(sympy.diff((1 + S) * x, beta), S * (1 - S) * x, "dF/dbeta for x >= 0")
    proof.equal(sympy.diff(clamp(alpha) * x, beta), 0, "dF/dbeta = 0 for x < 0")
    v = np.array([-3.0, -0.5, 0.0, 2.0])
    proof.equal(AReLU(0.5, 0.0).vjp(v, np.ones(4))[2], 0.5, "the core, beta = 0: 1/4 times 2")


@claim("AReLU-2.4c", "section 2.4", "dE/dalpha is the propagated gradient times the printed sum of the negative x_i: "
       "the propagated gradient can stand outside of the sum.", Verdict.REFUTED)  # fmt: skip
def upstream(proof: Proof) -> None:
    g1, g2, x1, x2 = reals("g1 g2 x1 x2")
    loss = g1 * alpha * x1 + g2 * alpha * x2
    proof.equal(sympy.diff(loss, alpha), g1 * x1 + g2 * x2, "x_1, x_2 < 0, alpha inside: dE/dalpha = sum_i g_i x_i, "
                "g_i = dE/dF(x_i)")  # fmt: skip
    proof.note("x = (-1, -2), g = (1, 1): -3;  g = (2, 0): -2;  g = (0, 2): -4, each with the same sum and mean of g")
    v = np.array([-1.0, -2.0])
    found = [AReLU(0.5, 0.0).vjp(v, np.array(g))[1] for g in ((1.0, 1.0), (2.0, 0.0), (0.0, 2.0), (2.0, -1.0))]
    proof.holds(found == [-3.0, -2.0, -4.0, 0.0], "the core gives these, and 0 for g = (2, -1)")
    at = [sympy.diff(loss, alpha).subs({g1: 2, g2: -1, x1: -1, x2: v}) for v in (-2, -1)]
    proof.refute(at == [0, -1], "g = (2, -1): dE/dalpha is 0 for x = (-1, -2) and -1 for x = (-1, -1), sums -3 and -2: "
                 "a factor outside of the sum that depends on g would have to be 0 and 1/2")  # fmt: skip


@claim("AReLU-2.4d", "section 2.4", "dF/dx is alpha for x < 0, for every alpha.", Verdict.REFUTED)
def gradient_x(proof: Proof) -> None:
    a: Any = sympy.Symbol("a", real=True)
    proof.equal(sympy.diff(a * x, x), a, "F(x) = C(alpha) x for x < 0: dF/dx = C(alpha)")
    for value, slope in ((2, HIGH), (0, LOW)):
        found = activation(-c, sympy.Integer(value)) / -c
        proof.refute(sympy.simplify(found - slope) == 0 and slope != value, f"alpha = {value}: dF/dx = {slope}")
    proof.holds(AReLU(2.0, 0.0).vjp(np.array([-1.0]), np.ones(1))[0].tolist() == [0.99], "the core, alpha = 2: .99")


@claim("AReLU-2.4e", "section 2.4", "dF/dx is alpha for x < 0 and 1 + sigmoid(beta) for x > 0.", Verdict.PROVED_IF,
       "alpha in [.01, .99]")  # fmt: skip
def gradient_x_inside(proof: Proof) -> None:
    proof.assume("alpha in [.01, .99]")
    inside = (LOW + HIGH * r) / (1 + r)
    for a in (LOW, HIGH, inside):
        proof.equal(sympy.diff(activation(-c, a), c), -a, f"alpha = {a}, r > 0: dF/dx = alpha at x = -c")
    proof.equal(sympy.diff(activation(c), c), 1 + S, "dF/dx = 1 + sigmoid(beta) at x = c")
    proof.note("at x = 0 the one-sided derivatives alpha and 1 + sigmoid(beta) differ; the paper takes the second")


@claim("AReLU-2.4f", "section 2.4", "C has slope 0 outside of [.01, .99] and 1 inside; at the two ends it has no "
       "derivative, and taking 1 there, as the paper does, is one of the one-sided ones.")  # fmt: skip
def clamp_slope(proof: Proof) -> None:
    e: Any = sympy.Symbol("e", positive=True)
    small = e / (1 + e) / 2
    for end, outward in ((LOW, -1), (HIGH, 1)):
        proof.equal(clamp(end + outward * e) - clamp(end), 0, f"slope 0 outwards of {end}, at any distance")
        inner = clamp(end - outward * small) - clamp(end)
        proof.equal(inner / (-outward * small), 1, f"slope 1 inwards of {end}, up to a distance of 1/2")
    v, g = np.array([-2.0]), np.ones(1)
    found = [AReLU(a, 0.0).vjp(v, g)[1] for a in (0.009, 0.01, 0.5, 0.99, 0.991)]
    proof.holds(found == [0.0, -2.0, -2.0, -2.0, 0.0], "the core: 1 at both ends and inside, 0 outside")


@claim("AReLU-2.4g", "section 2.4", "In ReLU and its variants, PReLU among them, gradients can only be suppressed: no "
       "derivative is greater than 1 in modulus.", Verdict.REFUTED)  # fmt: skip
def only_suppression(proof: Proof) -> None:
    for at, slope in ((-c, 0), (c, 1)):
        proof.equal(sympy.diff(Max(at, 0), c), slope, f"ReLU at {at}: modulus of the derivative at most 1")
    a = sympy.Symbol("a", real=True)
    prelu = sympy.diff(-a * c, c)
    proof.equal(prelu, -a, "PReLU at -c: slope a, which is trained without a bound")
    proof.refute(abs(prelu.subs(a, 2)) == 2, "PReLU with a = 2: 2 for x < 0")
    proof.refute(Rational("1.0507") > 1, "SELU: lambda = 1.0507... for x > 0, by its definition")
    e: Any = sympy.exp(-3)
    slope = sympy.diff(x / (1 + sympy.exp(-x)), x).subs(x, 3)
    proof.equal(
        slope - 1, e * (2 - e) / (1 + e) ** 2, "Swish, x = 3, e = exp(-3): its slope is 1 + e (2 - e)/(1 + e)^2"
    )
    proof.refute((2 - e).is_positive, "Swish, x = 3: e (2 - e)/(1 + e)^2 > 0, so the slope is greater than 1")


@claim("AReLU-2.4h", "section 2.4", "dE/dalpha depends on every element of the feature volume.", Verdict.REFUTED)
def whole_volume(proof: Proof) -> None:
    p, q = reals("p q")
    loss = p * alpha * -c + q * (1 + S) * r
    proof.note("elements -c < 0 and r > 0 with upstream gradients p and q, alpha inside of the clamp")
    proof.equal(sympy.diff(loss, alpha), -p * c, "dE/dalpha = -p c")
    proof.refute(sympy.diff(loss, alpha, r) == 0, "positive elements do not enter: its derivative by r is 0")
    proof.equal(sympy.diff(loss, beta, c), 0, "nor do negative ones enter dE/dbeta; together the two see all elements")


@claim("AReLU-2.4i", "section 2.4", "The factor 1 + sigmoid(beta) is confined, so L layers change a positive gradient "
       "by at least 1 and less than 2^L; on negative elements by at least .01^L.")  # fmt: skip
def confined(proof: Proof) -> None:
    e: Any = sympy.Symbol("e", positive=True)
    n: Any = sympy.Symbol("L", integer=True, positive=True)
    factor = (2 + e) / (1 + e)
    proof.equal(factor, (1 + S).subs(beta, -sympy.log(e)), "1 + sigmoid(beta) = (2 + e)/(1 + e), e = exp(-beta) > 0")
    proof.holds((factor - 1).together().is_positive and (2 - factor).together().is_positive, "a factor in (1, 2)")
    k = sympy.Symbol("k", integer=True)
    for bound, where in ((1, "at least 1"), (2, "less than 2"), (LOW, "C(alpha), at least .01")):
        proof.equal(sympy.product(bound, (k, 1, n)), bound**n, f"L factors, each {where}: the product and {bound}^L")
    proof.note("the product of L factors grows all the same: with the start beta = 2 of MNIST it is 1.88...^L")
    e2 = sum(Rational(2**j, sympy.factorial(j)) for j in range(6))
    proof.holds(e2 > 7, f"exp(2) > {e2} > 7, the first six terms of its series, so sigmoid(2) = 1/(1 + exp(-2)) > 7/8")
    proof.holds(Rational(15, 8) ** 50 > 10**13, "beta = 2, L = 50: more than (15/8)^50 > 10^13")


@claim("AReLU-2.4j", "section 2.4", "AReLU adds 2 L parameters to a network of L layers.", Verdict.PROVED_IF,
       "L counts the activation layers")  # fmt: skip
def parameters(proof: Proof) -> None:
    proof.assume("L counts the activation layers")
    fields = [f for f in ("alpha", "beta") if f in AReLU.__dataclass_fields__]
    trained = [name for name, f in AReLU.__dataclass_fields__.items() if f.init]
    proof.holds(trained == fields == ["alpha", "beta"], "one layer has alpha and beta, whatever the size of x")
    n = sympy.Symbol("L", integer=True, positive=True)
    k = sympy.Symbol("k", integer=True)
    proof.equal(sympy.summation(2, (k, 1, n)), 2 * n, "L of them: 2 L")
    proof.note("MNIST-Conv of section 3.1 has 3 convolutions and a linear layer, L = 4, but 3 AReLU: 6 parameters")


@claim("AReLU-2.4k", "section 2.4", "The printed updates, Delta := mu Delta + eps dE/dalpha, are steps that decrease E "
       "when they are added to the parameters.", Verdict.REFUTED)  # fmt: skip
def momentum(proof: Proof) -> None:
    eps: Any = sympy.Symbol("epsilon", positive=True)
    loss = alpha**2 / 2
    delta = 0 + eps * sympy.diff(loss, alpha)
    change = loss.subs(alpha, alpha + delta) - loss
    proof.equal(change, alpha**2 * (eps + eps**2 / 2), "E = alpha^2/2, one step: E changes by alpha^2 (eps + eps^2/2)")
    worse = sympy.expand(change.subs(alpha, 1)).is_positive
    proof.refute(worse, "E = alpha^2/2, alpha = 1: adding Delta increases E for all eps > 0")
    down = loss.subs(alpha, alpha - delta) - loss
    proof.equal(down, -(alpha**2) * eps * (1 - eps / 2), "subtracting Delta decreases E for eps < 2: the sign is meant")


@claim("AReLU-2.4l", "section 2.4", "Weight decay pushes alpha to 0 where the loss has no gradient.")
def weight_decay(proof: Proof) -> None:
    k = sympy.Symbol("k", integer=True, nonnegative=True)
    rate: Any = 1 / (1 + c)
    proof.note("a step of decay is alpha := (1 - eps lambda) alpha; write 1 - eps lambda = 1/(1 + c) in (0, 1)")
    proof.equal(alpha * rate ** (k + 1), rate * (alpha * rate**k), "alpha_k = alpha_0/(1 + c)^k solves the recursion")
    proof.equal((1 + k * c) * (1 + c) - (1 + (k + 1) * c), k * c**2, "so (1 + c)^k >= 1 + k c by induction (Bernoulli)")
    proof.holds(sympy.limit(1 / (1 + k * c), k, sympy.oo) == 0, "abs(alpha_k) <= abs(alpha_0)/(1 + k c) -> 0")
    proof.holds((1 - rate).together().is_positive and rate.is_positive, "0 < 1/(1 + c) < 1 for every c > 0")
    proof.note("the same holds for beta: decay pushes it to 0, the amplification to 3/2")


@claim("AReLU-2.4m", "section 2.4", "Confining alpha to [.01, .99] by C mitigates that decay: alpha below .01 can come "
       "back when the loss asks for it.", Verdict.REFUTED)  # fmt: skip
def dead_alpha(proof: Proof) -> None:
    proof.note("E = (F(-1) - target)^2/2, gradient of C dropped outside; step .1, weight decay .05")
    a, trace = Fraction(1, 50), []
    for k in range(200):
        target = Fraction(-1, 1000) if k < 10 else Fraction(-9, 10)
        slope = min(max(a, Fraction(1, 100)), Fraction(99, 100))
        inside = slope == a
        gradient = (-slope - target) * -1 if inside else Fraction(0)
        a -= Fraction(1, 10) * (gradient + Fraction(1, 20) * a)
        trace.append(a)
    start = next(k for k, value in enumerate(trace) if value < Fraction(1, 100))
    falling = all(0 < v < u for u, v in zip(trace[start:], trace[start + 1 :], strict=False))
    proof.holds(start < 10, f"below .01 after step {start + 1}, while the target asks for a slope of .001")
    proof.refute(falling and trace[-1] < Fraction(1, 100), "from step 11 the target asks for a slope of .9: alpha "
                 "falls on for 190 steps, moved by the decay alone, and the slope stays at .01")  # fmt: skip
    dead = [AReLU(v, 0.0).vjp(np.array([-1.0]), np.array([-1.0]))[1] for v in (0.005, 0.0, -1.0)]
    proof.holds(dead == [0.0] * 3 and clamp_alpha(0.005) == 0.01, "the core's gradient there is 0")
    proof.note("by induction: gradient 0 and 0 < alpha < .01 give 0 < (1 - eps lambda) alpha < .01. What C does do is "
               "keep the slope at .01 or more")  # fmt: skip
