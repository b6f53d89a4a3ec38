"""Residual networks for 32 x 32 images, plain and with squeeze-and-excitation."""

from __future__ import annotations

from torch import Tensor, nn

from .activations import Make, maker
from .blocks import conv_norm, conv_norm_act, pooled_linear

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
"""Blocks of each stage by depth (He et al. 2015, table 1)."""
WIDTHS = (64, 128, 256, 512)
REDUCTION = 16
"""Channels by those between the two linear layers of an excitation (Hu et al. 2018)."""


class Block(nn.Module):
    """``activation(residual(x) + shortcut(x))``, the basic block of He et al. 2015."""

    def __init__(self, inputs: int, outputs: int, stride: int, make: Make, *, bias: bool = False) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            *conv_norm_act(inputs, outputs, 3, make, bias=bias, stride=stride),
            *conv_norm(outputs, outputs, 3, bias=bias),
        )
        same = stride == 1 and inputs == outputs
        self.shortcut = (
            nn.Identity() if same else nn.Sequential(*conv_norm(inputs, outputs, 1, bias=bias, stride=stride))
        )
        self.activation = make(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.residual(x) + self.shortcut(x))


class SEBlock(Block):
    """A block whose residual is activated and multiplied by gates in (0, 1), one a channel, from its means.

    The sigmoid of the gates is no activation in the sense of these experiments and stays.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, make: Make, *, bias: bool = True) -> None:
        super().__init__(inputs, outputs, stride, make, bias=bias)
        self.residual.append(make(outputs))
        squeezed = outputs // REDUCTION
        self.gates = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(outputs, squeezed),
            make(squeezed),
            nn.Linear(squeezed, outputs),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        residual = self.residual(x)
        return self.activation(residual * self.gates(residual)[:, :, None, None] + self.shortcut(x))


class ResNet(nn.Module):
    """ResNet with a 3x3 stem of stride 1 and no pooling before the stages.

    For ten classes 11,173,962 parameters (18) and 21,282,122 (34), for 100 classes 11,220,132 and 21,328,292, both as
    github.com/kuangliu/pytorch-cifar and as github.com/weiaicunzai/pytorch-cifar100.

    Args:
        depth: 18 or 34.
        activation: a name of :data:`torch_bridge.ACTIVATIONS` or ``activation(channels) -> nn.Module``.
        classes: number of classes.
        channels: of the images.

    Shape:
        ``(n, channels, h, w)`` to ``(n, classes)``, h and w any, 32 in the experiments.

    Raises:
        TypeError, ValueError: see :func:`torch_bridge.networks.activations.maker`; an unknown depth.
    """

    block: type[Block] = Block
    bias = False

    def __init__(self, depth: int, activation: str | Make, classes: int = 10, channels: int = 3) -> None:
        super().__init__()
        if depth not in BLOCKS:
            raise ValueError(f"depth must be one of {tuple(BLOCKS)}, got {depth!r}")
        make = maker(activation)
        inputs = WIDTHS[0]
        self.stem = nn.Sequential(*conv_norm_act(channels, inputs, 3, make, bias=self.bias))
        self.stages = nn.Sequential()
        for stage, (width, count) in enumerate(zip(WIDTHS, BLOCKS[depth], strict=True)):
            blocks = nn.Sequential()
            for i in range(count):
                stride = 2 if stage > 0 and i == 0 else 1
                blocks.append(self.block(inputs, width, stride, make, bias=self.bias))
                inputs = width
            self.stages.append(blocks)
        self.head = pooled_linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stages(self.stem(x)))


class SEResNet(ResNet):
    """SE-ResNet as github.com/weiaicunzai/pytorch-cifar100: :class:`SEBlock`, convolutions with biases.

    Arguments, shape and errors are those of :class:`ResNet`. SE-ResNet-18 has 11,314,012 parameters for 100 classes.
    """

    block = SEBlock
    bias = True
