"""Random changes of whole batches, on their device."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class CropFlip:
    """Pad with zeros, crop to the old size at a random place, flip left and right with probability 1/2.

    Attributes:
        padding: pixels on every side, >= 0; 4 is the usual one for CIFAR.
        flip: whether to flip.

    Raises:
        ValueError: a negative padding.
    """

    padding: int = 4
    flip: bool = True

    def __post_init__(self) -> None:
        if self.padding < 0:
            raise ValueError(f"padding must be at least 0, got {self.padding}")

    def __call__(self, images: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The changed batch.

        Args:
            images: ``(n, channels, height, width)``, any dtype and device.
            targets: ``(n,)`` stays as it is; ``(n, channels, height, width)``, masks, is changed as the images are.
            generator: of the random numbers, drawn on its own device; equal numbers give equal crops everywhere.
        """
        count, _, height, width = images.shape
        places = torch.randint(2 * self.padding + 1, (2, count, 1), generator=generator, device=generator.device)
        flips = torch.rand((count, 1), generator=generator, device=generator.device) < 0.5
        top, left = places.to(images.device)
        rows = torch.arange(height, device=images.device) + top
        columns = torch.arange(width, device=images.device)
        if self.flip:
            columns = torch.where(flips.to(images.device), width - 1 - columns, columns)
        pixels = rows[:, :, None] * (width + 2 * self.padding) + (columns + left)[:, None, :]
        pixels = pixels.view(count, 1, height * width)
        moved = self._move(images, pixels)
        return moved, self._move(targets, pixels) if targets.ndim == 4 else targets

    def _move(self, images: Tensor, pixels: Tensor) -> Tensor:
        count, channels, height, width = images.shape
        padded = F.pad(images, (self.padding,) * 4).view(count, channels, -1)
        return padded.gather(2, pixels.expand(-1, channels, -1)).view(count, channels, height, width)
