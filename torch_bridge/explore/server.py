"""The server of the page, for this machine alone."""

from __future__ import annotations

import asyncio
import errno
import socket
import webbrowser
from collections.abc import Callable

import numpy as np
from bokeh.application import Application
from bokeh.application.handlers import FunctionHandler
from bokeh.document import Document
from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from bokeh.settings import settings
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.routing import HostMatches, Rule, RuleRouter

from .page import Page, coefficients
from .settings import Settings
from .snapshot import snapshot

ADDRESS = "127.0.0.1"
PORT = 5006
LARGEST_PORT = 65535
KINDS = (("fourier", "pwq"), ("pwq", "fourier"), ("pwq", "pwq"), ("fourier", "fourier"))
"""One pair of bases for every compiled path."""


def run(port: int = PORT, show: bool = True) -> None:
    """Serve the page until Ctrl-C, which raises KeyboardInterrupt.

    Args:
        port: of 127.0.0.1, from 0 (any that is free) to 65535.
        show: whether to open it in a browser.

    Raises:
        TypeError, ValueError: port is not an integer or out of range.
        OSError: the port is in use or may not be used.
    """

    def ready(address: str) -> None:
        print(f"matact explore: {address} (Ctrl-C ends it)", flush=True)
        if show:
            webbrowser.open(address)

    listening = bind(port)
    # before there is a loop, in which Ctrl-C would wait for its end
    warm_up()
    asyncio.run(serve(listening, ready))


async def serve(listening: socket.socket, ready: Callable[[str], None]) -> None:
    """Serve the page until cancelled, at the socket of :func:`bind`; ``ready`` gets the address once it answers.

    The server listens at 127.0.0.1. It answers requests for that name and ``localhost`` alone, and websockets from
    its own page alone, so that other pages open in the browser do not reach it by another name. Scripts and styles
    come from the server itself.
    """
    port = listening.getsockname()[1]
    # whatever the environment says, the page needs no other host
    settings.resources.set_value("server")
    names = [f"{name}:{port}" for name in (ADDRESS, "localhost")]
    pages = BokehTornado({"/": Application(FunctionHandler(_open))}, extra_websocket_origins=names)
    here = RuleRouter([Rule(HostMatches(r"^(127\.0\.0\.1|localhost)$"), pages)])
    http = HTTPServer(here)
    http.add_sockets([listening])
    server = BaseServer(IOLoop.current(), pages, http)
    server.start()
    try:
        ready(f"http://{ADDRESS}:{port}/")
        await asyncio.Event().wait()
    finally:
        server.stop()


def warm_up() -> None:
    """Load every compiled kernel, so that no later call waits for it."""
    z = tuple(coefficients(0)[:10])
    for input_basis, output_basis in KINDS:
        snapshot(Settings(z, input_basis, output_basis))


def _open(document: Document) -> None:
    Page(document)


def bind(port: int) -> socket.socket:
    """A socket that listens at a port of this machine; raises as :func:`run`."""
    if isinstance(port, bool) or not isinstance(port, (int, np.integer)):
        raise TypeError(f"port must be an integer, got {port!r}")
    if not 0 <= port <= LARGEST_PORT:
        raise ValueError(f"port must be from 0 to {LARGEST_PORT}, got {port}")
    try:
        server = socket.create_server((ADDRESS, int(port)), backlog=128)
    except OSError as error:
        reason = "is in use; choose another one" if error.errno == errno.EADDRINUSE else f"cannot be used: {error}"
        raise OSError(f"port {port} of {ADDRESS} {reason}") from error
    server.setblocking(False)
    return server
