"""Forms: fields and uploads, what is refused, and that files are closed."""

from __future__ import annotations

import copy
import pickle
import sys
import tempfile
from functools import partial
from io import BytesIO
from typing import IO, Any

import pytest

from anylane import (
    App,
    Context,
    Form,
    Headers,
    HTTPError,
    MissingValue,
    ServerConfig,
    Upload,
)
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
    for error in (KeyError, MissingValue):
        with pytest.raises(error, match="400 the form field 'c' is missing"):
            form["c"]


def test_a_field_used_as_the_other_kind_is_the_clients_fault() -> None:
    upload = Upload("f", "text/plain", Headers(), BytesIO)
    form: Any = Form([("text", "abc"), ("file", upload)])
    assert (form["text"], form["text"].upper(), isinstance(form["text"], str)) == (
        "abc",
        "ABC",
        True,
    )
    for name, attributes in (
        ("text", ("read", "filename", "file", "size")),
        ("file", ("upper", "split")),
    ):
        for attribute in attributes:
            with pytest.raises(HTTPError) as caught:
                getattr(form[name], attribute)
            assert caught.value.status == 400
            assert not hasattr(form[name], attribute)
        for attribute in ("nonsense", "_spools", "__len"):
            with pytest.raises(AttributeError, match=attribute) as missing:
                getattr(form[name], attribute)
            assert not isinstance(missing.value, HTTPError)
    assert copy.copy(form["text"]) == "abc" and pickle.loads(pickle.dumps(form["text"])) == "abc"


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
    monkeypatch.setitem(sys.modules, "multipart", None)
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

    @pytest.mark.parametrize("charset", ["utf8", "UTF_8", '"utf-8"'])
    def test_a_charset_has_its_other_names(self, charset: str) -> None:
        body = part(f'name="a"\r\nContent-Type: text/plain; charset={charset}', "ä".encode())
        assert submit(body + END, MULTIPART)[1] == [("a", "ä")]

    @pytest.mark.parametrize("charset", ["latin1", "Latin-1", "iso_8859_1", "cp1252", "l9"])
    def test_so_has_latin_1(self, charset: str) -> None:
        body = part(f'name="a"\r\nContent-Type: text/plain; charset={charset}', b"\xe4")
        assert submit(body + END, MULTIPART)[1] == [("a", "ä")]

    @pytest.mark.parametrize(
        ("content_type", "status"),
        [
            ('multipart/form-data; boundary="b"', 204),
            ("multipart/form-data;Boundary=b;x=y", 204),
            ('multipart/form-data; x="; boundary=c"; boundary=b', 204),
            ('multipart/form-data; x="\\"; boundary=c"; boundary="b"', 204),
            ('multipart/form-data; x="; boundary=b"', 400),
            ("multipart/form-data; xboundary=b", 400),
            ("multipart/form-data; boundary=", 400),
            ("multipart/form-data; boundary=" + "b" * 201, 400),
        ],
    )
    def test_the_boundary_is_a_parameter(self, content_type: str, status: int) -> None:
        """RFC 9110 §5.6.6: what stands in another one's quotes is none."""
        answer, _, _ = submit(part('name="a"', b"1") + END, content_type)
        assert answer.startswith(f"HTTP/1.1 {status} ")

    @pytest.mark.parametrize(
        ("disposition", "filename"),
        [
            ("name=\"f\"; filename*=UTF-8''na%C3%AFve%20file.txt", "naïve file.txt"),
            ("name=\"f\"; filename*=iso-8859-1'en'%A3.txt", "£.txt"),
            ('name="f"; filename*=plain.txt', "plain.txt"),
            ("name=\"f\"; filename*=utf-8''%FF", "\N{REPLACEMENT CHARACTER}"),
            ('name="f"; filename="a.txt"; filename*=UTF-8\'\'b.txt', "a.txt"),
        ],
    )
    def test_a_part_with_an_extended_filename_is_a_file(
        self, disposition: str, filename: str
    ) -> None:
        """RFC 8187; RFC 7578 §4.2 forbids clients to send it."""
        _, seen, _ = submit(part(disposition, b"1") + END, MULTIPART)
        assert seen == [("f", (filename, b"1"))]

    def test_the_headers_of_a_file_lose_no_character(self) -> None:
        app = App()
        seen: list[Any] = []

        @app.post("/")
        async def handler(ctx: Context) -> None:
            upload = (await ctx.request.form())["f"]
            assert isinstance(upload, Upload)
            seen.append(upload.headers["content-disposition"])
            seen.append(upload.headers["X-Note"])
            seen.append(upload.headers["x-missing"])

        wire = Lockstep(app)
        body = part('name="f"; filename="日本.txt"\r\nX-Note: ünï', b"1") + END
        wire.receive(post(body, MULTIPART))
        assert seen == ['form-data; name="f"; filename="日本.txt"', "ünï"]
        assert wire.sent.startswith(b"HTTP/1.1 400 ")

    def test_an_empty_file_input_is_false(self) -> None:
        app = App()
        seen: list[Any] = []

        @app.post("/")
        async def handler(ctx: Context) -> None:
            for name, upload in (await ctx.request.form()).items():
                assert isinstance(upload, Upload)
                seen.append((name, bool(upload)))

        wire = Lockstep(app)
        octets = "\r\nContent-Type: application/octet-stream"
        body = (
            part(f'name="empty"; filename=""{octets}', b"")
            + part(f'name="named"; filename="a"{octets}', b"")
            + part(f'name="full"; filename=""{octets}', b"1")
        )
        wire.receive(post(body + END, MULTIPART))
        assert seen == [("empty", False), ("named", True), ("full", True)]

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
