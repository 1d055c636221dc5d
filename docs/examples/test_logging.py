"""Logging of servers as processes, on every lane: what docs/logging.md says."""

from __future__ import annotations

import json
import re
import signal
import socket
import ssl
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from test_serving import LANES, Process, Start, eventually, workers_of
from websockets.sync.client import connect

APP = r"""
import logging
import structlog
from anylane import App, Context, HTTPError
from opentelemetry.sdk.trace import TracerProvider
from anylane.contrib import OpenTelemetry

app = App()
app.use(OpenTelemetry(tracer_provider=TracerProvider(), exclude=["/long"]))
plain = logging.getLogger("shop")
log = structlog.get_logger("shop.events")
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
)


@app.request_middleware
def who(ctx: Context) -> None:
    structlog.contextvars.bind_contextvars(user=ctx.request.query.text("user", "-"))


@app.get("/async")
async def in_async(ctx: Context) -> str:
    log.info("async", order=7)
    plain.info("plain", extra={"order": 7})
    await ctx.run_sync(log.info, "run_sync")
    ctx.background(later)
    return "async"


async def later() -> None:
    log.info("background")


@app.get("/def")
def in_def(ctx: Context) -> str:
    log.info("def")
    ctx.call(called, ctx)
    return "def"


async def called(ctx: Context) -> None:
    await ctx.sleep(0)
    log.info("call")


@app.get("/items")
def items(ctx: Context):
    yield "a"
    log.info("generator")


@app.get("/bug")
async def bug(ctx: Context) -> str:
    raise ValueError(f"no such\n2026-01-01 00:00:00,000 INFO {ctx.request.path}")


@app.websocket("/socket")
async def socket(ctx: Context) -> None:
    ws = await ctx.accept()
    async for message in ws:
        log.info("socket")
        await ws.send(message)


@app.get("/long")
def long(ctx: Context) -> str:
    for _ in range(20):
        plain.info("x" * 20_000)
    return "long"


@app.on_connect
def connected(ctx: Context) -> None:
    if str(ctx.request.client[0]) == "127.0.0.9":
        raise HTTPError(403, "not you\n2026-01-01")
"""

STRUCTURED = """
[formatters.json]
"()" = "lines.structured"

[handlers.file]
class = "logging.handlers.WatchedFileHandler"
filename = "app.log"
formatter = "json"

[root]
handlers = ["file"]
level = "INFO"
"""
LINES = """
import structlog
from anylane_backends.logging import add_ids

def structured():
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            add_ids,
            structlog.processors.JSONRenderer(),
        ],
    )
"""
PLAIN = """
[formatters.json]
class = "anylane_backends.logging.JsonFormatter"

[handlers.file]
class = "logging.handlers.WatchedFileHandler"
filename = "app.log"
formatter = "json"

[root]
handlers = ["file"]
level = "INFO"
"""


HOSTILE = r"""
import logging
from anylane import App, Context, Disconnected

app = App()
log = logging.getLogger("shop")
logging.basicConfig = None  # The command's own handler writes.


@app.post("/form")
async def form(ctx: Context) -> str:
    found = await ctx.request.form()
    for name in found:
        log.warning("a field " + name)
        log.warning("its file " + found.file(name).filename)
    return "form"


@app.get("/{path:path}")
def echo(ctx: Context) -> str:
    log.warning("a path " + ctx.request.path)
    log.warning("a header " + ctx.request.headers["x-own"])
    try:
        raise KeyError(ctx.request.path) from ValueError(ctx.request.path)
    except KeyError:
        log.exception("a path " + ctx.request.path)
    raise RuntimeError(ctx.request.path)


@app.websocket("/socket")
async def socket(ctx: Context) -> None:
    log.warning("offered " + ctx.request.headers["sec-websocket-protocol"])
    ws = await ctx.accept()
    try:
        await ws.receive()
    except Disconnected as exc:
        log.warning("closed " + exc.reason)
        raise RuntimeError(exc.reason)
"""
FORGED = "2026-01-01 00:00:00,000 CRITICAL forged"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hostile.py").write_text(HOSTILE, encoding="utf-8")
    (tmp_path / "main.py").write_text(APP, encoding="utf-8")
    (tmp_path / "lines.py").write_text(LINES, encoding="utf-8")
    return tmp_path


@pytest.fixture
def start(folder: Path) -> Generator[Start]:
    with ExitStack() as stack:

        def begin(*arguments: str, config: str = PLAIN, **kwargs: Any) -> Process:
            (folder / "log.toml").write_text(config, encoding="utf-8")
            process = Process(folder, "--log-config", "log.toml", *arguments, **kwargs)
            stack.callback(process.close)
            return process

        yield begin


def records(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "app.log").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def of(found: list[dict[str, Any]], key: str, value: object) -> list[dict[str, Any]]:
    return [each for each in found if each.get(key) == value]


@pytest.mark.parametrize("backend", LANES)
def test_structlog_knows_ids_variables_and_fields_of_each_request(
    start: Start, folder: Path, backend: str
) -> None:
    process = start("--backend", backend, "--access-log", config=STRUCTURED)
    with httpx.Client(base_url=process.url) as client:
        for path in ("async", "def", "items"):
            assert client.get(f"/{path}?user={path}").status_code == 200
    with connect(f"{process.url.replace('http', 'ws')}/socket?user=socket") as ws:
        ws.send("a")
        assert ws.recv() == "a"
    process.signal()
    assert process.end()[0] == 0
    found = records(folder)
    places = {
        "async": ["async", "run_sync", "background"],
        "def": ["def", "call"],
        "items": ["generator"],
        "socket": ["socket"],
    }
    ids = set()
    for path, events in places.items():
        (access,) = of(found, "path", f"/{path}")
        assert (access["method"], access["query"]) == ("GET", f"user={path}")
        assert access["status"] == (101 if path == "socket" else 200)
        assert access["duration"] > 0
        assert access["bytes"] > 0
        assert access["client"] == "127.0.0.1"
        ids.add(access["request_id"])
        for event in events:
            (line,) = of(found, "event", event)
            assert line["user"] == path
            assert line["level"] == "info"
            for name in ("connection_id", "request_id", "trace_id"):
                assert line[name] == access[name], (event, name)
    assert len(ids) == len(places)
    assert of(found, "event", "async")[0]["order"] == of(found, "event", "plain")[0]["order"] == 7
    assert len({each["connection_id"] for each in found if "connection_id" in each}) == 2


@pytest.mark.parametrize("backend", LANES)
def test_lines_of_the_framework_have_ids_and_no_client_forges_one(
    start: Start, folder: Path, backend: str
) -> None:
    process = start("--backend", backend, "--access-log", "--host", "127.0.0.1")
    host, port = re.findall(r"//([\d.]+):(\d+)", process.url)[0]
    forged = "2026-01-01%0A00:00:00"
    agent = {"user-agent": "a\tb"}
    assert httpx.get(f"{process.url}/bug?{forged}", headers=agent).status_code == 500
    with socket.create_connection((host, int(port))) as sock:
        sock.sendall(b"GET /\x0b2026-01-01 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 400 ")
    away = socket.create_connection((host, int(port)), source_address=("127.0.0.9", 0))
    with away, suppress(ConnectionError):
        away.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert away.recv(100) == b""
    process.signal()
    assert process.end()[0] == 0
    text = (folder / "app.log").read_text(encoding="utf-8")
    assert all(line.startswith('{"time": ') for line in text.splitlines())
    found = records(folder)
    (failed,) = of(found, "level", "error")
    (access,) = of(found, "path", "/bug")
    assert failed["request_id"] == access["request_id"] == f"{access['connection_id']}-1"
    assert failed["trace_id"] == access["trace_id"]
    assert r"ValueError: no such\n2026" in failed["exception"]
    (refused,) = [each for each in found if each["message"].startswith("refused: ")]
    assert refused["request_id"] == f"{refused['connection_id']}-1"
    (turned,) = [each for each in found if "turned away" in each["message"]]
    assert turned["connection_id"] not in (access["connection_id"], refused["connection_id"])
    assert "request_id" not in turned


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("backend", LANES)
def test_no_text_of_a_client_makes_a_line_of_its_own(folder: Path, backend: str, form: str) -> None:
    told = ("--backend", backend, "--log-format", form, "--access-log")
    process = Process(folder, *told, target="hostile:app")
    try:
        for end in ("%0A", "%0D", "%C2%85", "%E2%80%A8", "%1B[2J%0A", "%0B"):
            path = f"/a{end}{FORGED.replace(' ', '%20')}"
            answer = httpx.get(
                f"{process.url}{path}", headers={b"x-own": f"a\x85{FORGED}".encode("l1")}
            )
            assert answer.status_code == 500
        name = f"a\u2028{FORGED}"
        part = f'Content-Disposition: form-data; name="{name}"; filename="{name}"'.encode()
        httpx.post(
            f"{process.url}/form",
            content=b"--x\r\n" + part + b"\r\n\r\nbody\r\n--x--\r\n",
            headers={"content-type": "multipart/form-data; boundary=x"},
        )
        url = f"{process.url.replace('http', 'ws')}/socket"
        with connect(url, subprotocols=["a"]) as ws:  # type: ignore[list-item]
            ws.close(1000, f"bye\n{FORGED}")
        process.signal()
        code, rest, _ = process.end()
    finally:
        process.close()
    assert code == 0
    for said in ("a path", "a header", "a field", "its file", "closed bye", "RuntimeError"):
        assert said in rest, said
    lines = (process.line + rest).splitlines()
    assert not any(line.lstrip().startswith(FORGED) for line in lines)
    if form == "json":
        assert all(json.loads(line)["pid"] for line in lines[1:])
    else:
        record = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (INFO|WARNING|ERROR) ")
        behind = (
            "Traceback ", " ", "KeyError", "ValueError", "RuntimeError", "The above exception",
            "During handling", "anylane.errors.Disconnected",
        )  # fmt: skip
        strange = [
            line
            for line in lines[1:]
            if line and not record.match(line) and not line.startswith(behind)
        ]
        assert strange == []


def test_a_handshake_that_fails_is_told_with_its_connection(start: Start, folder: Path) -> None:
    trustme.CA().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(
        str(folder / "server.pem")
    )
    pem = ("--ssl-certfile", "server.pem", "--ssl-keyfile", "server.pem")
    process = start("--backend", "asyncio", *pem)
    host, port = re.findall(r"//([\d.]+):(\d+)", process.url)[0]
    for _ in range(2):
        with socket.create_connection((host, int(port))) as sock, suppress(OSError):
            ssl.create_default_context().wrap_socket(sock, server_hostname="localhost")

    def told() -> list[Any]:
        return [each for each in records(folder) if each["message"].startswith("TLS with ")]

    eventually(lambda: len(told()) == 2)
    process.signal()
    assert process.end()[0] == 0
    first, second = told()
    assert first["connection_id"] < second["connection_id"]
    assert "request_id" not in first


@pytest.mark.parametrize("backend", ["asyncio", "threads"])
def test_workers_share_a_file_and_long_lines_stay_whole(
    start: Start, folder: Path, backend: str
) -> None:
    process = start("--workers", "3", "--backend", backend)
    with ThreadPoolExecutor(12) as pool:
        asked = [pool.submit(httpx.get, f"{process.url}/long", timeout=30) for _ in range(48)]
    assert {each.result().status_code for each in asked} == {200}
    process.signal()
    assert process.end()[0] == 0
    found = of(records(folder), "message", "x" * 20_000)
    assert len(found) == 48 * 20
    assert len({each["pid"] for each in found}) > 1


def test_a_file_that_logrotate_has_moved_is_opened_anew(start: Start, folder: Path) -> None:
    process = start("--workers", "2", "--access-log")
    assert httpx.get(f"{process.url}/async").status_code == 200
    (folder / "app.log").rename(folder / "app.log.1")
    assert httpx.get(f"{process.url}/def").status_code == 200
    process.signal()
    assert process.end()[0] == 0
    assert "/def" not in (folder / "app.log.1").read_text(encoding="utf-8")
    assert of(records(folder), "path", "/def")


def test_sighup_reads_the_file_again_and_a_broken_one_changes_nothing(
    start: Start, folder: Path
) -> None:
    process = start("--workers", "2", "--access-log")
    before = workers_of(process)
    text = PLAIN.replace("app.log", "new.log").replace(
        'class = "anylane_backends.logging.JsonFormatter"', 'format = "new %(message)s"'
    )
    (folder / "log.toml").write_text(text, encoding="utf-8")
    process.signal(signal.SIGHUP)
    eventually(lambda: workers_of(process).isdisjoint(before) and len(workers_of(process)) == 2)
    assert httpx.get(f"{process.url}/async").status_code == 200
    new = folder / "new.log"
    eventually(lambda: "new 127.0.0.1" in new.read_text(encoding="utf-8"))

    now = workers_of(process)
    for broken, said in (
        (text.replace('handlers = ["file"]', 'handlers = ["files"]'), "root.handlers is 'files'"),
        (text.replace("new.log", "no/such/a.log"), "handlers.file.filename is 'no/such/a.log'"),
    ):
        (folder / "log.toml").write_text(broken, encoding="utf-8")
        process.signal(signal.SIGHUP)
        line = f"new the settings stay as they were: log.toml: {said}"
        eventually(lambda: line in new.read_text(encoding="utf-8"))  # noqa: B023  # at once
    assert workers_of(process) == now
    assert httpx.get(f"{process.url}/def").status_code == 200
    eventually(lambda: '"GET /def ' in new.read_text(encoding="utf-8"))
    process.signal()
    assert process.end()[0] == 0


def test_a_handler_that_several_processes_cannot_share_is_warned_about(
    start: Start, folder: Path
) -> None:
    config = PLAIN.replace("WatchedFileHandler", "RotatingFileHandler")
    process = start("--workers", "2", config=config)
    said = "rotates its file in each process"
    eventually(lambda: any(said in each["message"] for each in records(folder)))
    process.signal()
    assert process.end()[0] == 0


def test_a_broken_file_ends_the_command_before_the_port_is_bound(
    start: Start, folder: Path
) -> None:
    process = start("--workers", "2", config="[handlers.a]\nclass = 3\n")
    code, rest, _ = process.end()
    assert code == 3
    assert process.line + rest == (
        "anylane: log.toml: handlers.a.class is 3; expected the dotted name of a handler's class\n"
    )
