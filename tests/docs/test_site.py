"""The site: it builds without a warning and without a network, and shows what it is made from."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import iatcore
import torch_bridge
from verify.ledger import claims

ROOT = Path(__file__).parents[2]


class Loaded(HTMLParser):
    """What a page makes a browser load: everything but the targets of links."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        loads = {"src", "srcset", "data", "href"} if tag == "link" else {"src", "srcset", "data"}
        self.addresses += [value for key, value in attrs if value and key in loads]


@pytest.mark.slow
def test_site(tmp_path: Path) -> None:
    """One test, because tests of one file may run in several processes, and each would build the site."""
    for needed in ("furo", "latex2mathml", "myst_parser"):
        pytest.importorskip(needed)
    site = tmp_path / "html"
    words = ["-q", "-W", "--keep-going", "-d", str(tmp_path / "doctrees"), "-b", "html", "docs", str(site)]
    done = subprocess.run([sys.executable, "-m", "sphinx", *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    check_that_nothing_comes_from_another_host(site)
    check_that_formulas_are_mathml(site)
    for package in (iatcore, torch_bridge, torch_bridge.data, torch_bridge.networks, torch_bridge.plot):
        check_that_every_public_name_is_in_the_reference(package, site)
    check_that_every_claim_is_on_the_page_of_its_paper(site)


def check_that_nothing_comes_from_another_host(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = Loaded()
        loaded.feed(page.read_text())
        assert loaded.addresses, page
        assert not [address for address in loaded.addresses if re.match(r"(\w+:)?//", address)], page
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(\w+:)?//|@import", style.read_text()), style


def check_that_formulas_are_mathml(site: Path) -> None:
    page = (site / "how-exact-works.html").read_text()
    assert page.count("<math ") > 20
    assert "\\frac" not in page and "\\int" not in page


def check_that_every_public_name_is_in_the_reference(package: Any, site: Path) -> None:
    page = (site / "api" / f"{package.__name__.partition('.')[0]}.html").read_text()
    shown = set(re.findall(r'id="(?:module-)?([\w.]+)"', page))
    assert {f"{package.__name__}.{name}" for name in package.__all__} <= shown


def check_that_every_claim_is_on_the_page_of_its_paper(site: Path) -> None:
    for claim in claims().values():
        page = (site / "ledger" / f"{claim.paper.lower()}.html").read_text()
        assert f"<strong>{claim.id}</strong>" in page
