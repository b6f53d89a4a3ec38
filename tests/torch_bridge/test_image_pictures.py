"""Pictures of networks on images: the heat of Grad-CAM by plain torch, and masks that jobs keep."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.torch_bridge.results import ended
from torch_bridge.experiments.engine import RunResult
from torch_bridge.experiments.image_activations import build
from torch_bridge.experiments.image_pictures import attention_figure, first_activation, grad_cam, segmentations_figure
from torch_bridge.experiments.image_runs import Data, ImageJob, ImageRun, normalisation

CPU = torch.device("cpu")


def noise(count: int, channels: int, side: int, seed: int) -> torch.Tensor:
    return torch.randint(
        0, 256, (count, channels, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed)
    )


def finished(run: ImageRun, data: Data, seeds: tuple[int, ...] = (0,)) -> RunResult:
    job = ImageJob(run, seeds, CPU, data)
    for _ in range(job.total_steps):
        job.step()
    state = job.state_dict()
    return ended(run, 0, {}, seeds=seeds, state=lambda: state)


def coloured(activation: str) -> RunResult:
    run = ImageRun("cifar10", "squeezenet", activation, batch_size=4, epochs=1, augment=True)
    labels = torch.arange(8) % 10
    return finished(run, Data(noise(8, 3, 32, 0), labels, noise(6, 3, 32, 1), labels[:6], None, 10))


def segmented(activation: str, seeds: tuple[int, ...] = (0,)) -> RunResult:
    masks = torch.zeros(6, 1, 32, 32, dtype=torch.uint8)
    for i in range(6):
        masks[i, :, : 4 + 3 * i, 8:24] = 1
    run = ImageRun("brain-mri", "unet", activation, optimizer="adam", learning_rate=1e-3, batch_size=3, epochs=2)
    data = Data(noise(6, 3, 32, 2), masks, noise(6, 3, 32, 3), masks, torch.tensor([0, 0, 1, 1, 2, 2]), 1)
    return finished(run, data, seeds)


@pytest.mark.parametrize("activation", ["relu", "arelu"])
def test_grad_cam_is_its_formula(activation):
    result = coloured(activation)
    run, state = result.settings, result.state()
    assert state is not None
    images, labels = state["shown"]["images"], state["shown"]["targets"]
    assert torch.equal(images, noise(6, 3, 32, 1)[:4])
    network = build(run.network, run.activation, run.alpha, run.beta, 10, 3)
    network.load_state_dict(state["members"][0]["network"])
    network.eval()
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in normalisation(run))
    kept = {}
    first_activation(network, run).register_forward_hook(lambda m, inputs, output: kept.setdefault("A", output))
    scores = network((images / 255 - mean) / std)
    (slopes,) = torch.autograd.grad(scores[range(4), labels].sum(), kept["A"])
    heat = (slopes.mean((2, 3), keepdim=True) * kept["A"]).sum(1, keepdim=True).relu()
    expected = F.interpolate(heat, (32, 32), mode="bilinear")[:, 0].detach()
    np.testing.assert_allclose(grad_cam(result), expected, rtol=1e-4, atol=1e-6 * float(expected.max()))


def test_the_first_activation_follows_the_first_convolution():
    run = ImageRun("cifar10", "resnet18", "arelu")
    network = build(run.network, run.activation, 0.75, 1.0, 10, 3)
    seen = []
    for name, module in network.named_modules():
        if not list(module.children()):
            module.register_forward_hook(lambda m, inputs, output, name=name: seen.append((name, m)))
    with torch.no_grad():
        network(torch.zeros(1, 3, 32, 32))
    kinds = [type(m).__name__ for _, m in seen[:3]]
    assert kinds == ["Conv2d", "BatchNorm2d", "AReLU"] and first_activation(network, run) is seen[2][1]


def test_pictures_of_attention_have_a_row_for_each_group():
    figure = attention_figure({"relu": [coloured("relu")], "arelu": [coloured("arelu")]})
    assert len(figure.axes) == 3 * 4
    assert [ax.get_ylabel() for ax in figure.axes[::4]] == ["test image", "relu", "arelu"]


def test_segmentations_show_the_largest_mask_over_the_epochs():
    result = segmented("relu")
    state = result.state()
    assert state is not None and state["shown"]["rows"].tolist() == [5]
    history = state["members"][0]["history"]
    assert [note["masks"].shape for note in history] == [(1, 1, 32, 32)] * 3
    run = result.settings
    network = build(run.network, run.activation, run.alpha, run.beta, 1, 3)
    network.load_state_dict(state["members"][0]["network"])
    network.eval()
    with torch.no_grad():
        last = network(state["shown"]["images"] / 255) > 0.5
    assert torch.equal(history[-1]["masks"] > 0, last)
    figure = segmentations_figure({"relu": [result], "again": [result]})
    assert [ax.get_title() for ax in figure.axes] == ["epoch 0", "epoch 1", "epoch 2", "", "", ""]


def test_pictures_need_the_state():
    gone = ended(ImageRun("cifar10", "squeezenet", "relu"), 0, {}, seeds=(0,))
    with pytest.raises(ValueError, match=r"checkpoint of squeezenet-relu-sgd-0\.01, seed 0, is not there any more"):
        grad_cam(gone)


def test_top_five_counts_labels_among_the_five_most_probable():
    result = coloured("relu")
    job = ImageJob(result.settings, (0,), CPU, Data(noise(8, 3, 32, 0), torch.arange(8), noise(40, 3, 32, 4),
                   torch.arange(40) % 10, None, 10))  # fmt: skip
    for _ in range(job.total_steps):
        job.step()
    network = job.each[0].network.eval()
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in normalisation(result.settings))
    with torch.no_grad():
        scores = network((job.data.test / 255 - mean) / std)
    ranks = (scores > scores.gather(1, job.data.test_targets[:, None])).sum(1)
    found = job.evaluate()
    assert found["top-5 accuracy"] == [pytest.approx(float((ranks < 5).double().mean()))]
    assert found["accuracy"] == [pytest.approx(float((ranks == 0).double().mean()))]
