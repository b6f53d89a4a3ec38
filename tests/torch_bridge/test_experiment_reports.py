"""Reports: from folders alone, and the verdicts on the paper's claims."""

import io
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from tests.torch_bridge.engine_toy import REFERENCE
from tests.torch_bridge.results import ended
from torch_bridge import cli
from torch_bridge.experiments import iat_bases, iat_mesh, iat_pattern
from torch_bridge.experiments.documents import Report, Section, Table
from torch_bridge.experiments.engine import Results, load
from torch_bridge.experiments.iat_bases_report import Scores, rank_text, task_claims
from torch_bridge.experiments.iat_runs import FUNCTION, LABELS
from torch_bridge.experiments.statistics import NOT_SUPPORTED, NOT_TESTED, SUPPORTED, Difference, Sample, by_seed
from torch_bridge.report.documents import as_html, markdown
from torch_bridge.report.runs import curves
from torch_bridge.sweep import command
from torch_bridge.sweep.command import Request

QUIET = Console(file=io.StringIO())


def invented(runs, metric, values, seeds=(0, 1, 2)):
    """Results whose metric is ``values(run)`` plus a spread of 0.001 over the seeds."""
    stability = {"loss_jump": 0.1, "gradient_change": 0.2}
    return Results(
        tuple(
            ended(run, seed, {**stability, metric: values(run) + 0.001 * (seed - 1)}) for run in runs for seed in seeds
        )
    )


def label_claims(values, seeds=(0, 1, 2)):
    settings = iat_bases.BasesSettings(tasks=(LABELS,))
    results = invented(iat_bases.runs(settings), "accuracy", values, seeds)
    return task_claims(Scores(results, LABELS, settings)), settings, results


def test_claims_follow_the_numbers():
    def paper_is_right(run):
        zero = run.input_basis in ("fourier", "pwl-w", "rect-w")
        local = run.output_basis in ("rect", "pwl", "pwq")
        best = (run.input_basis == "fourier") + (run.output_basis == "pwq")
        return 0.5 + 0.1 * zero + 0.1 * local + 0.05 * best

    claims, _, _ = label_claims(paper_is_right)
    assert [claim.verdict for claim in claims[:4]] == [SUPPORTED] * 4
    claims, _, _ = label_claims(lambda run: 1.5 - paper_is_right(run))
    assert [claim.verdict for claim in claims[:4]] == [NOT_SUPPORTED] * 4
    assert all("the opposite holds" in claim.numbers for claim in claims[:2])
    claims, _, _ = label_claims(lambda run: 0.8)
    assert {claim.verdict for claim in claims} == {NOT_SUPPORTED}
    assert not any("opposite" in claim.numbers for claim in claims)


def test_one_seed_tests_nothing():
    claims, _, _ = label_claims(lambda run: 0.5 + 0.4 * (run.input_basis == "fourier"), seeds=(0,))
    assert {claim.verdict for claim in claims} == {NOT_TESTED}


def test_networks_that_have_hardly_learned_test_nothing():
    claims, _, _ = label_claims(lambda run: 0.55 + 0.1 * (run.input_basis == "fourier"))
    assert {claim.verdict for claim in claims} == {NOT_TESTED} and "undertrained" in claims[0].numbers


def test_errors_are_compared_by_their_logarithm():
    settings = iat_bases.BasesSettings(tasks=(FUNCTION,), inputs=("rect", "fourier"), outputs=("pwq",), scalars=())
    runs = iat_bases.runs(settings)
    results = invented(runs, "MSE", lambda run: 0.01 if run.input_basis == "fourier" else 1.0)
    (claim, *_) = task_claims(Scores(results, FUNCTION, settings))
    assert claim.verdict == SUPPORTED and "difference +2 " in claim.numbers


def test_the_papers_tables():
    assert iat_bases.PAPER[LABELS]["rect-w", "pwq"] == pytest.approx(0.983)
    assert iat_bases.PAPER[FUNCTION]["fourier", "pwl"] == 7.0e-5
    assert iat_bases.PAPER[FUNCTION]["pwq", "pwq"] == min(iat_bases.PAPER[FUNCTION].values())
    assert all(len(table) == 36 for table in iat_bases.PAPER.values())
    paper = iat_bases.PAPER[LABELS]
    assert "+1.00" in rank_text(paper, paper, LABELS)
    assert "-1.00" in rank_text({pair: -value for pair, value in paper.items()}, paper, LABELS)
    assert "not tested" in rank_text({("rect", "rect"): 1.0}, paper, LABELS)


def test_mesh_claims():
    settings = iat_mesh.MeshSettings()
    finer = {10: 0.1, 20: 0.2, 40: 0.3, 80: 0.4, 160: 0.5, 320: 0.6, None: 0.7}
    runs = iat_mesh.runs(settings)

    def claims(task, metric, values):
        results = invented([run for run in runs if run.task == task], metric, values)
        columns = {
            name: results.select(lambda run, mesh=mesh: run.mesh == mesh) for name, mesh in settings.meshes.items()
        }
        return iat_mesh.mesh_claims(task, columns)

    assert claims(FUNCTION, "MSE", lambda run: 0.01 / finer[run.mesh])[0].verdict == SUPPORTED
    assert claims(FUNCTION, "MSE", lambda run: 0.01 * finer[run.mesh])[0].verdict == NOT_SUPPORTED
    assert claims(LABELS, "accuracy", lambda run: 0.9 if run.mesh == 20 else 0.5)[0].verdict == SUPPORTED
    assert claims(LABELS, "accuracy", lambda run: 0.2 + finer[run.mesh])[0].verdict == NOT_SUPPORTED


def test_statistics():
    a, b = Sample.of([1.0, 2.0, 3.0]), Sample.of([0.0, 1.0])
    difference = Difference(a, b)
    assert difference.mean == 1.5 and difference.error == pytest.approx(math.sqrt(1 / 3 + 0.5 / 2))
    assert difference.verdict == NOT_SUPPORTED and Difference(a, Sample.of([0.0])).verdict == NOT_TESTED
    assert Difference(a, Sample.of([0.0])).text == "difference +2 (n = 3, 1)"
    assert by_seed([{0: 1.0, 1: 2.0}, {1: 4.0, 2: 9.0}]) == [3.0]


def test_a_report_comes_from_the_folders_alone(tmp_path, monkeypatch, capsys):
    out = tmp_path / "made"
    command.run(Request(REFERENCE, seeds="2", workers=1, out=out), QUIET)
    assert cli.main(["report", REFERENCE, "--out", str(out)]) == 0
    first = (out / "report" / "report.md").read_text()
    moved = tmp_path / "elsewhere"
    shutil.copytree(out, moved, ignore=shutil.ignore_patterns("report", "*.pt", ".lock"))
    monkeypatch.setattr(command, "train", None)
    assert cli.main(["report", REFERENCE, "--out", str(moved)]) == 0
    assert (moved / "report" / "report.md").read_text() == first
    assert first.count("| rate 0.1 |") == 2 and "6 runs have results" in first
    page = (moved / "report" / "report.html").read_text()
    assert "toy &lt;report&gt;" in page and "<report>" not in page
    assert str(moved / "report" / "report.html") in capsys.readouterr().out


def test_failed_and_unfinished_runs_are_named(tmp_path):
    out = tmp_path / "out"
    command.run(Request(REFERENCE, assignments=("nan_seed=1",), seeds="2", workers=1, out=out), QUIET)
    folder = next(path for path in out.iterdir() if path.name.startswith("rate-0.05"))
    (folder / "result.json").unlink()
    with open(folder / "metrics.jsonl", "ab") as file:
        file.write(b'{"step": 4')
    command.report(REFERENCE, out, QUIET)
    text = (out / "report" / "report.md").read_text()
    assert "2 runs have results" in text and "not begun" not in text
    assert "failed: rate 0.1, seed 1: loss became nan" in text and "unfinished: rate 0.05" in text
    shutil.rmtree(next(path for path in out.iterdir() if path.name.startswith("rate-0.02")))
    command.report(REFERENCE, out, QUIET)
    assert "not begun: 1 settings of a run" in (out / "report" / "report.md").read_text()
    steps, losses = curves(folder, 2)
    assert len(steps) == 40 and np.isnan(losses[-1, 1]) and not np.isnan(losses[:, 0]).any()


@pytest.mark.parametrize("name", ["iat-bases", "iat-mesh"])
def test_the_smoke_presets_run_and_report(name, tmp_path):
    experiment = load(name)
    small = ("steps=6", "side=6", "hidden_layers=2", "width=4")
    out = command.run(Request(name, "smoke", small, workers=1, out=tmp_path / "out"), QUIET)
    target = command.report(name, out, QUIET)
    text, page = (target / "report.md").read_text(), (target / "report.html").read_text()
    settings = experiment.presets["smoke"].settings
    runs = len(experiment.runs(settings)) * experiment.presets["smoke"].seeds
    assert f"{runs} runs have results" in text and "| steps | 6 |" in text
    for word in ("Chosen, not published", "rank correlation", "not tested", "labels-curves.png"):
        assert word in text
    assert page.count("data:image/png;base64,") == len(list(target.glob("*.png"))) == 4
    if name == "iat-bases":
        assert "[89.7 %]" in text and "[8.8e-04]" in text


def test_a_report_before_any_run_has_ended(tmp_path):
    for module in (iat_bases, iat_mesh, iat_pattern):
        report = module.EXPERIMENT.report(module.EXPERIMENT.presets["smoke"].settings, Results(()))
        assert "not tested" in markdown(report)
        for section in report.sections:
            for part in section.parts:
                if hasattr(part, "draw"):
                    part.draw()


def test_tables_as_markdown_and_html():
    report = Report("a & b", (Section("c", ("text", Table(("x|y", "z"), (("1", "<2>"),)), ("one", "two"))),))
    assert "| x\\|y | z |\n| --- | ---: |\n| 1 | <2> |" in markdown(report) and "- one\n- two" in markdown(report)
    page = as_html(report, lambda name: name)
    assert "a &amp; b" in page and '<td class="n">&lt;2&gt;</td>' in page and "<li>two</li>" in page


def test_a_mesh_in_place_of_the_exact_transform():
    settings = replace(iat_bases.EXPERIMENT.presets["smoke"].settings, mesh=50)
    runs = iat_bases.runs(settings)
    assert {run.mesh for run in runs if run.activation == "iat"} == {50}
    assert "M = 50 points" in iat_bases.report(settings, Results(())).title
