"""The two functions of the parameters of AReLU."""

from __future__ import annotations

import math


def clamp_alpha(alpha: float) -> float:
    """C of AReLU 2.2: alpha clamped to [.01, .99]."""
    return min(max(alpha, 0.01), 0.99)


def sigmoid(beta: float) -> float:
    """``1/(1 + exp(-beta))``, without overflow."""
    return 1.0 / (1.0 + math.exp(-beta)) if beta >= 0 else math.exp(beta) / (1.0 + math.exp(beta))
