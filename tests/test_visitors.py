"""The page's server without a browser: many visitors at once, a bound on them, their end; and who and what is refused.

A visitor here speaks to its kernel as the page does, over its websocket.
"""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import psutil
import pytest
from conftest import needs_runs
from jupyter_client.session import Session
from jupyter_server.services.kernels.connection.base import deserialize_binary_message
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from bench import pages
from study.app.forked import MEMORY

pytestmark = needs_runs
VISITORS = 20  # at once


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page as `make app` serves it, but that it ends the kernels of pages that have gone after 10 seconds."""
    options = ["--Kernels.gone=10", "--Kernels.cull_interval=1"]
    with pages.app(tmp_path_factory.mktemp("visitors"), *options) as address:
        yield address


async def get(address: str, **headers: str) -> tuple[int, str]:
    """Status and text."""
    request = HTTPRequest(address, headers=headers, request_timeout=4 * pages.PATIENCE, follow_redirects=False)
    answer = await AsyncHTTPClient(max_clients=2 * VISITORS).fetch(request, raise_error=False)
    return answer.code, answer.body.decode(errors="replace")


class Visitor:
    """Somebody at the page: its kernel, the first slider, the first picture."""

    def __init__(self, socket: Any) -> None:
        self.socket, self.session = socket, Session()

    async def ask(self, kind: str, metadata: dict | None = None, **content: Any) -> dict:
        """Send a message -> the reply's content, once the kernel is idle again; widgets' new values go to `state`."""
        message = self.session.msg(kind, content, metadata=metadata)
        await self.socket.write_message(json.dumps({**message, "channel": "shell", "buffers": []}, default=str))
        reply: dict = {}
        while True:
            got = await self.socket.read_message()
            assert got is not None, "the connection is closed"
            told = deserialize_binary_message(got) if isinstance(got, bytes) else json.loads(got)
            if told["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            content, kind = told["content"], told["msg_type"]
            if kind == "comm_msg":
                self.heard(content, told.get("buffers", []))
            elif kind.endswith("_reply"):
                reply = content
            elif kind == "status" and content["execution_state"] == "idle":
                return reply

    def heard(self, content: dict, buffers: list) -> None:
        data = content["data"]
        if data.get("method") == "update_states":
            self.models = data["states"]
        elif data.get("method") == "update" and self.models[content["comm_id"]]["model_name"] == "ImageModel":
            self.picture = bytes(buffers[0])

    async def learn(self) -> None:
        """Which widgets there are."""
        about = {"comm_id": "asked", "target_name": "jupyter.widget.control", "data": {}}
        await self.ask("comm_open", **about, metadata={"version": "1.0.0"})
        await self.ask("comm_msg", comm_id="asked", data={"method": "request_states"})

    async def drag(self, value: float) -> bytes:
        """Move the first slider -> the picture that comes of it."""
        slider = next(key for key, model in self.models.items() if model["model_name"] == "FloatSliderModel")
        self.picture = b""
        data = {"method": "update", "state": {"value": value}, "buffer_paths": []}
        await self.ask("comm_msg", comm_id=slider, data=data)
        return self.picture


@asynccontextmanager
async def visit(address: str):
    """The page, opened, until it is closed."""
    status, text = await get(address)
    assert status == 200, text
    kernel = re.search(r'"kernelId": "([\w-]+)"', text)
    assert kernel, text
    socket = await websocket_connect(channels(address, kernel[1]), max_message_size=2**26)
    try:
        visitor = Visitor(socket)
        await visitor.learn()
        yield visitor
    finally:
        socket.close()


def channels(address: str, kernel: str) -> str:
    return f"{address.replace('http', 'ws', 1)}/api/kernels/{kernel}/channels?session_id={kernel}"


async def gone(but: int = 0) -> None:
    """Wait until no more kernels than that are left."""
    for _ in range(10 * pages.PATIENCE):
        if len(pages.kernels()) <= but:
            return
        await asyncio.sleep(0.1)
    raise TimeoutError(f"{len(pages.kernels())} kernels are still there")


def test_a_page_that_is_closed_or_was_never_opened_leaves_no_kernel(app):
    async def many() -> None:
        for _ in range(10):
            assert (await get(app))[0] == 200
        assert pages.kernels()
        await gone()

    asyncio.run(many())


def test_twenty_at_once_are_answered_each_for_itself_and_share_their_memory(app):
    """The twenty-first is told to try again, and comes in when one has left."""
    values = [round(0.2 * k - 2, 1) for k in range(VISITORS)]

    async def alone() -> list[bytes]:
        async with visit(app) as visitor:
            return [await visitor.drag(value) for value in values]

    async def together() -> None:
        async with AsyncExitStack() as stack:
            visitors = await asyncio.gather(*(stack.enter_async_context(visit(app)) for _ in values))
            assert await asyncio.gather(*(v.drag(value) for v, value in zip(visitors, values, strict=True))) == expected
            kernels = pages.kernels()
            share = [kernel.memory_full_info().pss for kernel in kernels]  # what is shared counts by parts
            assert len(share) == VISITORS and max(share) < kernels[0].parent().memory_info().rss / 3
            print(f"{VISITORS} visitors: {sum(share) / VISITORS / 1e6:.0f} MB each (PSS)")
            assert {kernel.rlimit(psutil.RLIMIT_DATA)[1] for kernel in pages.kernels()} == {MEMORY}
            status, text = await get(app)
            assert status == 503 and "try again" in text
            again = await asyncio.gather(*(v.drag(value) for v, value in zip(visitors, reversed(values), strict=True)))
            assert again == expected[::-1]
        await gone(VISITORS - 1)
        assert (await get(app))[0] == 200

    expected = asyncio.run(alone())
    assert len(set(expected)) == VISITORS
    asyncio.run(together())


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8866", "192.168.0.1", ""])
def test_a_name_that_is_not_this_machines_gets_neither_the_page_nor_its_websocket(app, host):
    async def ask() -> None:
        before = len(pages.kernels())
        for path in ("/", "/voila/static/voila.js", "/voila/templates/lab/static/voila.js"):
            assert (await get(app + path, Host=host))[0] in (400, 421), path
        assert len(pages.kernels()) == before
        kernel = re.search(r'"kernelId": "([\w-]+)"', (await get(app))[1])
        with pytest.raises(HTTPClientError):
            await websocket_connect(HTTPRequest(channels(app, kernel[1]), headers={"Host": host}))

    asyncio.run(ask())


def test_this_machines_names_are_served(app):
    port = app.rsplit(":", 1)[1]
    for host in (f"localhost:{port}", f"LOCALHOST:{port}", f"[::1]:{port}", "127.0.0.1"):
        assert asyncio.run(get(app + "/voila/static/voila.js", Host=host))[0] == 200, host


PATHS = [
    "logout",
    "login",
    "%00",
    "voila/templates/",
    "voila/templates/lab",
    "voila/templates/lab/x/y",
    "voila/templates/lab/static/",
]
PATHS += [
    "voila/static/%00",
    "voila/static/..%2f..",
    "voila/api/themes/%00",
    "voila/labextensions/none",
    "voila/files/x",
    "tree",
    "%ff",
]
PATHS += [
    "api/kernels/none",
    "api/kernels/0-0-0-0-0",
    "api/kernels/0-0-0-0-0/channels",
    "voila/api/shutdown/",
    "voila/query/0-0-0-0-0",
]


@pytest.mark.parametrize("path", PATHS)
def test_what_the_page_does_not_ask_for_is_refused_and_nothing_breaks(app, path):
    status, text = asyncio.run(get(f"{app}/{path}"))
    assert 400 <= status < 500 and "Traceback" not in text
