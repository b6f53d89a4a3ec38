"""Damaged, swapped and hostile files are refused by name, without memory for what their headers claim."""

from __future__ import annotations

import gzip
import pickle
import tarfile
import zipfile

import numpy as np
import pytest

from tests.torch_bridge.test_data_formats import (
    PATIENTS,
    idx_bytes,
    make,
    own_folders,
    peak,
    picture,
    pixels,
    python2_pickle,
)
from torch_bridge.data import DataError, load
from torch_bridge.data import files as files_module
from torch_bridge.data.idx import IMAGES, LABELS, read_idx

__all__ = ["own_folders"]


def rewrite(name, change):
    def damage(folder):
        path = folder / name
        path.write_bytes(change(path.read_bytes()))
        return path

    return damage


def swap(folder):
    images, labels = folder / "train-images-idx3-ubyte", folder / "train-labels-idx1-ubyte"
    data = images.read_bytes()
    images.write_bytes(labels.read_bytes())
    labels.write_bytes(data)
    return images


def swap_masks(folder):
    patient = next(iter(PATIENTS))
    image, mask = (folder / "kaggle_3m" / patient / f"{patient}_1{end}.tif" for end in ("", "_mask"))
    data = image.read_bytes()
    image.write_bytes(mask.read_bytes())
    mask.write_bytes(data)
    return image


def delete_slice(name):
    def damage(folder):
        patient = next(iter(PATIENTS))
        (folder / "kaggle_3m" / patient / f"{patient}_{name}.tif").unlink()
        return folder / "kaggle_3m" / patient

    return damage


def grey_mask(folder):
    patient = next(iter(PATIENTS))
    path = folder / "kaggle_3m" / patient / f"{patient}_3_mask.tif"
    path.write_bytes(picture(np.full((256, 256), 128, dtype=np.uint8), "TIFF"))
    return path


def wrong_patient(folder):
    first, second = PATIENTS
    path = folder / "kaggle_3m" / first / f"{second}_1.tif"
    path.write_bytes(b"x")
    return path


def save_mat(**variables):
    def damage(folder):
        from scipy.io import savemat

        savemat(folder / "train_32x32.mat", variables)
        return folder / "train_32x32.mat"

    return damage


def save_picture(values, form="PNG"):
    def damage(folder):
        path = folder / "train" / "cat" / "0001.png"
        path.write_bytes(picture(values, form))
        return path

    return damage


BYTES = np.zeros((32, 32, 3, 2), dtype=np.uint8)
TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TAR, PICKLE = "cifar-10-binary.tar.gz", "cifar-100-python/train"


def zeros(*shape):
    return np.zeros(shape, dtype=np.uint8)


DAMAGE = {
    "images where labels should be": ("mnist", "plain", swap, "holds labels.*images are expected"),
    "wrong magic number": (
        "mnist",
        "plain",
        rewrite("t10k-labels-idx1-ubyte", lambda b: b"\x00\x00\x0d\x01" + b[4:]),
        "magic number 0x00000d01",
    ),
    "truncated": ("mnist", "plain", rewrite(TRAIN_IMAGES, lambda b: b[:-1]), "it can hold|truncated"),
    "empty": ("mnist", "plain", rewrite(TRAIN_IMAGES, lambda b: b""), "truncated: 4 bytes expected"),
    "too long": ("mnist", "plain", rewrite(TRAIN_IMAGES, lambda b: b + b"0"), "goes on after"),
    "lying header": (
        "mnist",
        "plain",
        rewrite(TRAIN_IMAGES, lambda b: b[:4] + b"\xff" * 4 + b[8:]),
        "its header says",
    ),
    "no images": ("mnist", "plain", rewrite(TRAIN_IMAGES, lambda b: b[:4] + bytes(4) + b[8:16]), "no data"),
    "another size": (
        "mnist",
        "plain",
        rewrite(TRAIN_IMAGES, lambda b: idx_bytes(np.zeros((10, 14, 14)), IMAGES)),
        "28 x 28",
    ),
    "fewer labels": (
        "mnist",
        "plain",
        rewrite(TRAIN_LABELS, lambda b: idx_bytes(np.zeros(9), LABELS)),
        "9 labels for 10 images",
    ),
    "label out of range": ("mnist", "plain", rewrite(TRAIN_LABELS, lambda b: b[:-1] + b"\x0a"), "label 10"),
    "truncated gzip": ("mnist", "gz", rewrite(f"{TRAIN_IMAGES}.gz", lambda b: b[:-20]), "EOFError|truncated"),
    "corrupt gzip": (
        "mnist",
        "gz",
        rewrite(f"{TRAIN_IMAGES}.gz", lambda b: b[:-8] + bytes(8)),
        "CRC check failed|BadGzipFile",
    ),
    "a record cut short": ("cifar10", "binary", rewrite("data_batch_3.bin", lambda b: b[:-5]), "records of 3073 bytes"),
    "CIFAR-100 in place of CIFAR-10": (
        "cifar10",
        "binary",
        rewrite("data_batch_3.bin", lambda b: bytes(3074)),
        "records of 3073 bytes",
    ),
    "a binary label out of range": (
        "cifar10",
        "binary",
        rewrite("test_batch.bin", lambda b: b"\x0b" + b[1:]),
        "label 11",
    ),
    "truncated archive": ("cifar10", "binary-tar", rewrite(TAR, lambda b: b[:-300]), "cannot be read"),
    "an archive that is none": ("cifar10", "binary-tar", rewrite(TAR, lambda b: b"hello"), "cannot be read"),
    "corrupt archive": (
        "cifar10",
        "binary-tar",
        rewrite(TAR, lambda b: b[:-8] + bytes(8)),
        "CRC check failed|BadGzip",
    ),
    "truncated pickle": (
        "cifar100",
        "python",
        rewrite(PICKLE, lambda b: b[: len(b) // 2]),
        "cannot be read",
    ),
    "a pickle of something else": (
        "cifar100",
        "python",
        rewrite(PICKLE, lambda b: pickle.dumps([1, 2])),
        "pickled dict, got list",
    ),
    "a pickle without labels": (
        "cifar100",
        "python",
        rewrite(PICKLE, lambda b: b.replace(b"fine_labels", b"fine_lables")),
        "fine_labels",
    ),
    "a pickle of other shapes": (
        "cifar100",
        "python",
        rewrite(PICKLE, lambda b: python2_pickle(pixels(2, 3, 31, 0), [1, 2], b"fine_labels")),
        "3072 pixels a label",
    ),
    "truncated zip": ("cifar10", "zip", rewrite("cifar10-images.zip", lambda b: b[:-30]), "BadZipFile"),
    "truncated picture": ("cifar10", "folder", rewrite("train/cat/0001.png", lambda b: b[:-200]), "cannot be read"),
    "a picture of another size": ("cifar10", "folder", save_picture(zeros(28, 28, 3)), "32 x 32 RGB, got 28 x 28"),
    "a grey picture": ("cifar10", "folder", save_picture(zeros(32, 32)), "got 32 x 32 L"),
    "another format": ("cifar10", "folder", save_picture(zeros(32, 32, 3), "GIF"), "cannot be read"),
    "no MATLAB file": ("svhn", "plain", rewrite("train_32x32.mat", lambda b: bytes(200)), "no MATLAB file"),
    "truncated MATLAB file": (
        "svhn",
        "plain",
        rewrite("train_32x32.mat", lambda b: b[:5000]),
        "is truncated",
    ),
    "corrupt MATLAB file": (
        "svhn",
        "compressed",
        rewrite("train_32x32.mat", lambda b: b[:-4] + bytes(4)),
        "incorrect data check",
    ),
    "MATLAB variables missing": ("svhn", "plain", save_mat(Y=np.zeros(3)), "lacks the variables X, y"),
    "MATLAB images of another shape": ("svhn", "plain", save_mat(X=BYTES[:16], y=np.ones((2, 1))), r"\(32, 32, 3, n\)"),
    "MATLAB images of numbers": ("svhn", "plain", save_mat(X=BYTES * 1.0, y=np.ones((2, 1))), "got float64"),
    "MATLAB labels too few": ("svhn", "plain", save_mat(X=BYTES, y=np.ones((1, 1))), r"shape \(2, 1\)"),
    "MATLAB labels of 0": ("svhn", "plain", save_mat(X=BYTES, y=np.zeros((2, 1))), "from 1 to 10"),
    "MATLAB labels of nan": ("svhn", "plain", save_mat(X=BYTES, y=np.full((2, 1), np.nan)), "from 1 to 10"),
    "image and mask swapped": ("brain-mri", "folder", swap_masks, "256 x 256 RGB, got 256 x 256 L"),
    "mask missing": ("brain-mri", "folder", delete_slice("4_mask"), "lacks TCGA_CS_0001_19960909_4_mask.tif"),
    "image missing": ("brain-mri", "folder", delete_slice("4"), "lacks TCGA_CS_0001_19960909_4.tif"),
    "grey mask": ("brain-mri", "folder", grey_mask, "other than 0 and 255"),
    "slice of another patient": ("brain-mri", "folder", wrong_patient, "lies in the folder of patient"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_named_with_its_file(what, tmp_path):
    name, kind, damage, message = DAMAGE[what]
    make(tmp_path / name, name, kind)
    path = damage(tmp_path / name)
    with pytest.raises(DataError, match=message) as raised:
        load(name, tmp_path, partial=True)
    assert raised.value.file.startswith(str(path)) and str(raised.value).startswith(f"{raised.value.file}: ")
    assert pickle.loads(pickle.dumps(raised.value)).reason == raised.value.reason


@pytest.mark.parametrize("compress", [False, True])
def test_a_header_that_lies_costs_no_memory(compress, tmp_path):
    data = b"\x00\x00\x08\x03" + b"\x7f\xff\xff\xff" + 2 * b"\x00\x00\x00\x1c" + bytes(100)
    path = tmp_path / "images"
    path.write_bytes(gzip.compress(data) if compress else data)
    assert peak(lambda: read_idx(path, IMAGES)) < 1e6
    plausible = b"\x00\x00\x08\x03" + (64).to_bytes(4, "big") + 2 * b"\x00\x00\x00\x1c" + bytes(100)
    path.write_bytes(gzip.compress(plausible))
    assert peak(lambda: read_idx(path, IMAGES)) < 1e6


def test_a_gzip_bomb_is_cut_off(tmp_path):
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(idx_bytes(np.zeros((1, 28, 28)), IMAGES) + bytes(50_000_000)))
    with pytest.raises(DataError, match="goes on after"):
        read_idx(path, IMAGES)
    assert peak(lambda: read_idx(path, IMAGES)) < 5e6


def test_an_archive_bomb_is_cut_off(tmp_path, monkeypatch):
    make(tmp_path / "cifar10", "cifar10", "binary-tar")
    monkeypatch.setattr(files_module, "MAX_BYTES", 40_000)
    with pytest.raises(DataError, match="decompresses to more than 40000 bytes"):
        load("cifar10", tmp_path, partial=True)
    make(tmp_path / "zips" / "cifar10", "cifar10", "zip")
    with pytest.raises(DataError, match="40000 bytes"):
        load("cifar10", tmp_path / "zips", partial=True)


def test_a_member_that_is_too_large_is_refused(tmp_path, monkeypatch):
    make(tmp_path / "cifar10", "cifar10", "python-tar")
    monkeypatch.setattr(files_module, "MAX_MEMBER", 1000)
    with pytest.raises(DataError, match="data_batch_1: is larger than 1000 bytes"):
        load("cifar10", tmp_path, partial=True)


OUTSIDE = ("../data_batch_1.bin", "/tmp/data_batch_1.bin", "a/../../b", "C:/b", "..\\b")


@pytest.mark.parametrize("name", OUTSIDE)
def test_members_outside_the_archive_are_refused(name, tmp_path):
    for cifar, archive in (("cifar10", "binary-tar"), ("cifar10", "zip")):
        folder = tmp_path / archive / cifar
        make(folder, cifar, archive)
        if archive == "zip":
            with zipfile.ZipFile(folder / "cifar10-images.zip", "a") as opened:
                opened.writestr(name, b"x")
        else:
            with tarfile.open(folder / "cifar-10-binary.tar.gz", "w:gz") as opened:
                opened.addfile(tarfile.TarInfo(name))
        with pytest.raises(DataError, match="points outside the archive"):
            load(cifar, tmp_path / archive, partial=True)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_archives_are_refused(kind, tmp_path):
    folder = tmp_path / "cifar10"
    make(folder, "cifar10", "binary-tar")
    with tarfile.open(folder / "cifar-10-binary.tar.gz", "w:gz") as opened:
        member = tarfile.TarInfo("cifar-10/data_batch_1.bin")
        member.type, member.linkname = kind, "/etc/passwd"
        opened.addfile(member)
    with pytest.raises(DataError, match="is a link or a device"):
        load("cifar10", tmp_path, partial=True)


def test_links_in_zip_archives_are_refused(tmp_path):
    make(tmp_path / "cifar10", "cifar10", "zip")
    with zipfile.ZipFile(tmp_path / "cifar10" / "cifar10-images.zip", "a") as opened:
        member = zipfile.ZipInfo("train/cat/0002.png")
        member.external_attr = 0o120777 << 16
        opened.writestr(member, "/etc/passwd")
    with pytest.raises(DataError, match="is a link"):
        load("cifar10", tmp_path, partial=True)


def test_archives_leave_nothing_on_the_disk(tmp_path):
    for kind in ("binary-tar", "zip"):
        folder = tmp_path / kind / "cifar10"
        make(folder, "cifar10", kind)
        before = sorted(tmp_path.rglob("*"))
        load("cifar10", tmp_path / kind, partial=True, cache=False)
        assert sorted(tmp_path.rglob("*")) == before
