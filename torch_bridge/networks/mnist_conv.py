"""The network of AReLU's experiments on MNIST."""

from __future__ import annotations

from torch import Tensor, nn

from .activations import Make, maker


class MNISTConv(nn.Module):
    """MNIST-Conv (AReLU figure 6): three convolutions, each with max-pooling and then the activation.

    conv 5x5 (in -> 10), conv 5x5 (10 -> 20), conv 3x3 (20 -> 40), linear 40 -> classes, log-softmax; no padding and no
    normalisation. 12,930 parameters before activations with one channel and ten classes, 13,430 with three channels,
    by the authors' program (github.com/densechen/AReLU, models/conv.py).

    Args:
        activation: a name of :data:`torch_bridge.ACTIVATIONS` or ``activation(channels) -> nn.Module``.
        classes: number of classes.
        channels: of the images; 3 for MNIST repeated to three channels and for SVHN (AReLU 3.3).

    Shape:
        ``(n, channels, 28, 28)`` to ``(n, classes)``, logarithms of probabilities; cross-entropy leaves them as they
        are, since their exponentials sum to 1.

    Raises:
        TypeError, ValueError: see :func:`torch_bridge.networks.activations.maker`.
    """

    def __init__(self, activation: str | Make, classes: int = 10, channels: int = 1) -> None:
        super().__init__()
        make = maker(activation)
        sizes = ((channels, 10, 5), (10, 20, 5), (20, 40, 3))
        self.features = nn.Sequential(
            *(nn.Sequential(nn.Conv2d(i, o, k), nn.MaxPool2d(2), make(o)) for i, o, k in sizes)
        )
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(40, classes), nn.LogSoftmax(dim=1))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))
