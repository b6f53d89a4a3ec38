"""What readers return."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Images:
    """Images with one class each.

    Attributes:
        train, test: uint8 of shape ``(n, channels, height, width)``.
        train_labels, test_labels: int64 of shape ``(n,)``, in [0, number of classes).
        classes: names of the classes by label.
        name: of the data set.

    Raises:
        TypeError, ValueError: other dtypes or shapes, different numbers of images and labels, labels out of range, or
            no images at all.
    """

    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor
    classes: tuple[str, ...]
    name: str

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            images, labels = getattr(self, part), getattr(self, f"{part}_labels")
            _check_images(images, part)
            if labels.dtype != torch.int64 or labels.shape != images.shape[:1]:
                raise ValueError(
                    f"{part}_labels must be int64 of shape ({len(images)},), got {labels.dtype} {tuple(labels.shape)}"
                )
            low, high = int(labels.min()), int(labels.max())
            if low < 0 or high >= len(self.classes):
                raise ValueError(f"{part}_labels must be in [0, {len(self.classes)}), got {low} to {high}")
        if self.train.shape[1:] != self.test.shape[1:]:
            raise ValueError(
                f"train and test images must have one shape, got {tuple(self.train.shape[1:])} "
                f"and {tuple(self.test.shape[1:])}"
            )

    def repeated(self, channels: int) -> Images:
        """Images of one channel as views with several equal channels (AReLU 3.3: MNIST for SVHN).

        Raises:
            ValueError: the images have more than one channel, or ``channels`` is below 1.
        """
        if self.train.shape[1] != 1 or channels < 1:
            raise ValueError(
                f"one channel can be repeated at least once, got {self.train.shape[1]} channels and {channels}"
            )
        return replace(self, train=self.train.expand(-1, channels, -1, -1), test=self.test.expand(-1, channels, -1, -1))

    def cropped(self, side: int) -> Images:
        """The squares of ``side`` pixels in the middle, as views (AReLU 3.3: SVHN to 28).

        Raises:
            ValueError: ``side`` is below 1 or above the height or width.
        """
        height, width = self.train.shape[2:]
        if not 1 <= side <= min(height, width):
            raise ValueError(f"side must be from 1 to {min(height, width)}, got {side}")
        top, left = (height - side) // 2, (width - side) // 2
        rows, columns = slice(top, top + side), slice(left, left + side)
        return replace(self, train=self.train[:, :, rows, columns], test=self.test[:, :, rows, columns])


@dataclass(frozen=True, eq=False)
class Scans:
    """Slices of volumes with a mask each.

    Attributes:
        images: uint8 of shape ``(n, 3, height, width)``.
        masks: uint8 of shape ``(n, 1, height, width)``, 0 or 1.
        patient: int64 of shape ``(n,)``, indices into ``patients``; slices of one patient are in their order.
        patients: an identifier for each patient.
        name: of the data set.

    Raises:
        TypeError, ValueError: other dtypes, shapes or values.
    """

    images: Tensor
    masks: Tensor
    patient: Tensor
    patients: tuple[str, ...]
    name: str

    def __post_init__(self) -> None:
        _check_images(self.images, "images")
        _check_images(self.masks, "masks")
        if self.masks.shape != (len(self.images), 1, *self.images.shape[2:]):
            raise ValueError(
                f"masks must be one channel for each image, got {tuple(self.masks.shape)} for "
                f"{tuple(self.images.shape)}"
            )
        if int(self.masks.max()) > 1:
            raise ValueError(f"masks must be 0 or 1, got {int(self.masks.max())}")
        if self.patient.dtype != torch.int64 or self.patient.shape != self.images.shape[:1]:
            raise ValueError(f"patient must be int64 of shape ({len(self.images)},), got {self.patient.dtype}")
        if int(self.patient.min()) < 0 or int(self.patient.max()) >= len(self.patients):
            raise ValueError(f"patient must be in [0, {len(self.patients)})")

    def select(self, patients: list[int]) -> Scans:
        """The slices of some patients, given by their indices, without doubles."""
        rows = torch.isin(self.patient, torch.tensor(patients, dtype=torch.int64))
        number = {old: new for new, old in enumerate(patients)}
        indices = torch.tensor([number[int(i)] for i in self.patient[rows]], dtype=torch.int64)
        names = tuple(self.patients[i] for i in patients)
        return replace(self, images=self.images[rows], masks=self.masks[rows], patient=indices, patients=names)

    def split(self, test: int, seed: int = 0) -> tuple[Scans, Scans]:
        """Training and test slices without a patient in both.

        Args:
            test: number of patients to test on, at least one less than there are.
            seed: of the choice.

        Raises:
            ValueError: ``test`` is below 1 or leaves no patient to train on.
        """
        if not 1 <= test < len(self.patients):
            raise ValueError(f"test must be from 1 to {len(self.patients) - 1}, got {test}")
        order = torch.randperm(len(self.patients), generator=torch.Generator().manual_seed(seed)).tolist()
        return self.select(sorted(order[test:])), self.select(sorted(order[:test]))


Data = Images | Scans


def to_plain(data: Data) -> dict[str, Any]:
    """Tensors, strings and tuples that ``torch.load(weights_only=True)`` reads."""
    return {"kind": type(data).__name__, **vars(data)}


def from_plain(values: dict[str, Any]) -> Data:
    """The inverse of :func:`to_plain`.

    Raises:
        KeyError, TypeError, ValueError: anything else.
    """
    fields = dict(values)
    return {"Images": Images, "Scans": Scans}[fields.pop("kind")](**fields)


def _check_images(images: Tensor, name: str) -> None:
    if images.dtype != torch.uint8:
        raise TypeError(f"{name} must be uint8, got {images.dtype}")
    if images.ndim != 4 or images.numel() == 0:
        raise ValueError(
            f"{name} must have shape (n, channels, height, width) without zeros, got {tuple(images.shape)}"
        )
