"""Shuffled batches that resume exactly."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

Augment = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]


class Batches:
    """Batches of uint8 images as floating ones, in a new random order every epoch.

    ``for x, y in batches`` goes through what is left of the current epoch, so that after a ``break``, or after
    :meth:`load_state_dict`, the next loop goes on where the last one was. All loops share one position.

    Args:
        images: uint8 ``(n, channels, height, width)``; moved to ``device`` once.
        targets: ``(n,)``, or uint8 masks ``(n, 1, height, width)``, which come as floating numbers; moved as well.
        size: images in a batch, >= 1; the last one of an epoch may be short.
        seed: of orders and augmentation.
        shuffle: False keeps the order.
        augment: ``augment(images, targets, generator)``, called with bytes on the device, such as :class:`CropFlip`.
        mean, std: of each channel, for images in [0, 1]: batches are ``(x / 255 - mean) / std``.
        drop_last: leave out a short last batch.
        device, dtype: of the batches.

    Raises:
        TypeError, ValueError: other dtypes, lengths that differ, no images or no batch, a size below 1.
    """

    def __init__(
        self,
        images: Tensor,
        targets: Tensor,
        size: int,
        *,
        seed: int = 0,
        shuffle: bool = True,
        augment: Augment | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        drop_last: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if images.dtype != torch.uint8 or not dtype.is_floating_point:
            raise TypeError(f"images must be uint8 and dtype floating, got {images.dtype} and {dtype}")
        if images.ndim != 4 or len(images) != len(targets) or len(images) == 0:
            raise ValueError(
                f"images must be (n, channels, height, width) with n targets, got {tuple(images.shape)} and "
                f"{tuple(targets.shape)}"
            )
        if size < 1 or (drop_last and size > len(images)):
            raise ValueError(f"size must be at least 1 and leave a batch, got {size} for {len(images)} images")
        self.images, self.targets = images.to(device), targets.to(device)
        self.size, self.shuffle, self.augment, self.drop_last, self.dtype = size, shuffle, augment, drop_last, dtype
        self.mean, self.std = self._constants(mean, "mean"), self._constants(std, "std")
        self.generator = torch.Generator().manual_seed(seed)
        self.epoch, self.position = 0, 0
        self._order: Tensor | None = None
        self._epoch_state = self.generator.get_state()

    def __len__(self) -> int:
        """Batches in an epoch."""
        full, rest = divmod(len(self.images), self.size)
        return full + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        while self.position < len(self):
            order = self._begin()
            rows = order[self.position * self.size : (self.position + 1) * self.size]
            self.position += 1
            yield self._batch(rows)
        self.epoch, self.position, self._order = self.epoch + 1, 0, None

    def state_dict(self) -> dict[str, Any]:
        """Everything that the rest of the batches depends on, data and settings apart.

        In the body of a loop the batch at hand counts as done. The values are tensors and integers.
        """
        self._begin()
        return {
            "epoch": self.epoch,
            "position": self.position,
            "epoch_state": self._epoch_state.clone(),
            "state": self.generator.get_state(),
            "images": len(self.images),
            "size": self.size,
            "shuffle": self.shuffle,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state: as the batches did whose :meth:`state_dict` it is.

        Raises:
            KeyError: an entry is missing. ValueError: it is of other data, batch size or order.
        """
        for name, own in (("images", len(self.images)), ("size", self.size), ("shuffle", self.shuffle)):
            if state[name] != own:
                raise ValueError(f"the state is of batches with {name} = {state[name]}, these have {own}")
        if not 0 <= state["position"] <= len(self):
            raise ValueError(f"position must be from 0 to {len(self)}, got {state['position']}")
        self.generator.set_state(state["epoch_state"].cpu())
        self._order = None
        self._begin()
        self.generator.set_state(state["state"].cpu())
        self.epoch, self.position = int(state["epoch"]), int(state["position"])

    def _begin(self) -> Tensor:
        if self._order is None:
            self._epoch_state = self.generator.get_state()
            count = len(self.images)
            order = torch.randperm(count, generator=self.generator) if self.shuffle else torch.arange(count)
            self._order = order.to(self.images.device)
        return self._order

    def _batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        images, targets = self.images[rows], self.targets[rows]
        if self.augment is not None:
            images, targets = self.augment(images, targets, self.generator)
        x = images.to(self.dtype).div_(255)
        if self.mean is not None:
            x.sub_(self.mean)
        if self.std is not None:
            x.div_(self.std)
        return x, targets.to(self.dtype) if targets.ndim == 4 else targets

    def _constants(self, values: Sequence[float] | None, name: str) -> Tensor | None:
        if values is None:
            return None
        result = torch.tensor(values, dtype=self.dtype, device=self.images.device).view(-1, 1, 1)
        if len(result) != self.images.shape[1] or not torch.isfinite(result).all() or (name == "std" and 0 in result):
            raise ValueError(
                f"{name} must be one finite number for each of {self.images.shape[1]} channels, got {values}"
            )
        return result


def channel_statistics(images: Tensor) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel of uint8 images ``(n, channels, height, width)`` over 255."""
    counts = torch.stack([torch.bincount(channel.flatten(), minlength=256) for channel in images.unbind(1)]).double()
    values = torch.arange(256, dtype=torch.float64, device=images.device) / 255
    share = counts / counts.sum(dim=1, keepdim=True)
    mean = share @ values
    variance = (share * (values - mean[:, None]).square()).sum(dim=1)
    return mean.tolist(), variance.sqrt().tolist()


def images_per_second(batches: Batches) -> float:
    """How fast one epoch of batches is made, without a network; the position of the batches moves on."""
    start, count = time.perf_counter(), 0
    for x, _ in batches:
        count += len(x)
    if batches.images.device.type == "cuda":
        torch.cuda.synchronize(batches.images.device)
    return count / (time.perf_counter() - start)
