"""Networks that take any activation."""

from .mlp import mlp
from .mnist_conv import MNISTConv
from .mobilenet import MobileNet
from .registry import NETWORKS, network
from .resnet import ResNet, SEResNet
from .shufflenet import ShuffleNetV2
from .squeezenet import SqueezeNet
from .unet import UNet
from .vgg import VGG

__all__ = [
    "NETWORKS",
    "VGG",
    "MNISTConv",
    "MobileNet",
    "ResNet",
    "SEResNet",
    "ShuffleNetV2",
    "SqueezeNet",
    "UNet",
    "mlp",
    "network",
]
