"""SVHN, cropped digits, in MATLAB files of version 5."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .containers import Images
from .errors import DataError
from .idx import DIGITS
from .mat import read_mat5


def read_mat(path: Path) -> tuple[Tensor, Tensor]:
    """Images ``(n, 3, 32, 32)`` and labels of one file; the label 10 that stands for the digit 0 becomes 0.

    Raises:
        DataError: see :func:`torch_bridge.data.mat.read_mat5`; variables other than bytes X of shape (32, 32, 3, n) and
            y of shape (n, 1), labels out of range.
    """
    variables = read_mat5(path, ("X", "y"))
    pixels, labels = variables["X"], variables["y"]
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[:3] != (32, 32, 3):
        raise DataError(path, f"must have bytes X of shape (32, 32, 3, n), got {pixels.dtype} {pixels.shape}")
    if labels.shape != (pixels.shape[3], 1):
        raise DataError(path, f"must have y of shape ({pixels.shape[3]}, 1), got {labels.shape}")
    if not np.isin(labels, np.arange(1, 11)).all():
        raise DataError(path, "must have labels from 1 to 10")
    images = np.ascontiguousarray(pixels.transpose(3, 2, 0, 1))
    return torch.from_numpy(images), torch.from_numpy(labels[:, 0].astype(np.int64) % 10)


def read_svhn(paths: Sequence[Path], name: str = "svhn") -> Images:
    """``train_32x32.mat`` and ``test_32x32.mat``, in this order.

    Raises:
        DataError: see :func:`read_mat`.
    """
    train, test = (read_mat(path) for path in paths)
    return Images(*train, *test, classes=DIGITS, name=name)
