"""Claims of the three papers about their own tables, decided by the numbers that they print.

A statement here is about the printed table: exact arithmetic with its entries. Whether an experiment comes out so
again is another question.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from fractions import Fraction

import sympy
from sympy import Rational, cos, pi, sin

from ..ledger import Proof, Verdict, claim
from ..symbols import s

Row = list[Fraction | None]

BASES = ("Rect", "PWL", "PWQ", "Fourier", "PWL-w", "Rect-w")
LOCAL, ZERO_INTEGRAL = BASES[:3], BASES[3:]
LEARNABLE = ("APL", "Comb", "PAU", "PReLU", "SLAF")


def read(text: str) -> dict[str, Row]:
    """Rows by name; ``-`` for a number that is not given."""
    lines = [line.split() for line in text.strip().splitlines()]
    return {name: [None if e == "-" else Fraction(e) for e in entries] for name, *entries in lines}


def known(row: Row) -> list[Fraction]:
    """The numbers that are given."""
    return [e for e in row if e is not None]


def mean(row: Sequence[Fraction]) -> Fraction:
    """The arithmetic mean, exact."""
    return sum(row, Fraction(0)) / len(row)


# accuracy in percent: one row for each input basis, one column for each output basis
MEMORIZATION = read("""
Rect 89.7 90.5 92.1 89.4 86.5 86.1
PWL 85.8 87.3 85.2 93.0 86.2 86.5
PWQ 85.5 80.4 80.5 91.6 86.7 88.9
Fourier 93.2 92.5 94.1 89.5 89.5 88.4
PWL-w 90.5 93.0 92.3 91.9 82.8 86.3
Rect-w 90.1 95.1 98.3 89.2 85.7 82.7
""")
MEMORIZATION_SCALAR = {"ReLU": Fraction("90.4"), "tanh": Fraction("84.7"), "sigmoid": Fraction("83.9")}
# mean squared error, in the same layout
FITTING = read("""
Rect 8.8E-4 2.6E-3 1.8E-3 2.0E-3 1.5E-3 3.0E-3
PWL 1.7E-4 2.5E-4 7.5E-5 3.9E-4 2.5E-4 1.9E-4
PWQ 1.6E-4 1.0E-4 6.7E-5 5.2E-4 2.2E-4 2.4E-4
Fourier 7.9E-5 7.0E-5 9.9E-5 1.0E-4 7.6E-5 1.9E-4
PWL-w 2.7E-4 2.0E-4 1.3E-4 2.8E-4 3.9E-4 3.3E-4
Rect-w 1.1E-3 3.1E-3 3.1E-3 2.6E-3 3.0E-3 2.7E-3
""")
FITTING_SCALAR = {"ReLU": Fraction("1.1E-3"), "tanh": Fraction("4.1E-6"), "sigmoid": Fraction("3.2E-6")}

# columns of the four tables: learning rates 1e-2, 1e-3, 1e-4, 1e-5, each with Adam and SGD
FIRST_EPOCH_MEAN = read("""
CELU 97.76 96.12 96.21 62.81 84.01 13.07 24.84 9.60
ELU 97.82 96.17 96.22 58.10 85.67 14.07 19.77 10.13
GELU 98.49 94.90 95.79 12.55 83.72 11.49 15.20 10.92
LeakyReLU 97.80 95.59 95.86 35.90 84.08 10.28 15.41 10.73
Maxout 97.04 95.81 96.14 71.75 84.81 10.79 18.83 9.06
ReLU 97.75 95.02 95.40 36.01 84.02 10.68 15.25 8.73
ReLU6 97.77 95.32 96.09 43.42 81.39 10.23 14.33 9.56
RReLU 98.09 95.88 95.65 53.33 84.51 9.57 16.53 10.28
SELU 97.25 96.52 96.61 82.36 85.36 16.49 30.04 9.59
Sigmoid 47.16 11.04 83.59 11.35 11.37 9.92 10.52 10.10
Softplus 96.38 90.90 93.83 11.14 51.83 9.19 10.21 9.89
Swish 98.10 94.02 95.91 11.44 83.91 10.69 11.39 9.47
Tanh 96.93 94.22 96.45 57.70 79.25 11.73 27.05 10.31
APL 97.00 95.71 94.67 17.81 76.73 9.39 13.28 11.83
Comb 98.28 95.97 95.79 35.95 83.91 10.59 20.22 10.18
PAU 98.17 97.67 96.73 40.11 87.08 10.54 14.49 11.11
PReLU 98.22 95.72 95.87 45.73 85.81 12.08 14.51 9.88
SLAF 96.30 97.07 95.32 83.35 72.67 14.12 10.04 11.32
AReLU 98.00 97.30 97.13 93.13 90.44 47.78 38.39 14.25
fixed -0.49 +0.78 +0.52 +10.77 +4.77 +31.29 +8.35 +3.33
learned -0.28 -0.37 +0.40 +9.78 +3.36 +33.66 +18.17 +2.42
""")
FIRST_EPOCH_BEST = read("""
CELU 98.49 96.56 96.41 75.67 85.62 17.64 34.23 10.79
ELU 98.36 96.64 96.34 65.66 86.77 22.61 28.91 11.36
GELU 98.68 96.02 96.33 14.44 84.45 14.61 20.64 13.30
LeakyReLU 98.29 95.93 96.19 44.76 84.86 13.20 20.55 11.49
Maxout 97.79 96.09 96.45 79.21 85.62 13.99 22.05 10.55
ReLU 98.13 96.33 96.07 49.78 86.07 12.67 19.87 10.24
ReLU6 98.18 96.05 96.55 56.07 83.42 13.13 17.42 10.27
RReLU 98.52 96.30 95.98 61.78 86.97 10.36 20.61 11.35
SELU 97.72 96.88 97.01 83.85 87.53 22.09 37.98 10.59
Sigmoid 97.62 11.35 85.29 11.35 11.47 11.35 11.35 10.28
Softplus 97.80 93.83 94.58 11.35 75.05 11.35 11.35 10.32
Swish 98.32 95.28 96.47 12.38 85.52 11.82 15.51 10.27
Tanh 97.32 94.40 96.84 69.29 81.50 16.32 29.92 11.35
APL 98.48 96.25 95.50 27.75 80.56 10.28 19.50 15.47
Comb 98.42 96.54 96.07 57.88 85.59 11.67 25.40 10.72
PAU 98.42 97.94 97.07 76.69 89.71 11.35 18.11 14.54
PReLU 98.52 96.10 96.33 61.72 87.24 15.86 18.31 11.40
SLAF 96.69 97.27 95.76 84.13 76.84 15.60 11.19 13.09
AReLU 98.46 97.60 97.29 93.83 90.91 61.06 48.06 19.84
fixed -0.22 +0.72 +0.28 +9.98 +3.38 +38.45 +10.08 +6.54
learned -0.02 -0.34 +0.22 +9.70 +1.20 +45.20 +22.66 +4.37
""")
LAST_EPOCH_BEST = read("""
CELU 98.67 99.05 99.14 97.98 97.88 90.89 91.33 17.39
ELU 98.70 99.04 99.10 97.93 97.96 90.84 91.40 20.51
GELU 99.03 98.99 99.14 97.65 98.04 85.60 90.19 13.30
LeakyReLU 98.79 99.04 99.10 97.85 97.91 90.00 90.90 16.63
Maxout 98.30 98.86 98.82 97.98 97.69 89.98 91.04 23.90
ReLU 98.80 99.06 99.17 97.64 97.85 86.53 89.98 13.95
ReLU6 98.55 99.01 99.17 98.03 98.14 86.57 88.98 18.79
RReLU 98.98 99.05 99.19 97.90 97.76 88.23 90.31 18.31
SELU 98.53 98.96 98.91 98.04 98.06 92.09 92.26 37.85
Sigmoid 98.99 96.37 98.78 11.35 94.02 11.35 11.35 11.35
Softplus 99.07 98.86 99.04 97.52 96.86 11.88 80.60 16.34
Swish 98.83 98.85 99.09 97.65 97.80 36.30 89.21 10.29
Tanh 97.96 98.89 99.02 97.27 98.09 78.30 88.17 17.76
APL 98.80 99.02 99.00 97.73 97.35 49.37 87.24 16.14
Comb 99.03 99.10 99.16 97.71 97.90 86.52 89.52 12.48
PAU 99.19 99.07 99.18 98.82 98.28 95.75 92.98 15.82
PReLU 98.97 99.11 99.11 97.93 98.07 90.34 91.31 17.82
SLAF 98.88 98.97 98.82 98.50 97.82 94.88 87.67 25.35
AReLU 99.08 99.07 99.05 98.60 98.40 96.32 93.75 85.45
fixed +0.01 +0.01 -0.14 +0.56 +0.26 +4.23 +1.49 +47.60
learned -0.11 -0.04 -0.13 -0.22 +0.12 +0.57 +0.77 +60.10
""")
LAST_EPOCH_MEAN = read("""
CELU 98.62 98.93 99.05 97.73 97.70 89.58 90.58 14.96
ELU 98.55 98.94 99.02 97.82 97.70 89.24 90.46 15.41
GELU 98.85 98.93 99.08 97.51 97.67 51.19 88.94 10.94
LeakyReLU 98.66 98.92 98.96 97.74 97.61 74.01 89.21 13.27
Maxout 98.23 98.78 98.76 97.67 97.46 89.52 90.04 14.85
ReLU 98.72 98.98 99.05 97.57 97.58 81.63 88.88 11.03
ReLU6 98.51 98.93 99.02 97.79 97.96 81.96 88.14 12.44
RReLU 98.78 98.94 99.06 97.77 97.62 87.64 89.59 13.37
SELU 98.34 98.91 98.84 97.98 97.88 91.56 90.91 33.48
Sigmoid 81.05 96.24 98.72 11.35 92.96 11.35 11.35 10.67
Softplus 98.95 98.78 98.93 97.30 96.57 11.52 78.36 12.50
Swish 98.77 98.80 99.02 97.44 97.51 23.77 88.53 10.05
Tanh 97.91 98.86 98.96 96.94 97.97 75.66 86.99 14.76
APL 98.72 98.92 98.94 97.56 97.22 37.67 84.95 13.52
Comb 98.88 99.01 99.04 97.56 97.55 85.60 88.39 10.94
PAU 99.17 99.01 99.07 98.78 98.15 95.21 92.22 12.86
PReLU 98.89 98.86 99.01 97.81 97.77 88.67 89.69 13.36
SLAF 98.80 98.86 98.67 98.37 97.60 94.61 86.10 18.91
AReLU 98.94 99.01 98.97 98.46 98.22 96.00 93.48 73.00
fixed -0.01 +0.03 -0.11 +0.48 +0.25 +4.44 +2.57 +39.52
learned -0.23 +0.00 -0.10 -0.32 +0.07 +0.79 +1.26 +54.09
""")
COLUMNS = tuple(f"{optimizer} {rate}" for rate in ("1e-2", "1e-3", "1e-4", "1e-5") for optimizer in ("Adam", "SGD"))

# CIFAR-10: best and mean of five runs with VGG-11, ResNet-18, MobileNet
CIFAR10 = read("""
CELU 89.76 89.92 92.02 91.87 90.07 89.91
ELU 90.10 89.92 91.85 91.70 90.09 89.80
GELU 91.54 91.29 94.29 94.18 92.56 92.74
LeakyReLU 91.89 91.75 94.78 94.65 90.75 90.65
Maxout 88.42 88.22 - - - -
RReLU 91.52 91.38 94.10 94.05 92.48 92.20
ReLU 91.70 91.57 94.36 94.32 90.67 90.52
ReLU6 91.73 91.48 94.74 94.59 90.69 90.60
SELU 89.48 89.18 91.61 91.38 88.61 88.56
Sigmoid - - 81.11 80.49 79.37 77.78
Softplus 86.94 86.51 88.97 88.56 87.45 87.10
Swish 90.84 90.75 93.67 93.57 91.94 91.74
Tanh 90.22 89.99 91.61 91.50 88.74 88.54
APL 91.65 91.03 94.60 93.79 90.88 90.07
Comb 90.90 63.32 93.82 93.28 92.04 91.51
PAU 91.76 90.94 94.78 94.52 92.71 92.12
PReLU 91.13 90.11 93.82 93.61 91.71 91.16
SLAF - - - - - -
AReLU 91.90 91.59 94.78 94.43 91.68 91.56
fixed +0.01 -0.16 +0.00 -0.22 -0.88 -1.18
learned +0.20 +0.56 +0.00 -0.09 -1.03 -0.56
""")
CIFAR10_COLUMNS = tuple(f"{net} {kind}" for net in ("VGG-11", "ResNet-18", "MobileNet") for kind in ("best", "mean"))

# CIFAR-100: top-1 and top-5 of ReLU, of AReLU, and the printed differences
CIFAR100 = read("""
VGG-11 68.03 87.49 68.04 88.27 +0.01 +0.78
VGG-13 71.92 90.05 71.93 90.86 +0.01 +0.81
SEResNet-18 76.80 93.16 76.94 93.66 +0.14 +0.50
ResNet-18 76.35 93.18 76.40 93.39 +0.05 +0.20
ShuffleNet-v2 68.56 90.92 69.63 91.37 +1.07 +0.45
SqueezeNet 69.96 91.29 70.19 91.41 +0.23 +0.12
""")

# SVHN: trained directly, trained on MNIST only, trained on MNIST and then on SVHN
TRANSFER = read("""
CELU 15.59 28.56 71.11
ELU 19.59 31.95 72.39
GELU 19.59 37.38 71.64
LReLU 19.58 28.11 72.18
Maxout 23.01 36.52 71.88
RReLU 19.58 33.38 69.87
ReLU 19.58 36.87 70.58
ReLU6 19.96 31.74 69.90
SELU 19.58 32.57 73.43
Sigmoid 19.58 15.73 33.83
Softplus 19.58 14.39 69.18
Swish 19.58 27.23 67.75
Tanh 19.58 21.92 64.78
APL 19.58 36.20 74.21
Comb 19.58 35.89 69.92
PAU 19.58 24.67 74.70
PReLU 19.58 33.45 71.15
SLAF 19.58 35.74 73.12
AReLU 24.95 31.91 76.77
""")
TRANSFER_PART = read("""
ELU 19.59 31.95 72.39
GELU 19.59 37.38 71.64
Maxout 23.01 36.52 71.88
ReLU 19.58 36.87 70.58
SELU 19.58 32.57 73.43
Softplus 19.58 14.39 69.18
APL 19.58 36.20 74.21
Comb 19.58 35.89 69.92
PAU 19.58 24.67 74.70
PReLU 19.58 33.45 71.15
SLAF 19.58 35.74 73.12
AReLU 24.95 31.91 76.77
""")
TMAF_ACCURACY = {"MNIST": ("91.8", "92.2", "91.5"), "CIFAR-10": ("77.5", "80.2", "78.1")}
"""ReLU, TMAF, parametric ReLU."""


def by_input(table: dict[str, Row]) -> dict[str, Fraction]:
    """Mean over output bases."""
    return {p: mean(known(table[p])) for p in BASES}


def by_output(table: dict[str, Row]) -> dict[str, Fraction]:
    """Mean over input bases."""
    return {q: mean([known(table[p])[k] for p in BASES]) for k, q in enumerate(BASES)}


def entries(table: dict[str, Row]) -> dict[tuple[str, str], Fraction]:
    """Entries by input and output basis."""
    return {(p, q): known(table[p])[k] for p in BASES for k, q in enumerate(BASES)}


def shown(means: dict[str, Fraction], digits: int = 3) -> str:
    """Numbers of a dict as text."""
    return ", ".join(f"{name} {float(value):.{digits}g}" for name, value in means.items())


@claim("IAT-T2", "tables 2-3", "Rows of tables 2 and 3 are input bases p and columns output bases q, as the captions "
       "say, not as the corner cells can be read: only then is the best output PWQ in both, as the text has it."
       )  # fmt: skip
def orientation(proof: Proof) -> None:
    accuracy, error = entries(MEMORIZATION), entries(FITTING)
    best = max(accuracy, key=lambda pq: accuracy[pq]), min(error, key=lambda pq: error[pq])
    proof.holds(best == (("Rect-w", "PWQ"), ("PWQ", "PWQ")), "best entries: row Rect-w, column PWQ with 98.3 % and row "
                "PWQ, column PWQ with 6.7e-5")  # fmt: skip
    proof.holds(best[0][1] == best[1][1] == "PWQ" and best[0][0] != "PWQ", "columns as outputs: PWQ twice; rows as "
                "outputs: Rect-w in table 2")  # fmt: skip


@claim("IAT-T2a", "table 2", "Zero-integral inputs (Fourier, PWL-w, Rect-w) outperform local inputs (Rect, PWL, PWQ) "
       "in table 2: each mean of a row of the first kind is above each of the second.")  # fmt: skip
def zero_integral_accuracy(proof: Proof) -> None:
    means = by_input(MEMORIZATION)
    proof.note(f"means of rows in percent: {shown(means)}")
    worst, best = min(means[p] for p in ZERO_INTEGRAL), max(means[p] for p in LOCAL)
    proof.holds(worst > best, f"PWL-w, the least of the first, is above Rect: {float(worst):.2f} > {float(best):.2f}")


@claim("IAT-T2b", "table 2", "Zero-integral inputs outperform local inputs in table 2 for every output basis.",
       Verdict.REFUTED)  # fmt: skip
def zero_integral_everywhere(proof: Proof) -> None:
    table = entries(MEMORIZATION)
    for q, p in (("Fourier", "PWL"), ("PWL-w", "PWQ"), ("Rect-w", "PWQ")):
        best = max(ZERO_INTEGRAL, key=lambda b, q=q: table[b, q])
        losers = [b for b in ZERO_INTEGRAL if table[b, q] < table[p, q]]
        text = f"output {q}: input {p} is above {', '.join(losers)}; the best zero-integral input is {best}"
        proof.refute(len(losers) >= 2, text)


@claim("IAT-T3a", "table 3", "Zero-integral inputs outperform local inputs in table 3.", Verdict.REFUTED)
def zero_integral_error(proof: Proof) -> None:
    means = by_input(FITTING)
    proof.note(f"means of rows: {shown(means)}")
    groups = [mean([means[p] for p in group]) for group in (ZERO_INTEGRAL, LOCAL)]
    proof.refute(groups[0] > groups[1], "the mean error of the three zero-integral inputs is the larger one: "
                 f"{float(groups[0]):.2e} > {float(groups[1]):.2e}")  # fmt: skip
    proof.refute(max(means, key=lambda p: means[p]) == "Rect-w", "Rect-w is the worst of all six inputs")
    proof.refute(means["PWL-w"] > max(means["PWL"], means["PWQ"]), "PWL-w is worse than PWL and PWQ")


@claim("IAT-T3b", "tables 2-3", "Local outputs do relatively better than zero-integral outputs, as groups: the mean "
       "over all entries is better in both tables.")  # fmt: skip
def local_outputs(proof: Proof) -> None:
    for name, table, sign in (("2", MEMORIZATION, 1), ("3", FITTING, -1)):
        means = by_output(table)
        local, other = (mean([means[q] for q in group]) for group in (LOCAL, ZERO_INTEGRAL))
        proof.holds(sign * local > sign * other, f"table {name}: {float(local):.3g} against {float(other):.3g}")


@claim("IAT-T3c", "tables 2-3", "Each of the three local outputs does better in the mean than each of the three "
       "zero-integral outputs.", Verdict.REFUTED)  # fmt: skip
def each_local_output(proof: Proof) -> None:
    accuracy, error = by_output(MEMORIZATION), by_output(FITTING)
    proof.note(f"means of columns, table 2: {shown(accuracy)}; table 3: {shown(error)}")
    proof.refute(accuracy["Fourier"] > max(accuracy[q] for q in LOCAL), "table 2: Fourier is the best of all six")
    proof.refute(error["PWL"] > max(error["Fourier"], error["PWL-w"]), "table 3: PWL is worse than Fourier and PWL-w")


@claim("IAT-T3d", "tables 2-3", "The best entry of both tables has the output basis PWQ.")
def best_output(proof: Proof) -> None:
    accuracy, error = entries(MEMORIZATION), entries(FITTING)
    for name, sign, table in (("2", 1, accuracy), ("3", -1, error)):
        best = max(table, key=lambda pq, t=table, k=sign: k * t[pq])
        ties = sum(v == table[best] for v in table.values())
        proof.holds(best[1] == "PWQ" and ties == 1, f"table {name}: input {best[0]}, output PWQ, without a tie")


@claim("IAT-T3e", "tables 2-3", "PWQ is the output basis with the best mean.", Verdict.REFUTED)
def best_mean_output(proof: Proof) -> None:
    accuracy, error = by_output(MEMORIZATION), by_output(FITTING)
    proof.refute(max(accuracy, key=lambda q: accuracy[q]) == "Fourier", "table 2: Fourier, "
                 f"{float(accuracy['Fourier']):.2f} % against {float(accuracy['PWQ']):.2f} %")  # fmt: skip
    proof.refute(min(error, key=lambda q: error[q]) == "Rect", "table 3: Rect, "
                 f"{float(error['Rect']):.1e} against {float(error['PWQ']):.1e}")  # fmt: skip


@claim("IAT-T3f", "tables 2-3", "The Fourier input is the best in the mean over outputs in both tables.")
def fourier_input(proof: Proof) -> None:
    accuracy, error = by_input(MEMORIZATION), by_input(FITTING)
    rest = [p for p in BASES if p != "Fourier"]
    proof.holds(accuracy["Fourier"] > max(accuracy[p] for p in rest), f"table 2: {shown(accuracy)}")
    proof.holds(error["Fourier"] < min(error[p] for p in rest), f"table 3: {shown(error)}")


@claim("IAT-T3g", "tables 2-3", "The best combination is an input of zero integral with a local output.",
       Verdict.REFUTED)  # fmt: skip
def combination(proof: Proof) -> None:
    accuracy, error = entries(MEMORIZATION), entries(FITTING)
    best = max(accuracy, key=lambda pq: accuracy[pq])
    proof.holds(best[0] in ZERO_INTEGRAL and best[1] in LOCAL, f"table 2: it is, {best}")
    least = min(error, key=lambda pq: error[pq])
    proof.refute(least[0] in LOCAL, f"table 3: the best entry is {least}, a local input")


@claim("IAT-T3h", "section 6, T3", "The experiments show that IAT-ReLU is superior to ReLU and the other activations: "
       "in table 3.", Verdict.REFUTED)  # fmt: skip
def superiority(proof: Proof) -> None:
    best = min(entries(FITTING).values())
    for name in ("tanh", "sigmoid"):
        ratio = best / FITTING_SCALAR[name]
        scalar = float(FITTING_SCALAR[name])
        proof.refute(ratio > 10, f"{name}: {scalar:.1e}; the best of 36 is {float(best):.1e}, {float(ratio):.0f} times")


@claim("IAT-T3i", "section 6, T2-3", "How many of the 36 combinations are better than scalar ReLU: 13 in table 2, 25 "
       "in table 3.", Verdict.MEASURED)  # fmt: skip
def against_relu(proof: Proof) -> None:
    above = [v for v in entries(MEMORIZATION).values() if v > MEMORIZATION_SCALAR["ReLU"]]
    below = [v for v in entries(FITTING).values() if v < FITTING_SCALAR["ReLU"]]
    proof.measured(len(above) == 13, "table 2: 13 of 36 are above the 90.4 % of ReLU")
    proof.measured(len(below) == 25, "table 3: 25 of 36 are below the 1.1e-3 of ReLU")
    proof.holds(max(above) > max(MEMORIZATION_SCALAR.values()), "table 2: the best is above the three scalar ones")


@claim("IAT-T3j", "tables 2-3", "How far two runs of one network differ: Rect with Rect is scalar ReLU, so the two "
       "printed pairs are repetitions.", Verdict.MEASURED)  # fmt: skip
def repetition(proof: Proof) -> None:
    off = MEMORIZATION_SCALAR["ReLU"] - entries(MEMORIZATION)["Rect", "Rect"]
    ratio = FITTING_SCALAR["ReLU"] / entries(FITTING)["Rect", "Rect"]
    proof.measured(off == Fraction(7, 10), "table 2: 0.7 points")
    proof.measured(ratio == Fraction(5, 4), "table 3: a factor of 1.25; scales of the initial weights may differ")


@claim("TMAF-T2a", "table 2", "For the oscillating function the tri-diagonal TMAF has the least loss, then the "
       "diagonal one; both are more than 15 times below ReLU and parametric ReLU.")  # fmt: skip
def tmaf_losses(proof: Proof) -> None:
    relu, diagonal, tridiagonal = Fraction("1.00"), Fraction("6.45e-2"), Fraction("5.81e-2")
    proof.holds(tridiagonal < diagonal < relu, "5.81e-2 < 6.45e-2 < 1.00")
    proof.holds(relu / diagonal > 15 and relu / tridiagonal > 15, "1.00 is 15.5 and 17.2 times the other two")


@claim("TMAF-T2b", "table 2", "ReLU networks find the low frequency part of the function (9) alone: the mean square of "
       "the rest is their printed loss, 1.00.")  # fmt: skip
def low_frequency(proof: Proof) -> None:
    rest, low = sin(100 * pi * s) + cos(50 * pi * s), sin(pi * s)
    square = sympy.integrate(sympy.expand(rest**2), (s, -1, 1)) / 2
    proof.equal(square, 1, "the mean square of sin(100 pi x) + cos(50 pi x) on [-1, 1] is exactly 1")
    proof.equal(sympy.integrate(sympy.expand(rest * low), (s, -1, 1)), 0, "it is orthogonal to sin(pi x)")
    whole = sympy.integrate(sympy.expand((rest + low) ** 2), (s, -1, 1)) / 2
    proof.equal(whole, Rational(3, 2), "the constant 0 would have the loss 3/2")


@claim("TMAF-T3", "table 3", "TMAF has the best accuracy for MNIST and for CIFAR-10.")
def tmaf_best(proof: Proof) -> None:
    for name, row in TMAF_ACCURACY.items():
        relu, tmaf, prelu = (Fraction(v) for v in row)
        proof.holds(tmaf > max(relu, prelu), f"{name}: by {float(tmaf - max(relu, prelu)):.1f} points")


def improvements(table: dict[str, Row], columns: Sequence[str]) -> dict[str, tuple[Fraction, Fraction]]:
    """Where a printed improvement of AReLU is not the difference of entries: printed, recomputed."""
    wrong = {}
    own = known(table["AReLU"])
    others = [n for n in table if n not in ("AReLU", "fixed", "learned")]
    for kind in ("fixed", "learned"):
        rivals = [n for n in others if (n in LEARNABLE) == (kind == "learned")]
        for k, column in enumerate(columns):
            best = max(e for n in rivals if (e := table[n][k]) is not None)
            printed = known(table[kind])[k]
            if printed != own[k] - best:
                wrong[f"{column}, {kind}"] = printed, own[k] - best
    return wrong


def wins(table: dict[str, Row]) -> list[int]:
    """For every column, how many of the 18 others are below AReLU."""
    rivals = [known(row) for n, row in table.items() if n not in ("AReLU", "fixed", "learned")]
    return [sum(row[k] < e for row in rivals) for k, e in enumerate(known(table["AReLU"]))]


def improvement_claim(number: int, table: dict[str, Row]) -> None:
    """Enter the claim that the improvements below a table of MNIST are right."""

    @claim(f"AReLU-T{number}a", f"table {number}", f"The 16 printed improvements of table {number} are the differences "
           "of its entries.")  # fmt: skip
    def differences(proof: Proof) -> None:
        wrong = improvements(table, COLUMNS)
        proof.holds(not wrong, "AReLU minus the best fixed, and minus the best learnable activation, in 8 columns")


for _number, _table in ((1, FIRST_EPOCH_MEAN), (6, LAST_EPOCH_BEST), (7, LAST_EPOCH_MEAN)):
    improvement_claim(_number, _table)


@claim("AReLU-T5a", "table 5", "The 16 printed improvements of table 5 are the differences of its entries.",
       Verdict.REFUTED)  # fmt: skip
def first_epoch_best(proof: Proof) -> None:
    wrong = improvements(FIRST_EPOCH_BEST, COLUMNS)
    proof.holds(len(wrong) == 1, "fifteen of them are")
    expected = {"Adam 1e-2, learned": (Fraction("-0.02"), Fraction("-0.06"))}
    proof.refute(wrong == expected, "Adam, 1e-2: -0.02 is printed; 98.46 minus the 98.52 of PReLU is -0.06")


@claim("AReLU-T1b", "table 1", "After the first epoch on MNIST AReLU is above most of the 18 other activations, in "
       "every column.")  # fmt: skip
def first_epoch_most(proof: Proof) -> None:
    counts = wins(FIRST_EPOCH_MEAN)
    proof.holds(min(counts) > 9, f"others below AReLU by column: {counts}")


@claim("AReLU-T7b", "table 7", "After 20 epochs on MNIST AReLU is above most of the 18 other activations, in every "
       "column.", Verdict.REFUTED)  # fmt: skip
def last_epoch_most(proof: Proof) -> None:
    counts = wins(LAST_EPOCH_MEAN)
    proof.holds(sum(counts) > 72, f"others below AReLU by column: {counts}, most of the 144 comparisons")
    proof.refute(counts[2] == 8, "Adam 1e-3, the only column where it is not: 8 of 18 are below 98.97")
    proof.holds(all(n > 9 for k, n in enumerate(counts) if k != 2), "in the other seven columns it is")


@claim("AReLU-T1c", "table 1", "With learning rates 1e-4 and 1e-5 AReLU is ahead of all 18 others after the first "
       "epoch, with both optimizers.")  # fmt: skip
def small_rates(proof: Proof) -> None:
    proof.holds(wins(FIRST_EPOCH_MEAN)[4:] == [18] * 4, "table 1: above 18 of 18 in the last four columns")
    proof.holds(wins(LAST_EPOCH_MEAN)[4:] == [18] * 4, "table 7, after 20 epochs: the same")


@claim("AReLU-T15", "tables 1, 5-7", "The best of five runs is not below their mean, comparing table 5 with table 1 "
       "and table 6 with table 7 in all 19 rows.")  # fmt: skip
def best_and_mean(proof: Proof) -> None:
    for best, means, name in (
        (FIRST_EPOCH_BEST, FIRST_EPOCH_MEAN, "5 and 1"),
        (LAST_EPOCH_BEST, LAST_EPOCH_MEAN, "6 and 7"),
    ):
        rows = [n for n in best if n not in ("fixed", "learned")]
        below = [(n, k) for n in rows for k in range(8) if known(best[n])[k] < known(means[n])[k]]
        proof.holds(len(rows) == 19 and not below, f"tables {name}: all 152 pairs: {below}")


@claim("AReLU-T2a", "tables 2, 8", "On SVHN, AReLU is the best of all when trained directly, and when pretrained on "
       "MNIST and then fine-tuned.")  # fmt: skip
def transfer(proof: Proof) -> None:
    for k, name in ((0, "directly"), (2, "pretrained and fine-tuned")):
        ranked = sorted(TRANSFER, key=lambda n, k=k: -known(TRANSFER[n])[k])
        proof.holds(ranked[0] == "AReLU", f"{name}: AReLU first, then {ranked[1]}")
    stuck = sum(known(row)[0] in (Fraction("19.58"), Fraction("19.59")) for row in TRANSFER.values())
    share = round(Fraction(100 * 5099, 26032), 2)
    proof.holds(stuck == 15 and share == Fraction("19.59"), "15 of the 18 others have 19.58 or 19.59 when trained "
                "directly: the share of the commonest digit, 5099 of 26032, a constant answer")  # fmt: skip


@claim("AReLU-T2b", "tables 2, 8", "Pretrained on MNIST without fine-tuning, too, AReLU is better on SVHN than most "
       "others.", Verdict.REFUTED)  # fmt: skip
def without_finetuning(proof: Proof) -> None:
    own = known(TRANSFER["AReLU"])[1]
    above = [n for n, row in TRANSFER.items() if known(row)[1] > own]
    proof.refute(len(above) > 9, f"{len(above)} of 18 are above its 31.91: {', '.join(above)}")


@claim("AReLU-T2c", "tables 2, 8", "Table 2 is a part of table 8.")
def part(proof: Proof) -> None:
    same = all(TRANSFER[n] == row for n, row in TRANSFER_PART.items())
    proof.holds(same, f"its {3 * len(TRANSFER_PART)} numbers are those of table 8")


@claim("AReLU-T3a", "table 3", "The best of five runs on CIFAR-10 is never below their mean.", Verdict.REFUTED)
def impossible_means(proof: Proof) -> None:
    found = []
    for n, row in CIFAR10.items():
        if n in ("fixed", "learned"):
            continue
        for k in (0, 2, 4):
            best, average = row[k], row[k + 1]
            if best is not None and average is not None and average > best:
                found.append((n, CIFAR10_COLUMNS[k].split()[0]))
    proof.refute(found == [("CELU", "VGG-11"), ("GELU", "MobileNet")], "CELU with VGG-11: mean 89.92, best 89.76; GELU "
                 "with MobileNet: mean 92.74, best 92.56. All other pairs are possible")  # fmt: skip


@claim("AReLU-T3b", "table 3", "The 12 printed improvements of table 3 are the differences of its entries.",
       Verdict.REFUTED)  # fmt: skip
def cifar_improvements(proof: Proof) -> None:
    wrong = improvements(CIFAR10, CIFAR10_COLUMNS)
    proof.holds(len(wrong) == 1, "eleven of them are")
    expected = {"VGG-11 best, learned": (Fraction("0.20"), Fraction("0.14"))}
    proof.refute(wrong == expected, "VGG-11, best: +0.20 is printed; 91.90 minus the 91.76 of PAU is +0.14")


def rank(k: int) -> int:
    """The place of AReLU in a column of table 3."""
    own = known(CIFAR10["AReLU"])[k]
    rows = [row for n, row in CIFAR10.items() if n not in ("fixed", "learned")]
    return 1 + sum((e := row[k]) is not None and e > own for row in rows)


@claim("AReLU-T3c", "table 3", "AReLU is the best with VGG-11, by the best of five runs.")
def vgg_best(proof: Proof) -> None:
    proof.holds(rank(0) == 1, "91.90 is first; the next is leaky ReLU, .01 below, one image of 10000")


@claim("AReLU-T3d", "table 3", "AReLU is the best with VGG-11, by the mean of five runs.", Verdict.REFUTED)
def vgg_mean(proof: Proof) -> None:
    own, leaky = known(CIFAR10["AReLU"])[1], known(CIFAR10["LeakyReLU"])[1]
    proof.refute(rank(1) == 2 and leaky > own, "leaky ReLU has 91.75, AReLU 91.59: second")


@claim("AReLU-T3e", "table 3", "AReLU outperforms the learnable activations of a comparable number of parameters (APL, "
       "Comb, PReLU: one or two).", Verdict.REFUTED)  # fmt: skip
def comparable(proof: Proof) -> None:
    own, rivals = known(CIFAR10["AReLU"]), {n: known(CIFAR10[n]) for n in ("APL", "Comb", "PReLU")}
    lost = [(n, CIFAR10_COLUMNS[k]) for n, row in rivals.items() for k in range(6) if row[k] > own[k]]
    equal = [n for n, row in rivals.items() if any(a == b for a, b in zip(row, own, strict=True))]
    proof.holds(not equal, "no ties")
    proof.refute(lost == [("Comb", "MobileNet best"), ("PReLU", "MobileNet best")], "MobileNet, best: Comb 92.04 and "
                 "PReLU 91.71 are above 91.68; in the 16 other comparisons AReLU is ahead")  # fmt: skip


@claim("AReLU-T3f", "table 3", "AReLU's place among the activations: with ResNet-18 first (a tie) and fourth, with "
       "MobileNet seventh and fifth, by best and mean.", Verdict.MEASURED)  # fmt: skip
def places(proof: Proof) -> None:
    proof.measured([rank(k) for k in range(6)] == [1, 2, 1, 4, 7, 5], "places in the six columns: 1, 2, 1, 4, 7, 5")
    best = max((e, n) for n, row in CIFAR10.items() if (e := row[4]) is not None)
    proof.holds(best == (Fraction("92.71"), "PAU"), "MobileNet: the best of five runs is PAU's 92.71")


@claim("AReLU-T4a", "table 4", "On CIFAR-100 all six networks are better with AReLU than with ReLU, in top-1 and "
       "top-5.")  # fmt: skip
def all_six(proof: Proof) -> None:
    for name, row in CIFAR100.items():
        relu1, relu5, own1, own5, *_ = known(row)
        first, fifth = own1 - relu1, own5 - relu5
        proof.holds(first > 0 and fifth > 0, f"{name}: by {float(first):.2f} and {float(fifth):.2f}")


@claim("AReLU-T4b", "table 4", "The 12 printed improvements of table 4 are the differences of its entries, up to .01 "
       "as rounded means allow.")  # fmt: skip
def cifar100_differences(proof: Proof) -> None:
    off = {}
    for name, row in CIFAR100.items():
        relu1, relu5, own1, own5, top1, top5 = known(row)
        off[name] = max(abs(own1 - relu1 - top1), abs(own5 - relu5 - top5))
    proof.holds(max(off.values()) <= Fraction(1, 100), "none is off by more than .01")
    proof.holds([n for n, v in off.items() if v] == ["ResNet-18"], "one is: ResNet-18, +0.20 for 93.39 - 93.18")


@claim("AReLU-T4c", "abstract, T4", "How much AReLU gains over ReLU in top-1 on CIFAR-100: five of six networks by "
       "less than a quarter of a point, the median is .095.", Verdict.MEASURED)  # fmt: skip
def gains(proof: Proof) -> None:
    gain = [known(row)[2] - known(row)[0] for row in CIFAR100.values()]
    proof.measured(sum(g < Fraction(1, 4) for g in gain) == 5, "five of six gains are below 0.25; ShuffleNet has 1.07")
    proof.measured(statistics.median(gain) == Fraction("0.095"), "the median is 0.095")
