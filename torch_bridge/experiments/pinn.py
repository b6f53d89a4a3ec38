"""Differential equations: the exact transform, whose second derivatives exist, against tanh, sine and M points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from iatcore.bases import FAMILIES
from torch_bridge.experiments.documents import Report
from torch_bridge.experiments.engine import Experiment, Preset, Results
from torch_bridge.experiments.iat_runs import check_choices
from torch_bridge.experiments.pinn_equations import EQUATIONS
from torch_bridge.experiments.pinn_features import FeatureJob
from torch_bridge.experiments.pinn_report import pinn_report
from torch_bridge.experiments.pinn_training import (
    COLLOCATION,
    FIXED,
    GALERKIN,
    IAT,
    SINE,
    STRONG,
    TANH,
    TRAINED,
    PinnRun,
    SolverJob,
)
from torch_bridge.train.job import Job

STRONG_BASIS = "pwl"
"""The input basis of the strong form: u'' is bounded for nodal hats, its mean square infinite for fourier and pwq."""


@dataclass(frozen=True)
class PinnSettings:
    """Everything that the tables depend on, seeds apart.

    Attributes:
        equations: names in :data:`~torch_bridge.experiments.pinn_equations.EQUATIONS`.
        forms: ``strong`` (mean squared residual; input basis pwl) and ``variational`` (energy; Poisson and coercive
            Helmholtz alone) train networks, ``collocation`` (input basis pwl) and ``galerkin`` solve for
            coefficients of fixed random features.
        variational_bases: input bases of the variational form.
        output_basis: of all networks; features have pwq.
        mesh: M >= 1 of the M-point IAT; None leaves it out.
        scalars: ``tanh``, ``sine``.
        frequency: m >= 1 of ``product of sin(m pi x_i)``.
        wave_number: k > 0 of Helmholtz.
        hidden_layers, width: of the networks, >= 1; width >= 2.
        steps: of Adam, >= 1.
        learning_rates: at the first step, each > 0; goes to 0 by half a cosine. Every network is trained with each,
            and counts with the one whose objective is least in the mean over seeds.
        points_1d, points_2d: cells along each coordinate, >= 2, with one point each, anywhere in it at every step.
        boundary_weight: > 0, of the mean squared error on the boundary, beside the mean squared residual.
        test_points_1d, test_points_2d: along each coordinate, >= 2, ends included.
        feature_equations: what features are tried on; all but burgers.
        features: numbers of features, each >= 2.
        galerkin_bases: input bases of the features in the Ritz-Galerkin system.
        feature_points: collocation points along each coordinate, >= 2.
        galerkin_points: Gauss-Legendre nodes along each coordinate, >= 2.
        feature_scale: > 0, length of the rows of W before a tanh.
    """

    equations: tuple[str, ...] = ("poisson-1d", "poisson-2d", "helmholtz-1d", "helmholtz-2d", "burgers")
    forms: tuple[str, ...] = (*TRAINED, *FIXED)
    variational_bases: tuple[str, ...] = ("fourier", "pwq")
    output_basis: str = "pwq"
    mesh: int | None = 200
    scalars: tuple[str, ...] = (TANH, SINE)
    frequency: int = 1
    wave_number: float = 5.0
    hidden_layers: int = 2
    width: int = 10
    steps: int = 300
    learning_rates: tuple[float, ...] = (1e-2, 3e-2)
    points_1d: int = 48
    points_2d: int = 12
    boundary_weight: float = 100.0
    test_points_1d: int = 401
    test_points_2d: int = 41
    feature_equations: tuple[str, ...] = ("poisson-2d",)
    features: tuple[int, ...] = (100, 400, 1000)
    galerkin_bases: tuple[str, ...] = ("pwq",)
    feature_points: int = 40
    galerkin_points: int = 80
    feature_scale: float = 1.0

    def __post_init__(self) -> None:
        check_choices("equations", self.equations, tuple(EQUATIONS))
        check_choices("forms", self.forms, (*TRAINED, *FIXED))
        check_choices("variational_bases", self.variational_bases, tuple(FAMILIES), empty=True)
        check_choices("output_basis", (self.output_basis,), tuple(FAMILIES))
        check_choices("scalars", self.scalars, (TANH, SINE), empty=True)
        check_choices("feature_equations", self.feature_equations, tuple(e for e in EQUATIONS if e != "burgers"), True)
        check_choices("features", self.features, empty=True)
        check_choices("galerkin_bases", self.galerkin_bases, tuple(FAMILIES), empty=True)
        least = {"frequency": 1, "hidden_layers": 1, "width": 2, "steps": 1}
        least |= dict.fromkeys(("points_1d", "points_2d", "test_points_1d", "test_points_2d"), 2)
        least |= dict.fromkeys(("feature_points", "galerkin_points"), 2)
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise ValueError(f"{name} must be at least {bound}, got {getattr(self, name)}")
        if any(count < 2 for count in self.features):
            raise ValueError(f"features must be at least 2, got {', '.join(map(str, self.features))}")
        if self.mesh is not None and self.mesh < 1:
            raise ValueError(f"mesh must be none or at least 1, got {self.mesh}")
        check_choices("learning_rates", self.learning_rates)
        if not all(math.isfinite(rate) and rate > 0 for rate in self.learning_rates):
            raise ValueError(f"learning_rates must be positive and finite, got {self.learning_rates}")
        for name in ("wave_number", "boundary_weight", "feature_scale"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise ValueError(f"{name} must be positive and finite, got {getattr(self, name)}")


def runs(settings: PinnSettings) -> Sequence[PinnRun]:
    """Networks form by form and equation by equation, then features."""
    result = []
    for form in settings.forms:
        if form in TRAINED:
            for equation in settings.equations:
                if form == STRONG or _network(settings, equation, form, TANH).problem().variational:
                    result += _networks(settings, equation, form)
        else:
            for equation in settings.feature_equations:
                if form == COLLOCATION or _features(settings, equation, form, 2, None).problem().variational:
                    result += _feature_runs(settings, equation, form)
    return result


def _networks(settings: PinnSettings, equation: str, form: str) -> list[PinnRun]:
    exact = (STRONG_BASIS,) if form == STRONG else settings.variational_bases
    result = [_network(settings, equation, form, IAT, basis) for basis in exact]
    if settings.mesh is not None:
        sampled = STRONG_BASIS if form == STRONG else "fourier"
        result.append(_network(settings, equation, form, IAT, sampled, settings.mesh))
    result += [_network(settings, equation, form, scalar) for scalar in settings.scalars]
    return [replace(run, learning_rate=rate) for run in result for rate in settings.learning_rates]


def _network(
    settings: PinnSettings, equation: str, form: str, activation: str, basis: str | None = None, mesh: int | None = None
) -> PinnRun:
    line = EQUATIONS[equation][1] == 1
    return PinnRun(
        equation=equation,
        form=form,  # type: ignore[arg-type]
        activation=activation,  # type: ignore[arg-type]
        input_basis=basis,
        output_basis=settings.output_basis if basis else None,
        mesh=mesh,
        frequency=settings.frequency,
        wave_number=settings.wave_number,
        hidden_layers=settings.hidden_layers,
        width=settings.width,
        steps=settings.steps,
        learning_rate=settings.learning_rates[0],
        points=settings.points_1d if line else settings.points_2d,
        boundary_weight=settings.boundary_weight,
        test_points=settings.test_points_1d if line else settings.test_points_2d,
    )


def _feature_runs(settings: PinnSettings, equation: str, form: str) -> list[PinnRun]:
    bases = (STRONG_BASIS,) if form == COLLOCATION else settings.galerkin_bases
    return [
        _features(settings, equation, form, count, basis) for basis in (*bases, None) for count in settings.features
    ]


def _features(settings: PinnSettings, equation: str, form: str, count: int, basis: str | None) -> PinnRun:
    return PinnRun(
        equation=equation,
        form=form,  # type: ignore[arg-type]
        activation=IAT if basis else TANH,
        input_basis=basis,
        output_basis="pwq" if basis else None,
        mesh=None,
        frequency=settings.frequency,
        wave_number=settings.wave_number,
        hidden_layers=1,
        width=count,
        steps=1,
        learning_rate=1.0,
        points=settings.galerkin_points if form == GALERKIN else settings.feature_points,
        boundary_weight=settings.boundary_weight,
        test_points=settings.test_points_1d if EQUATIONS[equation][1] == 1 else settings.test_points_2d,
        features=count,
        feature_scale=settings.feature_scale,
    )


def start(run: PinnRun, seeds: Sequence[int], device: torch.device) -> Job:
    """Untrained networks, or features without coefficients; one member a seed."""
    return FeatureJob(run, seeds, device) if run.form in FIXED else SolverJob(run, seeds, device)


CHOSEN = (
    "the paper has no such experiment: its Remark 1 names it as the use of second derivatives",
    "solutions: product of sin(m pi x_i) on (-1, 1)^d; Burgers with nu = 0.01/pi and u(0, x) = -sin(pi x)",
    "Helmholtz is -div grad u + k^2 u = f, which has an energy; the indefinite sign (equations indefinite-1d, -2d) has "
    "none that is bounded below, so it is offered in the strong form alone",
    "strong form: mean squared residual with derivatives by autograd, and a penalty on the boundary; variational form: "
    "mean energy density of a network times a function that vanishes there (a penalty would move the minimum)",
    "points are drawn anew in every step, one in each cell: networks find energies below the minimum on fixed points",
    "hidden biases drawn from N(0, 1): IAT-ReLU is 1-homogeneous, so with biases of 0 and one input u'' is 0 at first",
    "weights: He's rule for IAT-ReLU, gain 1 for tanh and sine; Adam with a cosine; float64",
    "learning rate: for every network the one of learning_rates with the least objective, which does not know u",
    "features: hyperplanes in uniform directions with uniform offsets; the IAT authors tune their scale",
)
"""What was chosen."""


def report(settings: PinnSettings, results: Results) -> Report:
    """The tables, and whether it helped."""
    return pinn_report(settings, results, CHOSEN)


EXPERIMENT = Experiment(
    name="pinn",
    title="Poisson, Helmholtz and Burgers with exact second derivatives, against tanh, sine and the M-point IAT",
    reproduces="nothing: new, after IAT remark 1",
    data="generated",
    presets={
        "smoke": Preset(
            PinnSettings(
                equations=("poisson-1d", "burgers"),
                variational_bases=("fourier",),
                learning_rates=(1e-2,),
                width=4,
                steps=6,
                points_1d=12,
                points_2d=4,
                test_points_1d=21,
                test_points_2d=6,
                features=(10, 20),
                feature_points=10,
                galerkin_points=10,
            ),
            seeds=2,
        ),
        "quick": Preset(PinnSettings(), seeds=3),
        "paper": Preset(
            PinnSettings(
                equations=tuple(EQUATIONS),
                frequency=2,
                width=50,
                steps=20000,
                learning_rates=(1e-3, 3e-3, 1e-2, 3e-2),
                variational_bases=("pwl", "fourier", "pwq"),
                points_1d=256,
                points_2d=48,
                test_points_1d=1001,
                test_points_2d=101,
                galerkin_bases=("pwl", "fourier", "pwq"),
                feature_points=50,
                galerkin_points=160,
                feature_scale=2.0,
            ),
            seeds=5,
        ),
    },
    run=PinnRun,
    runs=runs,
    start=start,
    report=report,
)
