"""Reports written as markdown with pictures beside it, and as one HTML file that holds its pictures."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch_bridge.experiments.documents import Picture, Report, Section, Table
from torch_bridge.experiments.engine import Experiment, Results, plain
from torch_bridge.report.files import write_figure, write_text

STYLE = """body { font: 15px/1.5 system-ui, sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse; margin: 1em 0 } th, td { padding: .25em .7em; border-bottom: 1px solid #ddd }
th { border-bottom: 2px solid #888 } .n { text-align: right; white-space: nowrap } img { max-width: 100% }
figcaption { color: #555 }"""


def write_report(
    folder: Path, report: Report, experiment: Experiment, settings: Any, results: Results, record: Mapping[str, Any]
) -> None:
    """Write ``report.md``, ``report.html`` and the pictures into ``folder``, which is made if it is absent.

    What every report says comes after the experiment's own sections: failed and unfinished runs, settings, machine.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sections = (*report.sections, _runs_section(results), _settings_section(experiment, settings, record))
    pictures = {part.name: part for section in sections for part in section.parts if isinstance(part, Picture)}
    for name, picture in pictures.items():
        write_figure(folder / f"{name}.png", picture.draw(), dpi=110)
    write_text(folder / "report.md", markdown(Report(report.title, sections)))

    def image(name: str) -> str:
        return "data:image/png;base64," + base64.b64encode((folder / f"{name}.png").read_bytes()).decode()

    write_text(folder / "report.html", as_html(Report(report.title, sections), image))


def markdown(report: Report) -> str:
    """The report as GitHub's markdown; pictures are ``<name>.png``."""
    blocks = [f"# {report.title}"]
    for section in report.sections:
        blocks.append(f"## {section.title}")
        blocks += [_markdown_part(part) for part in section.parts]
    return "\n\n".join(blocks) + "\n"


def _markdown_part(part: str | Table | Picture | tuple[str, ...]) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Picture):
        return f"![{part.caption}]({part.name}.png)\n\n*{part.caption}*"
    if isinstance(part, tuple):
        return "\n".join(f"- {item}" for item in part)
    columns = len(part.head)
    rule = ["---"] + ["---" if part.text else "---:"] * (columns - 1)
    return "\n".join(
        "| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in (part.head, rule, *part.rows)
    )


def as_html(report: Report, image: Callable[[str], str]) -> str:
    """The report as one page; ``image(name)`` is the address of a picture."""
    body = [f"<h1>{html.escape(report.title)}</h1>"]
    for section in report.sections:
        body.append(f"<h2>{html.escape(section.title)}</h2>")
        body += [_html_part(part, image) for part in section.parts]
    head = f'<meta charset="utf-8"><title>{html.escape(report.title)}</title><style>{STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n' + "\n".join(body) + "\n</body></html>\n"


def _html_part(part: str | Table | Picture | tuple[str, ...], image: Callable[[str], str]) -> str:
    if isinstance(part, str):
        return f"<p>{html.escape(part)}</p>"
    if isinstance(part, Picture):
        caption = html.escape(part.caption)
        return f'<figure><img src="{image(part.name)}" alt="{caption}"><figcaption>{caption}</figcaption></figure>'
    if isinstance(part, tuple):
        return "<ul>" + "".join(f"<li>{html.escape(item)}</li>" for item in part) + "</ul>"
    return (
        "<table>"
        + _html_row(part.head, "th", part.text)
        + "".join(_html_row(row, "td", part.text) for row in part.rows)
        + "</table>"
    )


def _html_row(row: tuple[str, ...], tag: str, text: bool) -> str:
    cells = [
        f"<{tag}>{html.escape(cell)}</{tag}>" if i == 0 or text else f'<{tag} class="n">{html.escape(cell)}</{tag}>'
        for i, cell in enumerate(row)
    ]
    return "<tr>" + "".join(cells) + "</tr>"


def _runs_section(results: Results) -> Section:
    failed = [run for run in results.runs if run.failure is not None]
    lines = [f"{len(results.runs) - len(failed)} runs have results, {results.seconds:.0f} s of training in all."]
    lines += [f"failed: {run.settings.label}, seed {run.seed}: {run.failure}" for run in failed]
    lines += [f"unfinished: {label}" for label in results.unfinished]
    if results.waiting:
        lines.append(f"not begun: {results.waiting} settings of a run")
    return Section("Runs", (tuple(lines),))


def _settings_section(experiment: Experiment, settings: Any, record: Mapping[str, Any]) -> Section:
    rows = tuple((name, _cell(value)) for name, value in plain(settings).items())
    env = record["environment"]
    versions = ", ".join(f"{name} {version}" for name, version in env["versions"].items() if version)
    return Section(
        "Settings and machine",
        (
            Table(("setting", "value"), rows, text=True),
            (
                f"reproduces: {experiment.reproduces}; data: {experiment.data}",
                f"started {record['started']} on {env['processor']}, {record['device']}, {env['system']}",
                f"Python {env['python']}, {versions}; commit {env['git'] or 'unknown'}",
            ),
        ),
    )


def _cell(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else "none" if value is None else str(value)
