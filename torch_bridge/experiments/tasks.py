"""The tasks on which activations are compared, as tensors with a loss and a metric."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

DIGITS_TEST_FRACTION = 0.25
"""Share of scikit-learn's digits that is kept for testing."""


@dataclass(frozen=True)
class Task:
    """Data, loss and metric of one task.

    Attributes:
        name: short name, as in results.
        title: for people.
        inputs, targets: training data, shapes ``(n, inputs)`` and what ``loss`` takes.
        test_inputs, test_targets: what the metric is measured on; the training data where a task measures
            how well a network memorises or fits.
        outputs: number of network outputs.
        loss: ``loss(prediction, target)``, a scalar tensor.
        metric: ``metric(prediction, target)``, a float.
        metric_name: "accuracy" or "MSE".
    """

    name: str
    title: str
    inputs: Tensor
    targets: Tensor
    test_inputs: Tensor
    test_targets: Tensor
    outputs: int
    loss: Callable[[Tensor, Tensor], Tensor]
    metric: Callable[[Tensor, Tensor], float]
    metric_name: str


def mesh_points(side: int) -> Tensor:
    """The ``side * side`` points of a uniform mesh of [-1, 1]^2 with its edges; shape ``(side**2, 2)``.

    The first coordinate varies slowest (IAT figure 4 has side 50).
    """
    if side < 2:
        raise ValueError(f"side must be at least 2, got {side}")
    axis = torch.linspace(-1.0, 1.0, side)
    return torch.cartesian_prod(axis, axis)


def random_labels(side: int, seed: int) -> Task:
    """Memorise independent fair labels -1 and 1 on a mesh (IAT section 5, table 2)."""
    points = mesh_points(side)
    coin = np.random.default_rng(seed).integers(0, 2, size=(len(points), 1))
    labels = torch.from_numpy(2.0 * coin - 1.0).to(points.dtype)
    return Task(
        name="labels",
        title="random labels",
        inputs=points,
        targets=labels,
        test_inputs=points,
        test_targets=labels,
        outputs=1,
        loss=F.soft_margin_loss,
        metric=sign_accuracy,
        metric_name="accuracy",
    )


def oscillation(side: int, frequency: float) -> Task:
    """Fit ``sin(k pi x) sin(k pi y)``, k the frequency, on a mesh.

    It stands for the "high-frequency function" of IAT section 5, table 3, whose formula is not published.
    """
    points = mesh_points(side)
    values = torch.sin(frequency * math.pi * points.double()).prod(dim=1, keepdim=True).to(points.dtype)
    return Task(
        name="function",
        title="oscillating function",
        inputs=points,
        targets=values,
        test_inputs=points,
        test_targets=values,
        outputs=1,
        loss=F.mse_loss,
        metric=mean_squared_error,
        metric_name="MSE",
    )


def digits(split_seed: int = 0) -> Task:
    """The 1,797 real 8 x 8 digits of scikit-learn, pixels in [0, 1], split with equal class shares."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    train, test, train_labels, test_labels = train_test_split(
        images / 16.0,
        labels,
        test_size=DIGITS_TEST_FRACTION,
        stratify=labels,
        random_state=split_seed,
    )
    return Task(
        name="digits",
        title="real digits",
        inputs=torch.from_numpy(train).float(),
        targets=torch.from_numpy(train_labels).long(),
        test_inputs=torch.from_numpy(test).float(),
        test_targets=torch.from_numpy(test_labels).long(),
        outputs=10,
        loss=F.cross_entropy,
        metric=class_accuracy,
        metric_name="accuracy",
    )


def sign_accuracy(prediction: Tensor, target: Tensor) -> float:
    """Share of entries whose sign is that of the target, -1 or 1; a prediction of 0 is wrong."""
    return (prediction * target > 0).double().mean().item()


def class_accuracy(prediction: Tensor, target: Tensor) -> float:
    """Share of rows whose largest entry is the target class."""
    return (prediction.argmax(dim=1) == target).double().mean().item()


def mean_squared_error(prediction: Tensor, target: Tensor) -> float:
    """Mean of the squared differences, in float64."""
    return (prediction.double() - target.double()).square().mean().item()
