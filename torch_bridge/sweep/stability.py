"""How smoothly a run went: jumps of its loss and of its gradient."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

LOSS_JUMP, GRADIENT_CHANGE = "loss_jump", "gradient_change"


def gradient_change(new: Tensor, old: Tensor | None) -> list[float]:
    """``|g_k - g_(k-1)| / (|g_k| + |g_(k-1)|)`` of each member, 2-norms of rows; in [0, 1], nan where unknown."""
    if old is None:
        return [math.nan] * len(new)
    old = old.to(new.device)
    sizes = torch.linalg.vector_norm(new, dim=1) + torch.linalg.vector_norm(old, dim=1)
    return (torch.linalg.vector_norm(new - old, dim=1) / sizes).double().tolist()


def loss_jump(losses: Sequence[float]) -> float | None:
    """Mean of ``|log l_k - log l_(k-1)|`` over consecutive recorded losses; None if there are not two above 0."""
    pairs = [(a, b) for a, b in pairwise(losses) if a > 0 and b > 0]
    return math.fsum(abs(math.log(b / a)) for a, b in pairs) / len(pairs) if pairs else None


def final_metrics(
    seeds: Sequence[int],
    failures: Sequence[str | None],
    metrics: Mapping[str, Sequence[float]],
    records: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """The entries of ``result.json``, one a member: seed, failure, metrics with the two measures of stability."""
    members = []
    for i, (seed, failure) in enumerate(zip(seeds, failures, strict=True)):
        values: dict[str, float | None] = {}
        if failure is None:
            values = {name: float(column[i]) for name, column in metrics.items()}
            bad = [f"{name} is {value}" for name, value in values.items() if not math.isfinite(value or 0.0)]
            failure = "; ".join(bad) or None
        if failure is None:
            changes = [r["gradient_change"][i] for r in records if r["gradient_change"][i] is not None]
            losses = [record["loss"][i] for record in records]
            values |= {
                "loss": losses[-1],
                LOSS_JUMP: loss_jump(losses),
                GRADIENT_CHANGE: math.fsum(changes) / len(changes) if changes else None,
            }
            values = {name: value for name, value in values.items() if value is not None}
        members.append({"seed": seed, "failure": failure, "metrics": {} if failure else values})
    return members
