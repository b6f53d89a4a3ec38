"""Readers: small files of every format, made here, come back as they were."""

from __future__ import annotations

import gzip
import io
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from torch_bridge.data import LAYOUTS, DataError, Images, Scans, load
from torch_bridge.data import catalogue as catalogue_module
from torch_bridge.data.cifar import CIFAR10, CIFAR100, Cifar
from torch_bridge.data.idx import IMAGES, LABELS
from torch_bridge.data.svhn import read_mat

Image = pytest.importorskip("PIL.Image")

TRAIN, TEST = 10, 5
KINDS = {
    "mnist": ("gz", "plain"),
    "fashion-mnist": ("gz",),
    "cifar10": ("binary", "binary-tar", "python", "python-tar", "folder", "zip"),
    "cifar100": ("binary", "binary-tar", "python", "python-tar"),
    "svhn": ("compressed", "plain"),
    "brain-mri": ("folder",),
}
CASES = [(name, kind) for name, kinds in KINDS.items() for kind in kinds]


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """Caches of their own, and no data of the machine."""
    monkeypatch.setenv("MATACT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MATACT_DATA", raising=False)
    monkeypatch.setattr(catalogue_module, "SYSTEM", tmp_path / "nothing")


def pixels(count, channels, side, seed):
    return np.random.default_rng(seed).integers(0, 256, size=(count, channels, side, side), dtype=np.uint8)


def labels_of(count, classes):
    return (np.arange(count) * 7) % classes


def idx_bytes(values, magic):
    return b"".join(int(n).to_bytes(4, "big") for n in (magic, *values.shape)) + values.astype(np.uint8).tobytes()


def make_idx(folder, kind):
    made = []
    for part, count, seed in (("train", TRAIN, 0), ("t10k", TEST, 1)):
        images, labels = pixels(count, 1, 28, seed), labels_of(count, 10)
        made += [images, labels]
        for name, values, magic in (("images-idx3", images[:, 0], IMAGES), ("labels-idx1", labels, LABELS)):
            data = idx_bytes(values, magic)
            path = folder / f"{part}-{name}-ubyte"
            if kind == "gz":
                path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(data, mtime=0))
            else:
                path.write_bytes(data)
    return made


def python2_pickle(images, labels, key):
    """A batch exactly as cPickle of Python 2 wrote the published ones."""
    rows = images.reshape(len(images), -1)

    def string(text):
        return b"U" + bytes([len(text)]) + text

    def integer(n):
        return b"J" + int(n).to_bytes(4, "little")

    array = (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85q\x05U\x01bq\x06\x87q\x07Rq\x08("
        b"K\x01" + integer(rows.shape[0]) + integer(rows.shape[1]) + b"\x86q\x09cnumpy\ndtype\nq\x0aU\x02u1q\x0b"
        b"K\x00K\x01\x87q\x0cRq\x0d(K\x03U\x01|q\x0eNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        b"T" + rows.nbytes.to_bytes(4, "little") + rows.tobytes() + b"q\x0ftb"
    )
    numbers = b"]q\x10(" + b"".join(b"K" + bytes([n]) for n in labels) + b"e"
    names = b"]q\x11(" + b"".join(string(b"x_%d.png" % i) for i in range(len(labels))) + b"e"
    return (
        b"\x80\x02}q\x01("
        + string(b"data")
        + array
        + string(key)
        + numbers
        + string(b"filenames")
        + names
        + string(b"batch_label")
        + string(b"batch 1 of 5")
        + b"u."
    )


def make_cifar(folder, kind, spec: Cifar):
    batches = len(spec.binary)
    classes = len(spec.classes)
    counts = [TRAIN // (batches - 1)] * (batches - 1) + [TEST]
    parts = [(pixels(n, 3, 32, i), labels_of(n, classes)) for i, n in enumerate(counts)]
    made = [
        np.concatenate([p for p, _ in parts[:-1]]),
        np.concatenate([x for _, x in parts[:-1]]),
        parts[-1][0],
        parts[-1][1],
    ]
    stem = "cifar-10" if spec is CIFAR10 else "cifar-100"
    if kind in ("folder", "zip"):
        return make_pictures(folder, kind, spec)
    files = {}
    for (images, labels), binary, python in zip(parts, spec.binary, spec.python, strict=True):
        if kind.startswith("binary"):
            coarse = np.zeros((len(labels), spec.label_bytes - 1), dtype=np.uint8)
            rows = [coarse, labels[:, None].astype(np.uint8), images.reshape(len(labels), -1)]
            files[binary] = np.concatenate(rows, axis=1).tobytes()
        else:
            files[python] = python2_pickle(images, labels, spec.label_key)
    if kind.endswith("-tar"):
        with tarfile.open(folder / f"{stem}-{kind[:6]}.tar.gz", "w:gz") as archive:
            for name, data in files.items():
                member = tarfile.TarInfo(f"{stem}/{name}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    else:
        inside = folder / {"python": f"{stem}-python", "binary": "."}[kind]
        if spec is CIFAR10 and kind == "python":
            inside = folder / f"{stem}-batches-py"
        inside.mkdir(exist_ok=True)
        for name, data in files.items():
            (inside / name).write_bytes(data)
    return made


def picture(values, form="PNG"):
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, form)
    return stream.getvalue()


def make_pictures(folder, kind, spec):
    made, files = [], {}
    for part, seed in (("train", 0), ("test", 1)):
        images = pixels(10, 3, 32, seed)
        made += [images, np.arange(10)]
        for label, name in enumerate(spec.classes):
            files[f"{part}/{name}/0001.png"] = picture(np.ascontiguousarray(images[label].transpose(1, 2, 0)))
    if kind == "zip":
        with zipfile.ZipFile(folder / f"{spec.name}-images.zip", "w") as archive:
            for name, data in files.items():
                archive.writestr(f"{spec.name}/{name}", data)
            archive.writestr("__MACOSX/train/cat/._0001.png", b"x")
            archive.writestr("readme.txt", b"x")
    else:
        for name, data in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
    return made


def make_svhn(folder, kind):
    from scipy.io import savemat

    made = []
    for part, count, seed in (("train", TRAIN, 0), ("test", TEST, 1)):
        images, labels = pixels(count, 3, 32, seed), labels_of(count, 10)
        made += [images, labels]
        variables = {
            "X": images.transpose(2, 3, 1, 0),
            "y": np.where(labels == 0, 10, labels)[:, None].astype(np.uint8),
        }
        savemat(folder / f"{part}_32x32.mat", variables, do_compression=kind == "compressed")
    return made


PATIENTS = {"TCGA_CS_0001_19960909": 11, "TCGA_DU_0002_20000101": 2}


def make_brain(folder, kind):
    rng = np.random.default_rng(0)
    images, masks, patients = [], [], []
    for number, (patient, slices) in enumerate(PATIENTS.items()):
        (folder / "kaggle_3m" / patient).mkdir(parents=True)
        for i in range(1, slices + 1):
            image = rng.integers(0, 256, size=(8, 8, 3), dtype=np.uint8).repeat(32, 0).repeat(32, 1)
            mask = rng.integers(0, 2, size=(8, 8), dtype=np.uint8).repeat(32, 0).repeat(32, 1)
            stem = folder / "kaggle_3m" / patient / f"{patient}_{i}"
            stem.with_name(f"{stem.name}.tif").write_bytes(picture(image, "TIFF"))
            stem.with_name(f"{stem.name}_mask.tif").write_bytes(picture(mask * 255, "TIFF"))
            images.append(image.transpose(2, 0, 1))
            masks.append(mask[None])
            patients.append(number)
    (folder / "kaggle_3m" / "data.csv").write_text("Patient\n")
    return [np.stack(images), np.stack(masks), np.array(patients)]


def make(folder: Path, name: str, kind: str):
    """Write a small data set into a new folder; returns the arrays that are in it."""
    folder.mkdir(parents=True)
    if name in ("mnist", "fashion-mnist"):
        return make_idx(folder, kind)
    if name.startswith("cifar"):
        return make_cifar(folder, kind, CIFAR10 if name == "cifar10" else CIFAR100)
    return make_svhn(folder, kind) if name == "svhn" else make_brain(folder, kind)


def peak(function):
    """Most bytes allocated while a function raises DataError."""
    tracemalloc.start()
    try:
        with pytest.raises(DataError):
            function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_every_data_set_and_layout_is_tested():
    assert set(KINDS) == set(LAYOUTS)
    assert len(KINDS["cifar10"]) == len(LAYOUTS["cifar10"])


@pytest.mark.parametrize(("name", "kind"), CASES)
@pytest.mark.parametrize("cache", [False, True])
def test_what_is_written_is_read(name, kind, cache, tmp_path):
    made = make(tmp_path / "data" / name, name, kind)
    for _ in range(1 + cache):
        data = load(name, tmp_path / "data", partial=True, cache=cache)
        if isinstance(data, Scans):
            found = [data.images, data.masks, data.patient]
            assert data.patients == tuple(PATIENTS)
        else:
            found = [data.train, data.train_labels, data.test, data.test_labels]
        for tensor, array in zip(found, made, strict=True):
            assert torch.equal(tensor, torch.from_numpy(np.array(array)))
        assert found[0].dtype == torch.uint8 and data.name == name


@pytest.mark.parametrize(("name", "kind"), [case for case in CASES if case[0] != "brain-mri"])
def test_a_number_of_images_that_is_not_the_published_one_is_an_error(name, kind, tmp_path):
    make(tmp_path / name, name, kind)
    with pytest.raises(DataError, match=r"published are .*partial=True"):
        load(name, tmp_path)


def test_the_folder_of_the_data_set_itself_will_do_and_so_will_the_variable(tmp_path, monkeypatch):
    make(tmp_path / "some folder", "mnist", "gz")
    assert isinstance(load("mnist", tmp_path / "some folder", partial=True), Images)
    monkeypatch.setenv("MATACT_DATA", str(tmp_path / "some folder"))
    assert isinstance(load("mnist", partial=True), Images)


def test_mnist_is_not_taken_for_fashion_mnist_nor_the_reverse(tmp_path):
    make(tmp_path / "digits", "mnist", "gz")
    make(tmp_path / "fashion", "fashion-mnist", "gz")
    with pytest.raises(DataError, match="Fashion-MNIST is not here"):
        load("fashion-mnist", tmp_path / "digits", partial=True)
    with pytest.raises(DataError, match="MNIST is not here"):
        load("mnist", tmp_path / "fashion", partial=True)
    assert "Sneaker" in load("fashion-mnist", tmp_path / "fashion", partial=True).classes  # type: ignore[union-attr]


@pytest.mark.parametrize("name", LAYOUTS)
def test_what_is_not_there_is_asked_for_by_name(name, tmp_path):
    with pytest.raises(DataError, match=r"is not here.*Needed: .*From http"):
        load(name, tmp_path)
    with pytest.raises(DataError, match="MATACT_DATA"):
        load(name)
    with pytest.raises(DataError, match="which is no folder"):
        load(name, tmp_path / "none")


def test_an_unknown_name_is_refused(tmp_path):
    with pytest.raises(ValueError, match="name must be one of"):
        load("imagenet", tmp_path)


@pytest.mark.parametrize("order", ["<", ">"])
def test_matlab_files_of_both_byte_orders(order, tmp_path):
    def element(kind, data):
        return np.array([kind, len(data)], f"{order}u4").tobytes() + data + bytes(-len(data) % 8)

    def variable(name, array, kind, stored):
        parts = (
            element(6, np.array([kind, 0], f"{order}u4").tobytes()),
            element(5, np.array(array.shape, f"{order}i4").tobytes()),
            element(1, name.encode()),
            element(stored, array.tobytes(order="F")),
        )
        return element(14, b"".join(parts))

    images, labels = pixels(3, 3, 32, 0), np.array([[3.0], [10.0], [9.0]], dtype=f"{order}f8")
    header = b"MATLAB 5.0".ljust(124) + {"<": b"\x00\x01IM", ">": b"\x01\x00MI"}[order]
    path = tmp_path / "some.mat"
    other = variable("other", np.zeros((2, 2), dtype=f"{order}f8"), 6, 9)
    path.write_bytes(header + variable("X", images.transpose(2, 3, 1, 0), 9, 2) + other + variable("y", labels, 6, 9))
    found, digits = read_mat(path)
    assert torch.equal(found, torch.from_numpy(images)) and digits.tolist() == [3, 0, 9]
    loaded = pytest.importorskip("scipy.io").loadmat(path)
    assert np.array_equal(loaded["X"], images.transpose(2, 3, 1, 0)) and np.array_equal(loaded["y"], labels)
