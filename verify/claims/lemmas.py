"""Steps that several proofs share: inequalities for relu, by a complete list of signs with symbols."""

from __future__ import annotations

from typing import Any

import sympy

from ..ledger import Proof

POSITIVE: Any = sympy.symbols("F H", positive=True)
NEGATIVE: Any = tuple(-n for n in sympy.symbols("N K", nonnegative=True))


def relu(x: Any) -> Any:
    """max(x, 0)."""
    return sympy.Max(x, 0)


def first_order(proof: Proof) -> None:
    """``e = relu(g) - relu(f) - 1[f > 0] (g - f)`` is 0, or abs(e) <= abs(g - f) and abs(f) <= abs(g - f)."""
    for f, on in ((POSITIVE[0], 1), (NEGATIVE[0], 0)):
        for g, name in ((POSITIVE[1], ">"), (NEGATIVE[1], "<=")):
            rest, step = relu(g) - relu(f) - on * (g - f), g - f
            text = f"f {'>' if on else '<='} 0, g {name} 0, e = relu(g) - relu(f) - 1[f > 0] (g - f):"
            if on == (name == ">"):
                proof.equal(rest, 0, f"{text} e = 0, and 1[f > 0] = 1[g > 0]")
                continue
            size = step if on == 0 else -step
            good = [sympy.expand(v).is_nonnegative for v in (size, rest, size - rest, size - sympy.Abs(f))]
            proof.holds(good == [True] * 4, f"{text} 0 <= e <= abs(g - f) and abs(f) <= abs(g - f)")


def patterns_are_near(proof: Proof) -> None:
    """The measure of D(z) xor D(z + w) tends to 0 with w where f(.; z) vanishes on a null set only."""
    first_order(proof)
    proof.note("g = f(.; z + w), abs(g - f) <= P norm(w), P = max norm(p): the patterns of f and g differ inside of")
    proof.note("{abs(f) <= P norm(w)}. These sets decrease to {f = 0}, so their measure tends to that of {f = 0}, 0.")


def change_of_matrix(proof: Proof) -> None:
    """``abs(S_ij(D) - S_ij(E)) <= max abs(q_i p_j) times the measure of D xor E``, for measurable D, E."""
    table = [(d, e) for d in (0, 1) for e in (0, 1)]
    proof.holds(
        all(abs(d - e) == d ^ e for d, e in table), "abs(1_D - 1_E) = 1_{D xor E}: all four cases of membership"
    )
    proof.note(
        "so abs(S_ij(D) - S_ij(E)) = abs(integral of q_i p_j (1_D - 1_E)) <= max abs(q_i p_j) measure of D xor E"
    )
