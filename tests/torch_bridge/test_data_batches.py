"""Batches resume exactly and cover every epoch; augmentation does what a loop over images does."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch

from torch_bridge.data import Batches, CropFlip, Images, Scans, channel_statistics, images_per_second
from torch_bridge.data import batches as batches_module

COUNT = 23


def images(count=COUNT, channels=3, side=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, channels, side, side), dtype=torch.uint8, generator=generator)


def batches(**settings):
    return Batches(images(), torch.arange(COUNT), settings.pop("size", 5), **settings)


def rows(epoch):
    return torch.cat([y for _, y in epoch]).tolist()


def test_an_epoch_has_every_image_once_with_its_label():
    source = batches()
    for epoch in range(3):
        found = list(source)
        assert sorted(rows(found)) == list(range(COUNT)) and source.epoch == epoch + 1
        assert [len(y) for _, y in found] == [5, 5, 5, 5, 3] and len(source) == 5
        for x, y in found:
            assert torch.equal(x, images()[y].float() / 255)


def test_orders_differ_between_epochs_and_seeds_and_repeat_for_a_seed():
    first, second = batches(seed=1), batches(seed=1)
    orders = [rows(first) for _ in range(3)]
    assert orders == [rows(second) for _ in range(3)]
    assert orders[0] != orders[1] != orders[2] and rows(batches(seed=2)) != orders[0]


def test_without_shuffling_the_order_is_kept_and_a_short_batch_can_be_left_out():
    assert rows(batches(shuffle=False)) == list(range(COUNT))
    source = batches(shuffle=False, drop_last=True)
    assert rows(source) == list(range(20)) and len(source) == 4
    assert rows(source) == list(range(20))


@pytest.mark.parametrize("done", [0, 1, 4, 5, 7, 10])
@pytest.mark.parametrize("shuffle", [True, False])
def test_training_resumes_exactly(done, shuffle):
    def source():
        return batches(seed=4, shuffle=shuffle, augment=CropFlip(2))

    def take(batches, count):
        found = []
        while len(found) < count:
            for batch in batches:
                found.append(batch)
                if len(found) == count:
                    break
        return found

    whole = take(source(), 14)
    interrupted = source()
    take(interrupted, done)
    stored = io.BytesIO()
    torch.save(interrupted.state_dict(), stored)
    stored.seek(0)
    resumed = Batches(images(), torch.arange(COUNT), 5, seed=99, shuffle=shuffle, augment=CropFlip(2))
    resumed.load_state_dict(torch.load(stored, weights_only=True))
    for (x, y), (expected_x, expected_y) in zip(take(resumed, 14 - done), whole[done:], strict=True):
        assert torch.equal(x, expected_x) and torch.equal(y, expected_y)
    assert torch.equal(take(interrupted, 1)[0][0], whole[done][0])


def test_a_state_of_something_else_is_refused():
    state = batches().state_dict()
    with pytest.raises(ValueError, match="size = 5, these have 6"):
        batches(size=6).load_state_dict(state)
    with pytest.raises(ValueError, match="shuffle"):
        batches(shuffle=False).load_state_dict(state)
    with pytest.raises(ValueError, match="images"):
        Batches(images(5), torch.arange(5), 5).load_state_dict(state)
    with pytest.raises(ValueError, match="position"):
        batches().load_state_dict({**state, "position": 6})
    with pytest.raises(KeyError):
        batches().load_state_dict({})


def test_normalised_batches_have_mean_0_and_deviation_1():
    data = images(200)
    mean, std = channel_statistics(data)
    exact = data.double().div(255)
    np.testing.assert_allclose(mean, exact.mean(dim=(0, 2, 3)), rtol=1e-13)
    np.testing.assert_allclose(std, exact.std(dim=(0, 2, 3), correction=0), rtol=1e-13)
    (x, _), *rest = Batches(data, torch.zeros(200), 200, mean=mean, std=std, dtype=torch.float64)
    assert not rest and x.dtype == torch.float64
    torch.testing.assert_close(x.mean(dim=(0, 2, 3)), torch.zeros(3, dtype=torch.float64), atol=1e-12, rtol=0)
    torch.testing.assert_close(x.std(dim=(0, 2, 3), correction=0), torch.ones(3, dtype=torch.float64))


def test_masks_become_numbers():
    masks = (images(channels=1) > 127).to(torch.uint8)
    for x, y in Batches(images(), masks, 5, augment=CropFlip(0)):
        assert x.shape[1:] == (3, 8, 8) and y.shape[1:] == (1, 8, 8) and y.dtype == torch.float32


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 0}, "size"),
        ({"size": 24, "drop_last": True}, "size"),
        ({"mean": [0.5]}, "mean"),
        ({"std": [1, 0, 1]}, "std"),
        ({"std": [1, float("nan"), 1]}, "std"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        batches(**settings)


def test_bad_tensors_are_refused():
    with pytest.raises(TypeError, match="uint8"):
        Batches(images().float(), torch.arange(COUNT), 5)
    with pytest.raises(TypeError, match="floating"):
        batches(dtype=torch.int64)
    with pytest.raises(ValueError, match="n targets"):
        Batches(images(), torch.arange(5), 5)
    with pytest.raises(ValueError, match="n targets"):
        Batches(images(0), torch.arange(0), 5)


def slow_crop_flip(batch, padding, generator, flip):
    """One image after the other, by the numbers that CropFlip draws."""
    count, _, height, width = batch.shape
    top, left = torch.randint(2 * padding + 1, (2, count, 1), generator=generator).squeeze(-1).tolist()
    flips = (torch.rand((count, 1), generator=generator) < 0.5).squeeze(-1).tolist()
    result = []
    for image, y, x, flipped in zip(batch.numpy(), top, left, flips, strict=True):
        padded = np.pad(image, ((0, 0), (padding, padding), (padding, padding)))
        crop = padded[:, y : y + height, x : x + width]
        result.append(crop[:, :, ::-1] if flip and flipped else crop)
    return torch.from_numpy(np.stack(result))


@pytest.mark.parametrize("padding", [0, 1, 4])
@pytest.mark.parametrize("flip", [True, False])
@pytest.mark.parametrize("shape", [(9, 3, 8, 8), (5, 1, 6, 10)])
def test_crop_and_flip_as_a_loop_over_images(padding, flip, shape):
    batch = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(len(batch))
    found, same = CropFlip(padding, flip)(batch, labels, torch.Generator().manual_seed(2))
    assert torch.equal(found, slow_crop_flip(batch, padding, torch.Generator().manual_seed(2), flip))
    assert same is labels and found.dtype == torch.uint8


def test_masks_move_with_their_images():
    batch = images(40)
    found, masks = CropFlip(3)(batch, batch[:, :1], torch.Generator().manual_seed(0))
    assert torch.equal(found[:, :1], masks) and not torch.equal(found, batch)


def test_every_crop_and_both_directions_occur():
    pixel = torch.zeros(2000, 1, 5, 5, dtype=torch.uint8)
    pixel[:, :, 2, 1] = 1
    moved, _ = CropFlip(1)(pixel, torch.zeros(2000), torch.Generator().manual_seed(0))
    assert (moved.flatten(1).sum(1) == 1).all()
    seen = moved.sum(dim=0)[0] > 0
    assert torch.equal(seen.nonzero()[:, 0].unique(), torch.arange(1, 4))
    assert torch.equal(seen.nonzero()[:, 1].unique(), torch.arange(0, 5))


def test_a_negative_padding_is_refused():
    with pytest.raises(ValueError, match="padding"):
        CropFlip(-1)


def test_speed_is_images_of_the_rest_of_an_epoch_by_seconds(monkeypatch):
    clock = iter([10.0, 12.0, 20.0, 20.5])
    monkeypatch.setattr(batches_module.time, "perf_counter", lambda: next(clock))
    source = batches()
    assert images_per_second(source) == COUNT / 2 and source.epoch == 1
    next(iter(source))
    assert images_per_second(source) == (COUNT - 5) / 0.5


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_batches_on_a_device_are_those_on_the_cpu():
    for (x, y), (on_x, on_y) in zip(
        batches(augment=CropFlip()), batches(augment=CropFlip(), device="cuda"), strict=True
    ):
        assert on_x.is_cuda and torch.equal(x, on_x.cpu()) and torch.equal(y, on_y.cpu())


def some(count=4, channels=1, side=8, labels=3):
    return images(count, channels, side), torch.arange(count) % labels


def test_images_check_themselves():
    good = Images(*some(), *some(2), ("a", "b", "c"), "some")
    with pytest.raises(TypeError, match="uint8"):
        Images(good.train.float(), *some()[1:], *some(2), good.classes, "some")
    with pytest.raises(ValueError, match=r"\[0, 2\)"):
        Images(*some(), *some(2), ("a", "b"), "some")
    with pytest.raises(ValueError, match="train_labels"):
        Images(good.train, some(3)[1], *some(2), good.classes, "some")
    with pytest.raises(ValueError, match="one shape"):
        Images(*some(), *some(2, side=9), good.classes, "some")
    with pytest.raises(ValueError, match="without zeros"):
        Images(*some(0), *some(2), good.classes, "some")


def test_images_for_transfer():
    one = Images(*some(), *some(2), ("a", "b", "c"), "some")
    three = one.repeated(3)
    assert three.train.shape == (4, 3, 8, 8) and torch.equal(three.test[:, 2], one.test[:, 0])
    middle = three.cropped(4)
    assert torch.equal(middle.train, three.train[:, :, 2:6, 2:6])
    with pytest.raises(ValueError, match="one channel"):
        three.repeated(3)
    with pytest.raises(ValueError, match="side"):
        one.cropped(9)


def test_scans_are_split_by_patient():
    patient = torch.arange(30) % 6
    scans = Scans(images(30), (images(30, 1) > 9).to(torch.uint8), patient, tuple("abcdef"), "some")
    train, test = scans.split(2, seed=1)
    assert set(train.patients) | set(test.patients) == set("abcdef") and len(test.patients) == 2
    assert not set(train.patients) & set(test.patients) and len(train.images) == 20
    for part in (train, test):
        for i, name in enumerate(part.patients):
            rows = patient == "abcdef".index(name)
            assert torch.equal(part.images[part.patient == i], scans.images[rows])
            assert torch.equal(part.masks[part.patient == i], scans.masks[rows])
    assert scans.split(2, seed=1)[1].patients == test.patients
    assert {scans.split(2, seed=s)[1].patients for s in range(9)} != {test.patients}
    for count in (0, 6):
        with pytest.raises(ValueError, match="test must be"):
            scans.split(count)
    with pytest.raises(ValueError, match="0 or 1"):
        Scans(images(30), images(30, 1), patient, tuple("abcdef"), "some")
