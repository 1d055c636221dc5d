"""Handlers behind Compression and ETags, and one that asks ctx.check_preconditions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from anylane import App, Context, Response, Router
from anylane.middleware import Compression, ETags

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage

TEXT = "It is a truth universally acknowledged, that a text repeats itself. " * 20
"""What most of the handlers answer: 1,360 bytes."""

LARGE = TEXT.encode() * 150
"""More than is compressed on the loop."""

LAST_MODIFIED = "Sun, 06 Nov 1994 08:49:37 GMT"

PIECES = ("one ", "two ", "three")


def build(app: App, stage: Stage) -> None:
    """Add the handlers of answers of every form below /packed, behind Compression."""
    router = Router("/packed")
    router.use(Compression())
    _whole(router)
    _streams(router, stage)
    _kept(router, stage)
    app.include(router)


class Broken:
    """A part that fails where it is asked what changes the body."""

    def body(self, ctx: Context) -> None:
        """Fail."""
        raise ValueError(f"no body for {ctx.request.path}")


def build_broken(app: App, stage: Stage) -> None:
    """Add /broken/text and /broken/stream, whose bodies a part fails to change."""
    router = Router("/broken")
    router.use(Broken())

    @router.get("/text")
    async def text(ctx: Context) -> str:
        return TEXT

    @router.get("/stream")
    async def stream(ctx: Context) -> None:
        async with ctx.stream() as out:
            await out.write(TEXT)

    app.include(router)


def build_orders(app: App, stage: Stage) -> None:
    """Add a resource below /outer and /inner: Compression is outside of ETags, and inside of it."""
    for prefix, order in (("/outer", -1), ("/inner", 1)):
        router = Router(prefix)
        router.use(ETags())
        router.use(Compression(), order=order)
        _kept(router, stage)
        app.include(router)


def build_conditions(app: App, stage: Stage) -> None:
    """Add a note with a version below /notes, which can be changed and made, and tagged answers
    below /tagged."""
    _versions(app, stage)
    router = Router("/tagged")
    router.use(ETags())
    _tagged(router)
    app.include(router)


def _whole(router: Router) -> None:
    @router.get("/text")
    async def text(ctx: Context) -> str:
        return TEXT

    @router.get("/large")
    async def large(ctx: Context) -> Response:
        return Response(LARGE, content_type="text/plain")

    @router.get("/sent")
    def sent(ctx: Context) -> None:
        ctx.response.set_text(TEXT)
        ctx.call(ctx.send)

    @router.get("/typed/{kind:path}")
    async def typed(ctx: Context) -> Response:
        return Response(TEXT, content_type=ctx.params["kind"])

    @router.get("/with/{name}/{value}")
    async def having(ctx: Context) -> Response:
        return Response(TEXT, headers={ctx.params["name"]: ctx.params["value"]})

    @router.get("/of/{size:int}")
    async def of_size(ctx: Context) -> str:
        return "x" * int(ctx.params["size"])

    @router.get("/status/{status:int}")
    async def status(ctx: Context) -> Response:
        return Response(TEXT, status=ctx.params["status"])

    @router.get("/nothing")
    async def nothing(ctx: Context) -> None:
        ctx.response.set_status(200)


def _streams(router: Router, stage: Stage) -> None:
    @router.get("/pieces")
    async def pieces(ctx: Context) -> None:
        ctx.response.set_header("content-type", "text/plain")
        with stage.room.subscribe() as turns:
            async with ctx.stream() as out:
                for piece in PIECES:
                    await out.write(piece)
                    if piece != PIECES[-1]:
                        await anext(turns)
                ctx.response.set_trailer("x-end", "yes")

    @router.get("/items")
    async def items(ctx: Context) -> AsyncIterator[str]:
        async def each() -> AsyncIterator[str]:
            for piece in PIECES:
                yield piece

        return each()

    @router.get("/lines")
    def lines(ctx: Context) -> Iterator[str]:
        return iter(PIECES)

    @router.get("/lots")
    async def lots(ctx: Context) -> None:
        async with ctx.stream() as out:
            for _ in range(3):
                await out.write(LARGE)

    @router.get("/events")
    async def events(ctx: Context) -> None:
        async with ctx.event_stream() as out:
            await out.send(TEXT)

    @router.websocket("/socket")
    async def socket(ctx: Context) -> None:
        ws = await ctx.accept()
        await ws.send(TEXT)


def _kept(router: Router, stage: Stage) -> None:
    """A text with a tag of its own, whose pieces can be had; one without; and one to be changed."""

    @router.get("/kept")
    async def kept(ctx: Context) -> Response:
        headers = {"etag": '"v1"', "last-modified": LAST_MODIFIED, "accept-ranges": "bytes"}
        given = ctx.request.headers
        ctx.response.set_header("x-range", given.get("range", "none"))
        ctx.response.set_header("x-if-range", given.get("if-range", "none"))
        if "range" in given and given.get("if-range", '"v1"') == '"v1"':
            headers["content-range"] = f"bytes 0-599/{len(TEXT)}"
            return Response(TEXT[:600], status=206, headers=headers, content_type="text/plain")
        ctx.check_preconditions('"v1"')
        return Response(TEXT, headers=headers)

    @router.get("/plain")
    async def plain(ctx: Context) -> str:
        return TEXT

    @router.put("/kept")
    async def change(ctx: Context) -> str:
        ctx.check_preconditions('"v1"', required=True)
        stage.said.append("changed")
        return "changed"


def _versions(app: App, stage: Stage) -> None:
    versions: dict[str, int] = {"one": 1}

    def check(ctx: Context, **arguments: Any) -> str:
        name = str(ctx.params["name"])
        version = versions.get(name)
        ctx.check_preconditions(None if version is None else f"v{version}", **arguments)
        return name

    @app.put("/notes/{name}")
    async def put(ctx: Context) -> str:
        name = check(ctx, required=True)
        stage.said.append(f"put {name}")
        versions[name] = versions.get(name, 0) + 1
        return f"v{versions[name]}"

    @app.delete("/notes/{name}")
    def delete(ctx: Context) -> None:
        name = check(ctx)
        stage.said.append(f"deleted {name}")
        versions.pop(name, None)

    @app.get("/notes/{name}")
    async def get(ctx: Context) -> str:
        ctx.response.set_header("cache-control", "no-cache").set_header("x-other", "gone")
        ctx.response.set_header("vary", "cookie").set_cookie("a", "b")
        name = check(ctx, last_modified=784_111_777.5)
        stage.said.append(f"got {name}")
        return f"note {name}"


def _tagged(router: Router) -> None:
    @router.get("/text")
    async def text(ctx: Context) -> str:
        ctx.response.set_header("cache-control", "no-cache").set_header("content-language", "en")
        ctx.response.set_cookie("a", "b")
        return TEXT

    @router.get("/own/{tag}")
    async def own(ctx: Context) -> Response:
        headers = {"etag": ctx.params["tag"], "last-modified": LAST_MODIFIED}
        return Response(TEXT, headers=headers)

    @router.get("/status/{status:int}")
    async def status(ctx: Context) -> Response:
        return Response(TEXT, status=ctx.params["status"])

    @router.get("/secret")
    async def secret(ctx: Context) -> Response:
        return Response(TEXT, headers={"cache-control": "private, no-store"})

    @router.post("/text")
    async def posted(ctx: Context) -> str:
        return TEXT

    @router.get("/pieces")
    async def pieces(ctx: Context) -> Iterator[str]:
        return iter(PIECES)

    @router.get("/stream")
    async def stream(ctx: Context) -> None:
        async with ctx.stream() as out:
            await out.write(TEXT)
