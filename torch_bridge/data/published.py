"""Where data sets are published, under which terms, and the SHA-256 of their files."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Published:
    """One data set as its authors publish it.

    Attributes:
        title: for people.
        where: address of the page or the folder with the files.
        terms: under which it may be used.
        train, test: numbers of images; 0 where the split is not published.
        sha256: checksums of published files by file name.
    """

    title: str
    where: str
    terms: str
    train: int
    test: int
    sha256: dict[str, str] = field(default_factory=dict)


PUBLISHED = {
    "mnist": Published(
        "MNIST",
        "http://yann.lecun.com/exdb/mnist/ (mirror: https://ossci-datasets.s3.amazonaws.com/mnist/)",
        "CC BY-SA 3.0; Y. LeCun, C. Cortes, C. Burges",
        60_000,
        10_000,
        {
            "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        },
    ),
    "fashion-mnist": Published(
        "Fashion-MNIST",
        "https://github.com/zalandoresearch/fashion-mnist (data/fashion); Debian: dataset-fashion-mnist",
        "MIT; H. Xiao, K. Rasul, R. Vollgraf",
        60_000,
        10_000,
        {
            "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        },
    ),
    "cifar10": Published(
        "CIFAR-10",
        "https://www.cs.toronto.edu/~kriz/cifar.html",
        "no licence is stated; A. Krizhevsky, 2009",
        50_000,
        10_000,
        {
            "cifar-10-binary.tar.gz": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            "cifar-10-python.tar.gz": "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
        },
    ),
    "cifar100": Published(
        "CIFAR-100",
        "https://www.cs.toronto.edu/~kriz/cifar.html",
        "no licence is stated; A. Krizhevsky, 2009",
        50_000,
        10_000,
        {
            "cifar-100-binary.tar.gz": "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
            "cifar-100-python.tar.gz": "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
        },
    ),
    "svhn": Published(
        "SVHN, cropped digits",
        "http://ufldl.stanford.edu/housenumbers/",
        "non-commercial use only; Y. Netzer et al., 2011",
        73_257,
        26_032,
        {
            "train_32x32.mat": "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
            "test_32x32.mat": "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
        },
    ),
    "brain-mri": Published(
        "LGG brain MRI segmentation, 110 patients",
        "https://www.kaggle.com/datasets/mateuszbuda/lgg-mri-segmentation",
        "CC BY-NC-SA 4.0; M. Buda, from TCIA TCGA-LGG",
        0,
        0,
    ),
}
"""By the name that :func:`torch_bridge.data.load` takes."""
