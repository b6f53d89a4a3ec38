"""The page of one transform: what it shows, against other ways to compute it; the server; a browser."""

import asyncio
import http.client
import os
import shutil
import signal
import socket
import threading
import webbrowser
from dataclasses import replace

import numpy as np
import pytest
import torch

import iatcore
import torch_bridge as tb
from torch_bridge.nn.iat import GATES

pytest.importorskip("bokeh")

from bokeh.document import Document
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from torch_bridge import cli, explore
from torch_bridge.explore.page import Page
from torch_bridge.explore.server import bind, serve
from torch_bridge.explore.settings import BASES, Settings
from torch_bridge.explore.snapshot import snapshot
from torch_bridge.explore.sources import COLUMNS, columns_of
from torch_bridge.explore.tables import NONE, summary, table

Z = (0.63, -1.2, 0.41, 0.87, -0.35)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


# -- what is shown -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "gate"), [*((name, "leaky_relu") for name in BASES), *(("pwl", g) for g in GATES)])
def test_values_against_a_fine_mesh(name, gate):
    settings = Settings(Z, name, "pwl", gate, slope=-0.4, mesh=9, output=2, direction=3)
    view = snapshot(settings)
    iat, z = settings.transform(), np.array(Z)
    fine = iat.discretize(3_000)
    assert np.all(np.abs(view.u - fine(z)) <= fine.error_bound(z))
    np.testing.assert_array_equal(view.u_mesh, iat.discretize(9)(z))
    assert np.all(np.abs(view.error) <= view.bound)
    np.testing.assert_allclose(view.matrix @ z, view.u, atol=1e-14)
    s = np.linspace(-0.999, 0.999, 500)
    f = z @ iat.p(s)
    inside = [np.any((view.positive[:, 0] < x) & (x < view.positive[:, 1])) for x in s]
    np.testing.assert_array_equal(inside, f > 0)
    at = np.searchsorted(view.intervals[:, 0], s) - 1
    np.testing.assert_array_equal(view.slopes[at], iat.gate.derivative(f))
    assert view.measure == pytest.approx(np.diff(view.positive).sum())
    np.testing.assert_allclose(z @ iat.p(view.roots), 0, atol=1e-13)
    np.testing.assert_allclose(view.mesh_f, z @ iat.p(view.mesh_points))


@pytest.mark.parametrize("name", BASES)
def test_derivatives_against_torch_to_any_order(name):
    settings = Settings(Z, name, "pwq", "leaky_relu", slope=0.3, output=1, direction=2)
    view = snapshot(settings)
    gate = iatcore.gates.leaky_relu(0.3)
    module = tb.IAT(5, 5, settings.transform().p, "pwq", gate, scale=None, derivatives="any")
    assert view.derivatives.missing == ("", "", "")
    t = torch.zeros((), dtype=torch.float64, requires_grad=True)
    y = module(torch.tensor(Z, dtype=torch.float64) + t * torch.eye(5, dtype=torch.float64)[2])[1]
    for order in range(3):
        (y,) = torch.autograd.grad(y, t, create_graph=True) if y.requires_grad else (torch.zeros(()),)
        assert view.derivatives.along[order, 1] == pytest.approx(y.item(), rel=1e-8, abs=1e-9)
    assert view.gradient[2] == pytest.approx(view.derivatives.along[0, 1], abs=1e-14)
    assert view.hessian[2, 2] == pytest.approx(view.derivatives.along[1, 1], abs=1e-14)


def test_taylor_polynomials_meet_the_curve_to_their_order():
    view = snapshot(Settings(Z, "fourier", "pwq", output=3, direction=1))
    t = view.line - view.line[len(view.line) // 2]
    near = (np.abs(t) < 0.12) & (t != 0)
    errors = np.abs(view.taylor - view.line_u)[:, near]
    for order, row in enumerate(errors, start=1):
        rate = row / np.abs(t[near]) ** (order + 1)
        assert rate.max() < 4 * max(rate.min(), 1e-3)


MISSING = {
    "one root in a cell": ("pwl", (1.0, 0.3, -1.0), 1, (True, True, True)),
    "a root at a node": ("pwl", (1.0, 0.0, -2.0), 1, (True, False, False)),
    "a root at a node without a kink": ("pwl", (1.0, 0.0, -1.0), 1, (True, True, False)),
    "touching at a node": ("pwl", (1.0, 0.0, 1.0), 1, (True, False, False)),
    "a root at an end": ("pwl", (0.0, 1.0, 1.0), 0, (True, False, False)),
    "a root at a knot of a quadratic": ("pwq", (1.0, -1.0, 1.0), 0, (True, True, False)),
    "zero on a cell": ("rect", (1.0, 0.0, -1.0), 1, (False, False, False)),
    "no zero": ("rect", (1.0, 0.5, -1.0), 1, (True, True, True)),
    "roots at the ends": ("fourier", (0.0, 0.0, 1.0), 1, (True, False, False)),
    "rounded roots at the ends": ("fourier", (1.0, 0.0, 0.0), 1, (True, False, False)),
    "zero everywhere": ("fourier", (0.0, 0.0, 0.0), 1, (False, False, False)),
}


@pytest.mark.parametrize("case", MISSING)
def test_a_derivative_is_missing_where_it_jumps(case):
    """Difference quotients from both sides along one coordinate agree where it exists, and else differ."""
    name, z, k, exists = MISSING[case]
    settings = Settings(z, name, "pwq", direction=k)
    found = snapshot(settings).derivatives
    assert tuple(not reason for reason in found.missing) == exists
    assert [bool(np.isfinite(row).all()) for row in found.along] == list(exists)
    iat, h, unit = settings.transform(), 1e-6, np.eye(3)[k]
    before, after = (iat.jvp(np.array(z) + sign * h * unit, unit) for sign in (-1, 1))
    assert (np.abs(before - after).max() < 1e-4) == exists[0]
    if exists[0]:
        here = iat.jvp(np.array(z), unit)
        differ = np.abs((after - here) - (here - before)).max() / h
        assert (differ < 1e-4) == exists[1]


@pytest.mark.parametrize("size", [2, 16])
@pytest.mark.parametrize("name", BASES)
def test_numbers_at_awkward_points_exist_or_have_a_reason(name, size):
    for z in (np.zeros(size), np.ones(size), -np.ones(size), np.eye(size)[0], np.eye(size)[-1], 1e-6 * np.ones(size)):
        for gate in ("relu", "identity"):
            view = snapshot(Settings(tuple(z), name, name, gate, mesh=1))
            for reason, row in zip(view.derivatives.missing, view.derivatives.along, strict=True):
                assert np.isnan(row).all() if reason else np.isfinite(row).all()
                assert gate == "relu" or not reason
            assert np.isfinite(view.u).all() and np.isfinite(view.bound).all()
            assert table(view).count(NONE) == size * sum(map(bool, view.derivatives.missing))
            assert summary(view).count("does not exist") == sum(map(bool, view.derivatives.missing))
            for source, columns in columns_of(view).items():
                assert len(columns) == len(COLUMNS[source]) and len({len(c) for c in columns}) == 1


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"z": (1.0,)}, ValueError, "z must have 2 to 16 entries"),
        ({"z": (1.0, np.nan)}, ValueError, "entries of z must be 0 or of modulus"),
        ({"z": (1.0, 1e-7)}, ValueError, "entries of z must be 0 or of modulus"),
        ({"z": ("1", "2")}, TypeError, "z must be real numbers"),
        ({"input_basis": "cosine"}, ValueError, "input_basis must be one of rect, .* got 'cosine'"),
        ({"output_basis": ""}, ValueError, "output_basis must be one of"),
        ({"gate": "tanh"}, ValueError, "gate must be one of relu, .* got 'tanh'"),
        ({"slope": np.inf}, ValueError, "slope must be finite, got inf"),
        ({"slope": "0"}, TypeError, "slope must be a real number, got '0'"),
        ({"mesh": 0}, ValueError, "mesh must be an integer >= 1, got 0"),
        ({"mesh": 10_001}, ValueError, "mesh must be at most 10000, got 10001"),
        ({"output": 5}, ValueError, "output must be from 0 to d - 1 = 4, got 5"),
        ({"direction": 1.0}, TypeError, "direction must be an integer, got 1.0"),
    ],
)
def test_settings_say_what_is_wrong(change, error, words):
    with pytest.raises(error, match=words):
        replace(Settings(Z), **change)


# -- the page without a browser ------------------------------------------------------------------------------


def widgets(document):
    """Controls by title."""
    return {m.title: m for m in document.select({}) if isinstance(getattr(m, "title", None), str)}


def test_the_page_follows_its_controls():
    document = Document()
    page = Page(document)
    found = widgets(document)
    found["z2"].value, found["input basis p"].value, found["size d"].value = 1.25, "rect-w/haar", 4
    assert len(document.session_callbacks) == 1  # three changes, one drawing
    assert page.settings.z[1] == 1.25 and page.settings.size == 4 and page.settings.input_basis == "rect-w/haar"
    assert [found[f"z{k}"].visible for k in (4, 5)] == [True, False]
    page.redraw()
    view = snapshot(page.settings)
    sources = {frozenset(s.data): s.data for s in document.select({}) if hasattr(s, "data")}
    assert sources[frozenset(COLUMNS["outputs"])]["u"] == view.u.tolist()
    assert sources[frozenset(COLUMNS["matrices"])]["S"] == view.matrix.ravel().tolist()
    assert document.get_model_by_name("table").text == table(view)


def test_the_chosen_output_stays_in_range_and_a_slope_belongs_to_its_gate():
    document = Document()
    page = Page(document)
    found = widgets(document)
    found["output i"].value = found["direction k"].value = "9"
    found["size d"].value = 3
    assert (page.settings.output, page.settings.direction) == (2, 2)
    assert found["output i"].options == ["1", "2", "3"]
    assert not found["slope below 0"].visible
    found["gate \N{GREEK SMALL LETTER SIGMA}"].value = "leaky_relu"
    assert found["slope below 0"].visible


def test_random_and_reset():
    page = Page(Document())
    first = page.settings.z
    page.randomize()
    assert page.settings.z != first
    page.reset()
    assert page.settings.z == first


# -- the server ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def address():
    """A server on a free port, in a thread."""
    ready, box = threading.Event(), {}

    def up(where):
        box["address"] = where
        ready.set()

    async def main():
        box["loop"], box["task"] = asyncio.get_running_loop(), asyncio.current_task()
        await serve(bind(0), up)

    def work():
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(main())

    thread = threading.Thread(target=work)
    thread.start()
    assert ready.wait(60)
    yield box["address"]
    box["loop"].call_soon_threadsafe(box["task"].cancel)
    thread.join(20)
    assert not thread.is_alive()


def answer(address, host, path="/"):
    """Status and body for a request in the name of a host."""
    connection = http.client.HTTPConnection(address.removeprefix("http://").rstrip("/"), timeout=10)
    try:
        connection.request("GET", path, headers={"Host": host})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def test_only_this_machine_is_answered_and_no_other_is_asked(address):
    port = address.rstrip("/").rpartition(":")[2]
    status, body = answer(address, f"localhost:{port}")
    assert status == 200 and "matact explore" in body
    assert "https://" not in body and "http://" not in body
    assert answer(address, f"elsewhere.example:{port}")[0] == 404
    with socket.socket() as other:
        # what listens on all addresses answers at any of 127.0.0.0/8
        assert other.connect_ex(("127.0.0.2", int(port))) != 0


def test_a_websocket_of_another_page_is_refused(address):
    async def connect():
        request = HTTPRequest(address.replace("http", "ws") + "ws", headers={"Origin": "http://elsewhere.example"})
        await websocket_connect(request, subprotocols=["bokeh", "token"])

    with pytest.raises(HTTPClientError, match="403"):
        asyncio.run(connect())


def test_ctrl_c_ends_it(monkeypatch, capsys):
    opened = []

    def browser(where):
        opened.append(where)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(webbrowser, "open", browser)
    assert cli.main(["explore", "--port", "0"]) == 130
    printed = capsys.readouterr()
    assert opened[0] in printed.out and "the page has ended" in printed.err


def test_a_port_in_use_and_other_wrong_ports():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"port {port} of 127.0.0.1 is in use; choose another one"):
            explore.run(port, show=False)
    with pytest.raises(ValueError, match="port must be from 0 to 65535, got 70000"):
        explore.run(70_000)
    with pytest.raises(TypeError, match="port must be an integer, got '80'"):
        explore.run("80")


# -- a browser -----------------------------------------------------------------------------------------------


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_in_a_browser(address):
    """No message on the console, no other host, and the numbers that iatcore computes after a slider has moved."""
    driver = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with driver.sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        messages, asked = [], set()
        page.on("console", lambda message: messages.append(message.text) if message.type in ERRORS else None)
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.on("request", lambda request: asked.add(request.url))
        page.on("websocket", lambda opened: asked.add(opened.url))
        page.goto(address)
        z = list(Page(Document()).settings.z)
        expect_numbers(driver, page, Settings(tuple(z)))
        page.locator(".noUi-handle:visible").nth(4).press("ArrowRight")
        z[2] = round(z[2] + 0.01, 2)
        expect_numbers(driver, page, Settings(tuple(z)))
        page.get_by_label("input basis p").select_option("pwl")
        expect_numbers(driver, page, Settings(tuple(z), "pwl"))
        page.get_by_role("button", name="Reset z").click()
        z[2] = round(z[2] - 0.01, 2)
        expect_numbers(driver, page, Settings(tuple(z), "pwl"))
        browser.close()
    assert messages == []
    port = address.rstrip("/").rpartition(":")[2]
    assert {url.split("//")[1].split("/")[0] for url in asked} == {f"127.0.0.1:{port}"}


ERRORS = ("error", "warning")


def expect_numbers(driver, page, settings):
    """The page shows u, component by component, and the error that iatcore computes."""
    z = np.array(settings.z)
    u, u_mesh = settings.transform()(z), settings.transform().discretize(settings.mesh)(z)
    shown = {
        "#norm": f"{np.linalg.norm(u):.6f}",
        "#error": f"{np.linalg.norm(u_mesh - u):.3e}",
        "#outputs td:nth-child(2)": [f"{x:z.6f}" for x in u],
    }
    for place, text in shown.items():
        driver.expect(page.locator(place)).to_have_text(text, timeout=30_000)
