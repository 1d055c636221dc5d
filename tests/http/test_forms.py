"""Forms: fields and uploads, what is refused, and that files are closed."""

from __future__ import annotations

import tempfile
from functools import partial
from typing import IO, Any

import pytest

from anylane import App, Context, Form, ServerConfig, Upload
from anylane.config.limits import Limits
from anylane.http import forms as form_module
from anylane.testing import Lockstep

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"


def post(body: bytes, content_type: str | None) -> bytes:
    lines = ["POST / HTTP/1.1", "Host: a", f"Content-Length: {len(body)}"]
    if content_type is not None:
        lines.append(f"Content-Type: {content_type}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def submit(body: bytes, content_type: str | None) -> tuple[str, list[Any], Lockstep]:
    """Answer, what the handler saw, and the wire."""
    app = App()
    seen: list[Any] = []

    @app.post("/")
    async def handler(ctx: Context) -> None:
        form = await ctx.request.form()
        assert await ctx.request.form() is form
        for name, value in form.items():
            seen.append((name, value if isinstance(value, str) else (value.filename, value.read())))

    wire = Lockstep(app, ServerConfig(limits=Limits(body=8 << 20)))
    wire.receive(post(body, content_type))
    return wire.sent.decode("latin-1"), seen, wire


def part(headers: str, body: bytes) -> bytes:
    return f"--b\r\nContent-Disposition: form-data; {headers}\r\n\r\n".encode() + body + b"\r\n"


END = b"--b--\r\n"


def spool(files: list[IO[bytes]]) -> IO[bytes]:
    files.append(tempfile.TemporaryFile())  # noqa: SIM115  # Its closing is what is tested.
    return files[-1]


def test_urlencoded_fields_keep_their_order_and_repetitions() -> None:
    _, seen, _ = submit(b"a=1&b=%C3%A4+b&a=2&empty=", URLENCODED + "; charset=utf-8")
    assert seen == [("a", "1"), ("b", "ä b"), ("a", "2"), ("empty", "")]


def test_a_form_is_multi_value() -> None:
    form = Form([("a", "1"), ("b", "2"), ("a", "3")])
    assert (form["a"], form.get("c"), form.get_all("a")) == ("1", None, ["1", "3"])
    assert list(form) == ["a", "b"] and len(form) == 3 and "b" in form
    with pytest.raises(KeyError):
        form["c"]


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"a=\xff", URLENCODED, 400),
        (b"&".join([b"a=1"] * 1001), URLENCODED, 413),
        (b"{}", "application/json", 415),
        (b"a=1", None, 415),
        (END, "multipart/form-data", 400),
    ],
)
def test_what_is_no_form_is_refused(body: bytes, content_type: str | None, status: int) -> None:
    pytest.importorskip("multipart")
    answer, _, _ = submit(body, content_type)
    assert answer.startswith(f"HTTP/1.1 {status} ")


def test_without_the_parser_the_log_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(form_module, "import_module", missing)
    answer, _, wire = submit(END, MULTIPART)
    assert answer.startswith("HTTP/1.1 500 ")
    assert "pip install 'anylane[forms]'" in wire.log[-1].message


class TestMultipart:
    @pytest.fixture(autouse=True)
    def library(self) -> None:
        pytest.importorskip("multipart")

    def test_fields_and_files_in_order(self) -> None:
        body = (
            part('name="title"', "Ä".encode())
            + part('name="file"; filename="x.bin"', b"\r\n--\0--")
            + part('name="title"', b"")
            + END
        )
        _, seen, _ = submit(body, MULTIPART)
        assert seen == [("title", "Ä"), ("file", ("x.bin", b"\r\n--\0--")), ("title", "")]

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (part('name="a"', b"cut short"), 400),
            (part('name="a"', b"\xff") + END, 400),
            (part('name="a"', b"x" * (1024 * 1024 + 1)) + END, 413),
            (part('name="a"', b"") * 1001 + END, 413),
            (part('name="a"\r\nContent-Type: text/plain; charset=punycode', b"a") + END, 400),
            (part('name="a"\r\nContent-Type: text/plain; charset=no-such', b"a") + END, 400),
            (b"no boundary at all", 400),
        ],
    )
    def test_what_is_malformed_or_too_large_is_refused(self, body: bytes, status: int) -> None:
        answer, seen, _ = submit(body, MULTIPART)
        assert answer.startswith(f"HTTP/1.1 {status} ")
        assert seen == []

    def test_a_field_may_name_a_usual_charset(self) -> None:
        latin = part('name="a"\r\nContent-Type: text/plain; charset=ISO-8859-1', b"\xe4")
        _, seen, _ = submit(latin + END, MULTIPART)
        assert seen == [("a", "ä")]

    def test_a_large_upload_is_spooled_and_closed_after_the_background(self) -> None:
        app = App()
        seen: list[Any] = []
        files: list[IO[bytes]] = []

        def work(upload: Upload) -> None:
            seen.append((upload.size, upload.read()[-1:], upload.file.closed))

        @app.post("/")
        async def handler(ctx: Context) -> None:
            upload = (await ctx.request.form())["file"]
            assert isinstance(upload, Upload)
            assert upload.content_type == "application/octet-stream"
            ctx.background(work, upload)

        wire = Lockstep(app)
        wire.world.server.spool = partial(spool, files)
        small = part('name="small"; filename="s"', b"s" * form_module.MAX_IN_MEMORY)
        large = part('name="file"; filename="l"', b"l" * form_module.MAX_IN_MEMORY + b"z")
        wire.receive(post(small + large + END, MULTIPART))
        assert seen == [(form_module.MAX_IN_MEMORY + 1, b"z", False)]
        (file,) = files
        assert file.closed

    def test_files_are_closed_when_a_form_is_refused(self) -> None:
        app = App()
        files: list[IO[bytes]] = []

        @app.post("/")
        async def handler(ctx: Context) -> None:
            await ctx.request.form()

        wire = Lockstep(app)
        wire.world.server.spool = partial(spool, files)
        body = part('name="file"; filename="l"', b"l" * (form_module.MAX_IN_MEMORY + 1))
        wire.receive(post(body, MULTIPART))
        assert wire.sent.startswith(b"HTTP/1.1 400 ")
        assert [file.closed for file in files] == [True]
