"""What is measured: each entry is a name, our call and the reference that it is compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

import torch_bridge

MESH = 500
PAIRS = (
    ("fourier", "pwq"),
    ("fourier", "rect"),
    ("fourier", "fourier"),
    ("pwl", "pwl"),
    ("pwq", "pwq"),
    ("pwl", "pwq"),
    ("rect", "pwq"),
    ("rect-w", "rect-w"),
    ("pwl-w", "pwl-w"),
    ("pwl-w", "pwq"),
    ("pwl", "fourier"),
    ("pwq", "fourier"),
)
DTYPES = (torch.float32, torch.float64)


@dataclass(frozen=True)
class Entry:
    """One comparison; ``ours`` and ``reference`` do the same work on the same data.

    Attributes:
        group: name of the table it belongs to.
        name: row of the table.
        samples: samples in a call, to give times a sample.
    """

    group: str
    name: str
    samples: int
    ours: Callable[[], None]
    reference: Callable[[], None]


def forward_backward(module: torch.nn.Module, batch: int, d: int, dtype: torch.dtype) -> Callable[[], None]:
    """A forward and a backward pass on fixed random data."""
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(batch, d, dtype=dtype, generator=generator).requires_grad_()
    g = torch.randn(batch, d, dtype=dtype, generator=generator)

    def call() -> None:
        z.grad = None
        module(z).backward(g)

    return call


def exact_against_mesh(batches: tuple[tuple[int, int], ...], pairs: tuple[tuple[str, str], ...]) -> Iterator[Entry]:
    """The exact transform against IAT (12) with M = 500 (d = 10) or 50 d, forward and backward."""
    for batch, d in batches:
        for dtype in DTYPES:
            for p, q in pairs:
                exact = torch_bridge.IATReLU(d, d, p, q)
                mesh = torch_bridge.IATReLU(d, d, p, q, mesh=MESH * d // 10)
                yield Entry(
                    f"exact / mesh, batch {batch}, d {d}, {str(dtype).removeprefix('torch.')}",
                    f"{p} / {q}",
                    batch,
                    forward_backward(exact, batch, d, dtype),
                    forward_backward(mesh, batch, d, dtype),
                )


def entries(quick: bool) -> Iterator[Entry]:
    """All entries; ``quick`` keeps the small batches of three pairs."""
    if quick:
        yield from exact_against_mesh(((2500, 10),), PAIRS[:1] + PAIRS[3:5])
    else:
        yield from exact_against_mesh(((2500, 10), (100_000, 10)), PAIRS)
        yield from exact_against_mesh(((20_000, 64),), (("fourier", "pwq"), ("pwl", "pwl"), ("pwq", "pwq")))
