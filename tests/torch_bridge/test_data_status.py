"""The cache, what `status` shows, and the real data where they are."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.torch_bridge.test_data_formats import CASES, PATIENTS, make, own_folders
from torch_bridge.data import (
    LAYOUTS,
    PUBLISHED,
    DataError,
    Images,
    Scans,
    channel_statistics,
    describe,
    load,
    status,
)
from torch_bridge.data import cache as cache_module
from torch_bridge.data import catalogue as catalogue_module
from torch_bridge.data.files import zip_members

__all__ = ["own_folders"]

REAL = Path(os.environ.get("MATACT_DATA") or Path(__file__).parents[2].parent / "shared" / "data")
DEBIAN = Path("/usr/share/datasets")


def row(name, folder):
    return next(row for row in status(folder) if row.name == name)


def count_reads(monkeypatch, name):
    """A list that grows with every decoding of a data set."""
    reads = []
    layouts = tuple(
        replace(layout, read=lambda paths, read=layout.read: (reads.append(1), read(paths))[1])
        for layout in LAYOUTS[name]
    )
    monkeypatch.setitem(catalogue_module.LAYOUTS, name, layouts)
    return reads


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_data_are_decoded_once_until_a_file_changes(name, kind, tmp_path, monkeypatch):
    make(tmp_path / "data" / name, name, kind)
    reads = count_reads(monkeypatch, name)
    for _ in range(3):
        load(name, tmp_path / "data", partial=True)
    assert len(reads) == 1
    load(name, tmp_path / "data", partial=True, cache=False)
    assert len(reads) == 2
    path = max((p for p in (tmp_path / "data").rglob("*") if p.suffix != ".csv"), key=lambda p: len(p.parts))
    os.utime(path, ns=(1, 1))
    load(name, tmp_path / "data", partial=True)
    assert len(reads) == 3
    assert all(p.suffix == ".pt" for p in (tmp_path / "cache").iterdir())


def test_a_damaged_cache_is_replaced(tmp_path, monkeypatch):
    make(tmp_path / "data", "mnist", "gz")
    reads = count_reads(monkeypatch, "mnist")
    first = load("mnist", tmp_path / "data", partial=True)
    (file,) = (tmp_path / "cache").iterdir()
    whole = file.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"nothing", torch_bytes({"kind": "Images", "train": 1})):
        file.unlink()
        file.write_bytes(damaged)
        again = load("mnist", tmp_path / "data", partial=True)
        assert isinstance(again, Images) and isinstance(first, Images) and torch.equal(again.train, first.train)
    assert len(reads) == 5
    load("mnist", tmp_path / "data", partial=True)
    assert len(reads) == 5


def torch_bytes(value):
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


class Runs:
    def __reduce__(self):
        return os.system, ("touch ran",)


def test_a_cache_runs_no_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "data", "mnist", "gz")
    load("mnist", tmp_path / "data", partial=True)
    (file,) = (tmp_path / "cache").iterdir()
    file.unlink()
    file.write_bytes(torch_bytes({"kind": Runs()}))
    load("mnist", tmp_path / "data", partial=True)
    assert not (tmp_path / "ran").exists()


def test_a_cache_that_cannot_be_written_does_no_harm(tmp_path, monkeypatch):
    make(tmp_path / "data", "mnist", "gz")
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setenv("MATACT_CACHE", str(tmp_path / "taken"))
    assert isinstance(load("mnist", tmp_path / "data", partial=True), Images)


def test_an_interrupted_write_leaves_no_file(tmp_path, monkeypatch):
    make(tmp_path / "data", "mnist", "gz")

    def interrupted(value, stream):
        stream.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(cache_module.torch, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load("mnist", tmp_path / "data", partial=True)
    assert list((tmp_path / "cache").iterdir()) == []


def test_writing_to_cached_data_leaves_the_cache_alone(tmp_path):
    make(tmp_path / "data", "mnist", "gz")
    first = load("mnist", tmp_path / "data", partial=True)
    assert isinstance(first, Images)
    before = first.train.clone()
    first.train.zero_()
    again = load("mnist", tmp_path / "data", partial=True)
    assert isinstance(again, Images) and torch.equal(again.train, before)


def test_the_cache_folder_is_the_platforms_unless_chosen(monkeypatch, tmp_path):
    assert cache_module.cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("MATACT_CACHE")
    monkeypatch.setattr(cache_module.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_module.cache_folder() == tmp_path / "matact"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_module.cache_folder() == Path.home() / ".cache" / "matact"
    monkeypatch.setattr(cache_module.sys, "platform", "darwin")
    assert cache_module.cache_folder() == Path.home() / "Library" / "Caches" / "matact"
    monkeypatch.setattr(cache_module.sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert cache_module.cache_folder() == tmp_path / "matact" / "Cache"


def test_everything_is_missing_from_an_empty_folder(tmp_path):
    rows = status(tmp_path)
    assert [row.name for row in rows] == list(LAYOUTS) == list(PUBLISHED)
    assert all(row.folder is None and not row.files and row.where.startswith("http") for row in rows)
    text = describe(rows, tmp_path)
    assert str(tmp_path) in text and text.splitlines().count("  missing") == len(rows)
    assert all(PUBLISHED[row.name].where in text for row in rows)
    assert "set MATACT_DATA" in describe(status())


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_what_is_there_is_shown_with_its_checksum(name, kind, tmp_path):
    make(tmp_path / name, name, kind)
    found = row(name, tmp_path)
    assert found.folder == tmp_path / name and found.layout and found.files and not found.missing
    for file in found.files:
        assert file.sha256 is not None and file.sha256 in describe([found])
        if file.count == 1:
            data = (found.folder / file.name).read_bytes()
            assert (file.size, file.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert sum(file.count for file in found.files) == {"folder": 20, "brain-mri": 2 * sum(PATIENTS.values())}.get(
        name if name == "brain-mri" else kind, len(found.files)
    )
    assert all(file.sha256 is None for file in status(tmp_path, checksums=False)[0].files)


def test_checksums_are_compared_with_the_published_ones(tmp_path, monkeypatch):
    make(tmp_path / "mnist", "mnist", "gz")
    assert {file.verdict for file in row("mnist", tmp_path).files} == {"differs from the published file"}
    own = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (tmp_path / "mnist").iterdir()}
    monkeypatch.setitem(PUBLISHED, "mnist", replace(PUBLISHED["mnist"], sha256=own))
    assert {file.verdict for file in row("mnist", tmp_path).files} == {"as published"}


def test_published_checksums_are_checksums():
    sums = [digest for published in PUBLISHED.values() for digest in published.sha256.values()]
    assert len(set(sums)) == len(sums) == 14
    assert all(len(digest) == 64 and int(digest, 16) >= 0 for digest in sums)


def test_incomplete_data_name_what_is_missing(tmp_path):
    make(tmp_path / "mnist", "mnist", "gz")
    (tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    found = row("mnist", tmp_path)
    assert found.missing == ("t10k-labels-idx1-ubyte.gz",) and found.layout is None
    assert "t10k-labels-idx1-ubyte.gz missing" in describe([found])


def test_the_zip_of_cifar100_is_not_one_of_cifar10(tmp_path):
    folder = tmp_path / "cifar10"
    folder.mkdir()
    for name in ("cifar100.zip", "cifar-100-pictures.zip"):
        (folder / name).touch()
    assert row("cifar10", tmp_path).layout is None
    (folder / "cifar10-pictures.zip").touch()
    found = row("cifar10", tmp_path)
    assert found.layout == "zip of a folder of pictures" and [f.name for f in found.files] == ["cifar10-pictures.zip"]


def test_data_that_cannot_be_used_say_why(tmp_path):
    make(tmp_path / "brain-mri", "brain-mri", "folder")
    next((tmp_path / "brain-mri").rglob("*_2.tif")).unlink()
    found = row("brain-mri", tmp_path)
    assert "lacks" in found.problem and "cannot be used" in describe([found])


def real(name):
    """A real data set, or the test is skipped."""
    try:
        return load(name, REAL)
    except DataError as error:
        if "is not here" in error.reason:
            pytest.skip(f"no {name} in {REAL}")
        raise


def test_real_mnist():
    data = real("mnist")
    assert isinstance(data, Images)
    assert data.train.shape == (60_000, 1, 28, 28) and data.test.shape == (10_000, 1, 28, 28)
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert torch.bincount(data.train_labels).tolist() == counts
    (mean,), (std,) = channel_statistics(data.train)
    assert (round(mean, 4), round(std, 4)) == (0.1307, 0.3081)


def test_real_fashion_mnist(monkeypatch):
    monkeypatch.setattr(catalogue_module, "SYSTEM", DEBIAN)
    data = real("fashion-mnist")
    assert isinstance(data, Images) and data.train.shape == (60_000, 1, 28, 28)
    assert torch.bincount(data.train_labels).tolist() == [6000] * 10
    (mean,), (std,) = channel_statistics(data.train)
    assert (round(mean, 4), round(std, 4)) == (0.2860, 0.3530)


def test_real_pictures_of_cifar10(tmp_path):
    """The first fifty pictures of every folder: decoding all 60,000 takes ten seconds."""
    source = REAL / "cifar10" / "cifar10-images.zip"
    if not source.is_file():
        pytest.skip(f"no {source.name} in {source.parent}")
    (tmp_path / "cifar10").mkdir()
    with zipfile.ZipFile(tmp_path / "cifar10" / "cifar10-images.zip", "w") as archive:
        for member, content in zip_members(source, lambda name: name.rpartition("/")[2] < "0050"):
            archive.writestr(member, content)
    with pytest.raises(DataError, match="has 500 images to train, published are 50000"):
        load("cifar10", tmp_path)
    data = load("cifar10", tmp_path, partial=True)
    assert isinstance(data, Images) and data.train.shape == data.test.shape == (500, 3, 32, 32)
    assert torch.bincount(data.test_labels).tolist() == [50] * 10
    (red, green, blue), _ = channel_statistics(data.train)
    assert red > green > blue > 0.4


def test_real_brain_mri():
    data = real("brain-mri")
    assert isinstance(data, Scans) and data.images.shape == (len(data.masks), 3, 256, 256)
    assert len(data.patients) >= 8
    assert 0 < data.masks.double().mean() < 0.1
    inside = data.images[:, 1][data.masks[:, 0] == 1].double().mean()
    assert inside > data.images[:, 1].double().mean()
