"""Loss and measure of segmentations."""

from __future__ import annotations

import math

from torch import Tensor


def dice_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """``1 - (2 sum p y + 1) / (sum p + sum y + 1)`` over a batch, github.com/mateuszbuda/brain-segmentation-pytorch."""
    both = (prediction * target).sum()
    return 1 - (2 * both + 1) / (prediction.sum() + target.sum() + 1)


def dice(prediction: Tensor, target: Tensor, groups: Tensor) -> float:
    """Mean over groups of ``2 |A and B| / (|A| + |B|)``, 1 where both are empty.

    Args:
        prediction, target: bool ``(n, 1, h, w)``.
        groups: ``(n,)``, the volume of each slice.
    """
    values = []
    for group in groups.unique().tolist():
        a, b = prediction[groups == group], target[groups == group]
        total = int(a.sum() + b.sum())
        values.append(2 * int((a & b).sum()) / total if total else 1.0)
    return math.fsum(values) / len(values)
