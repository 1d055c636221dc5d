"""Files to be sent, by StaticFiles below /static and by FileResponse."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import socket
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from anylane import App, Context, Response
from anylane.contrib import FileResponse, StaticFiles
from anylane.contrib.files.sent_file import Representation
from anylane.middleware import Compression, ETags

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage

LETTERS = b"abcdefghijklmnopqrstuvwxyz"

LARGE = bytes(each for each in range(256) if each not in b"\r\n")[:251] * 4200
"""A megabyte in which no two places look alike for a reader that is off by some bytes. Without line
ends it is one line of a recording."""

MOMENT = 1_700_000_000
"""When all files were changed last, in seconds since 1970: Tue, 14 Nov 2023 22:13:20 GMT."""

SECRET = b"never to be sent"


@functools.cache
def tree() -> Path:
    """Return a directory, made once, with `public` and what is beside it and must not be sent."""
    root = Path(tempfile.mkdtemp(prefix="anylane-files-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    for name, data in {
        "public/letters.txt": LETTERS,
        "public/empty.txt": b"",
        "public/large.bin": LARGE,
        "public/app.js": b"plain",
        "public/app.js.br": b"br",
        "public/app.js.gz": b"gzipped",
        "public/app.0a1b2c3d.css": b"hashed",
        "public/docs/index.html": b"<h1>docs</h1>",
        "public/docs/page.html": b"<h1>page</h1>",
        "public/bare/page.html": b"<h1>bare</h1>",
        "public/.hidden": SECRET,
        "public/.git/config": SECRET,
        "public/.well-known/security.txt": b"well known",
        "public/a b%2e.txt": b"odd name",
        "secret.txt": SECRET,
        "public-not/secret.txt": SECRET,
    }.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    public = root / "public"
    for link, target in {
        "inside.txt": "docs/../letters.txt",
        "absolute.txt": str(public / "letters.txt"),
        "linked": "docs",
        "outside.txt": "../secret.txt",
        "sideways.txt": str(root / "public-not" / "secret.txt"),
        "up": "..",
        "round": "round",
        "dangling": "nowhere",
    }.items():
        (public / link).symlink_to(target)
    # What is no file must not be sent. Windows has neither of the two, so nothing is there.
    if hasattr(os, "mkfifo"):
        os.mkfifo(public / "fifo")
    if hasattr(socket, "AF_UNIX"):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(public / "socket"))
    for file in root.rglob("*"):
        if not file.is_symlink():
            os.utime(file, (MOMENT, MOMENT))
    return root


def serve_files(app: App, stage: Stage) -> None:
    """Add a StaticFiles below /static, and handlers that return a FileResponse below /file."""
    root = tree()
    app.mount("/static", StaticFiles(root / "public"))

    @app.get("/file/async")
    async def returned(ctx: Context) -> FileResponse:
        ctx.response.set_cookie("seen", "yes").set_header("x-own", "kept")
        return FileResponse(root / "public" / "letters.txt")

    @app.get("/file/def")
    def returned_by_def(ctx: Context) -> FileResponse:
        return FileResponse(str(root / "public" / "large.bin"), filename="Zahlen für 5%.bin")

    @app.get("/file/missing")
    async def missing(ctx: Context) -> FileResponse:
        return FileResponse(root / "public" / "missing.txt")

    @app.get("/file/status")
    async def with_status(ctx: Context) -> FileResponse:
        ctx.response.set_status(404).set_header("content-type", "text/x-own")
        return FileResponse(root / "public" / "docs" / "page.html")

    @app.post("/file/made")
    async def made(ctx: Context) -> FileResponse:
        return FileResponse(root / "public" / "letters.txt", content_type="text/csv")


def changing_files(app: App, stage: Stage) -> None:
    """Add `GET /changing`, whose file becomes shorter or longer once its head is out."""
    file = tree() / f"changing-{os.getpid()}-{id(stage)}"

    @app.get("/changing/{size:int}")
    async def changing(ctx: Context) -> FileResponse:
        file.write_bytes(LARGE)
        os.utime(file, (MOMENT, MOMENT))
        return FileResponse(file)

    @app.response_middleware
    def change(ctx: Context) -> None:
        os.truncate(file, int(ctx.params["size"]))

    app.on_shutdown(lambda: file.unlink(missing_ok=True))


def slow_disk(app: App, stage: Stage) -> None:
    """Add `GET /slow`, whose file is opened once the stage's blocker is set, and `GET /sleepy`,
    which goes on after it has chosen a file."""
    large = tree() / "public" / "large.bin"

    class Slow(FileResponse):
        def _find(self) -> Representation:
            stage.note("opening")
            stage.blocker.wait(20)
            found = super()._find()
            stage.note("opened")
            return found

    @app.get("/slow")
    async def slow(ctx: Context) -> FileResponse:
        return Slow(large)

    @app.get("/sleepy")
    async def sleepy(ctx: Context) -> None:
        await FileResponse(large).respond(ctx)
        await ctx.sleep(60)


def instead_of_files(app: App, stage: Stage) -> None:
    """Add handlers whose large file is not sent, because something else is."""
    large = tree() / "public" / "large.bin"

    async def another(ctx: Context, call_next: Callable[[], Awaitable[None]]) -> FileResponse:
        await call_next()
        return FileResponse(large, content_type="text/x-second")

    async def text(ctx: Context, call_next: Callable[[], Awaitable[None]]) -> Response:
        await call_next()
        return Response("text instead")

    async def broken(ctx: Context, call_next: Callable[[], Awaitable[None]]) -> None:
        await call_next()
        raise RuntimeError("broken behind a file")

    for name, middleware in {"another": another, "text": text, "broken": broken}.items():

        @app.get(f"/instead/{name}", name=name, middleware=[middleware])
        async def instead(ctx: Context) -> FileResponse:
            return FileResponse(large)

    @app.get("/instead/raised")
    async def raised(ctx: Context) -> None:
        await FileResponse(large).respond(ctx)
        raise RuntimeError("raised behind a file")

    @app.get("/instead/sent")
    async def sent(ctx: Context) -> None:
        await FileResponse(large).respond(ctx)
        await ctx.send()


def files_behind_parts(app: App, stage: Stage) -> None:
    """Add the files below /a, where Compression is outside of ETags, and below /b, where it is
    inside."""
    for prefix, order in (("/a", 1), ("/b", -1)):
        inner = App()
        inner.use(Compression(minimum=1))
        inner.use(ETags(), order=order)
        inner.mount("/", StaticFiles(tree() / "public"))
        app.mount(prefix, inner)
