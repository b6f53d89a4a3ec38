"""Tables 1 to 8 of the AReLU paper."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from fractions import Fraction

from ...ledger import Proof, Verdict, claim
from .arelu_numbers import (
    CIFAR10,
    CIFAR10_COLUMNS,
    CIFAR100,
    COLUMNS,
    FIRST_EPOCH_BEST,
    FIRST_EPOCH_MEAN,
    LAST_EPOCH_BEST,
    LAST_EPOCH_MEAN,
    LEARNABLE,
    TRANSFER,
    TRANSFER_PART,
)  # fmt: skip
from .reading import Row, known


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
