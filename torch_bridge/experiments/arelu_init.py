"""AReLU figure 2: MNIST-Conv from eight starts of alpha and beta."""

from __future__ import annotations

from collections.abc import Sequence

from torch_bridge.experiments.documents import Report, Section, Table
from torch_bridge.experiments.engine import Preset, Results
from torch_bridge.experiments.image_report import (
    CLOSE,
    About,
    Found,
    by_run,
    chosen_section,
    claims_section,
    curves_section,
    make_report,
    mean_cell,
    name,
    percent,
    place,
    untested,
)
from torch_bridge.experiments.image_runs import ImageRun
from torch_bridge.experiments.image_study import SMOKE, ImageSettings, study
from torch_bridge.experiments.statistics import (
    NOT_SUPPORTED,
    NOT_TESTED,
    SUPPORTED,
    Claim,
    Difference,
    Sample,
    metric_by_seed,
)

FIRST_EPOCH, WHOLE = (About(epochs, "mnist", "mnist-conv") for epochs in (1, 20))
ALPHAS = (0.01, 0.25, 0.25, 0.5, 0.75, 0.75, 0.99, 0.99)
BETAS = (2.0, -1.0, 1.0, 0.0, -1.0, 1.0, -2.0, 2.0)
"""The eight starts of figure 2."""
FIRST, LAST = "accuracy 1", "accuracy"


def claims(found: Found) -> list[Claim]:
    """What section 3.1 says about starts of AReLU."""
    result = []
    own = [run for run in found if run.activation == "arelu"]
    for where in dict.fromkeys(map(place, own)):
        here = [run for run in own if place(run) == where]
        result += [
            _close("different starts end in close accuracy", where, found, here, LAST, WHOLE),
            _close("different starts converge at close rates (first epoch)", where, found, here, FIRST, FIRST_EPOCH),
            _groups(
                "a larger beta speeds up convergence: beta >= 1 against beta <= 0, first epoch",
                where,
                found,
                [run for run in here if run.beta >= 1],
                [run for run in here if run.beta <= 0],
                FIRST,
                FIRST_EPOCH,
            ),
            _groups(
                "alpha of .25 or .75 ends more accurate than others",
                where,
                found,
                [run for run in here if run.alpha in (0.25, 0.75)],
                [run for run in here if run.alpha not in (0.25, 0.75)],
                LAST,
                WHOLE,
            ),
        ]
    return result


def _close(text: str, where: str, found: Found, here: Sequence[ImageRun], metric: str, about: About) -> Claim:
    reason = untested(here[0], about)
    if reason is not None or len(here) < len(ALPHAS):
        return Claim(text, where, NOT_TESTED, reason or f"{len(here)} of {len(ALPHAS)} starts trained")
    means = {name(run): percent(found[run], metric).mean for run in here}
    low, high = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
    numbers = f"from {means[low]:.2f} % {low} to {means[high]:.2f} % {high}; close is {CLOSE:g}"
    return Claim(text, where, SUPPORTED if means[high] - means[low] <= CLOSE else NOT_SUPPORTED, numbers)


def _groups(
    text: str, where: str, found: Found, a: Sequence[ImageRun], b: Sequence[ImageRun], metric: str, about: About
) -> Claim:
    if not (a and b):
        return Claim(text, where, NOT_TESTED, "not trained")
    reason = untested(a[0], about)
    if reason is not None:
        return Claim(text, where, NOT_TESTED, reason)
    samples = (
        Sample.of(100 * v for run in group for v in metric_by_seed(found[run], metric).values()) for group in (a, b)
    )
    difference = Difference(*samples)
    numbers = f"{difference.a.mean:.2f} against {difference.b.mean:.2f} %; {difference.text}"
    return Claim(text, where, difference.verdict, numbers)


def report(settings: ImageSettings, results: Results) -> Report:
    """Accuracies, paths of alpha and beta, claims."""
    found = by_run(settings, results)
    head = ("start (alpha, beta)", "first epoch", "best epoch", "last epoch")
    metrics = (FIRST, "best accuracy", LAST)
    rows = tuple((name(run), *(mean_cell(percent(of, m), None) for m in metrics)) for run, of in found.items())
    return make_report(
        "arelu-init",
        "AReLU figure 2",
        claims_section("Claims of AReLU section 3.1", claims(found)),
        Section("Accuracy", ("Test accuracy in %. The paper shows curves alone.", Table(head, rows))),
        curves_section(found),
        chosen_section(
            "SGD with momentum .9 at rate .01, batches of 128, 20 epochs: the paper does not say",
            f"accuracies are close within {CLOSE:g} percentage point",
            "iat-arelu with the same starts is not in the figure",
        ),
    )


PLAIN = {"activations": ("arelu",), "optimizers": ("sgd",), "learning_rates": (1e-2,), "alphas": ALPHAS, "betas": BETAS}
EXPERIMENT = study(
    "arelu-init",
    "AReLU from eight starts of alpha and beta",
    "AReLU figure 2",
    "mnist",
    {
        "smoke": Preset(ImageSettings(**{**PLAIN, **SMOKE, "alphas": ALPHAS[:2], "betas": BETAS[:2]}), seeds=2),
        "quick": Preset(ImageSettings(**PLAIN, epochs=1), seeds=1),
        "paper": Preset(ImageSettings(**{**PLAIN, "activations": ("arelu", "iat-arelu")}), seeds=5),
    },
    report,
)
