"""Apps with the parts about browsers, hosts and logs: CORS, SecurityHeaders, TrustedHosts,
HTTPSRedirect, RequestId, AccessLog, ServerTiming."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anylane import App, Context, Router
from anylane.middleware import (
    CORS,
    CSP,
    AccessLog,
    HTTPSRedirect,
    RequestId,
    SecurityHeaders,
    ServerTiming,
    TrustedHosts,
)
from anylane_conformance.contract.answers import stamped

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage

PAGE = "https://good.example"
"""The page that CORS lets in."""


def with_cors(app: App, stage: Stage) -> None:
    """Let one page read each form of answer."""
    app.use(CORS([PAGE], credentials=True, expose=["x-status"]))
    stamped(app, stage)

    @app.get("/vary")
    async def vary(ctx: Context) -> str:
        ctx.response.set_header("vary", "cookie")
        return "vary"


def with_inner_cors(app: App, stage: Stage) -> None:
    """Let one page in by a router with a prefix, one without, and a route."""
    part = CORS([PAGE], methods=["PUT"], headers=["x-token"], max_age=60)
    prefixed, bare = Router("/inner"), Router()
    prefixed.use(part)
    bare.use(part)

    async def handler(ctx: Context) -> str:
        stage.said.append(ctx.request.method)
        return "handled"

    prefixed.put("/a")(handler)
    bare.put("/bare/{id:int}")(handler)
    app.put("/own", middleware=[part])(handler)
    app.put("/without")(handler)
    app.include(prefixed)
    app.include(bare)


def with_security_headers(app: App, stage: Stage) -> None:
    """Add the headers to each form of answer."""
    app.use(SecurityHeaders())
    stamped(app, stage)


def with_a_nonce(app: App, stage: Stage) -> None:
    """Answer with the nonce of the policy."""
    app.use(SecurityHeaders(csp=CSP(script_src=[CSP.NONCE])))

    @app.get("/nonce")
    async def nonce(ctx: Context) -> str:
        return str(ctx.state.csp_nonce)

    @app.get("/nonce/def")
    def nonce_of_a_def(ctx: Context) -> str:
        return str(ctx.state.csp_nonce)

    @app.get("/nonce/same")
    async def same(ctx: Context) -> None:
        ctx.response.set_status(304)


def with_hosts(app: App, stage: Stage) -> None:
    """Answer for two hosts."""
    app.use(TrustedHosts(["a", "*.example.com"]))
    stamped(app, stage)


def with_redirect(app: App, stage: Stage) -> None:
    """Send plain HTTP to https."""
    app.use(HTTPSRedirect(exempt=["/plain"]))
    stamped(app, stage)

    @app.get("/plain")
    async def plain(ctx: Context) -> str:
        return ctx.request.scheme


def with_ids(app: App, stage: Stage) -> None:
    """Give each request an id, and note it wherever handlers run."""
    app.use(RequestId(trust=True))
    stamped(app, stage)

    def note(where: str) -> None:
        stage.said.append(f"{where} {RequestId.current()}")

    @app.get("/ids/async")
    async def in_async(ctx: Context) -> str:
        await ctx.sleep(0)
        note("async")
        await ctx.run_sync(note, "run_sync")
        ctx.background(in_background)
        ctx.background(note, "background def")
        return str(ctx.state.request_id)

    async def in_background() -> None:
        note("background")
        raise KeyError("a job fails")

    @app.get("/ids/def")
    def in_def(ctx: Context) -> str:
        note("def")
        ctx.call(ctx.sleep, 0)
        note("def again")
        raise KeyError("a def fails")

    @app.websocket("/ids/socket")
    async def socket(ctx: Context) -> None:
        ws = await ctx.accept()
        async for message in ws:
            note("socket")
            await ws.send(message)


def with_ids_below(app: App, stage: Stage) -> None:
    """Give an id to requests below one prefix only."""
    inner = Router("/with")
    inner.use(RequestId(trust=True))

    @inner.get("/id")
    async def with_id(ctx: Context) -> str:
        return str(RequestId.current())

    @app.get("/without")
    async def without(ctx: Context) -> str:
        return str(RequestId.current())

    @app.get("/without/def")
    def without_def(ctx: Context) -> str:
        return str(RequestId.current())

    app.include(inner)


def with_access_log(app: App, stage: Stage) -> None:
    """Write a line about each form of answer."""
    app.use(RequestId(trust=True))

    def write(line: str) -> None:
        stage.said.append(line)  # Another list for each case.

    app.use(AccessLog("json", log=write))
    stamped(app, stage)

    @app.get("/flow")
    async def flow(ctx: Context) -> None:
        async with ctx.event_stream() as out:
            for n in range(10_000):
                await out.send(str(n))
                await ctx.sleep(0.05)

    @app.websocket("/session")
    async def session(ctx: Context) -> None:
        ws = await ctx.accept()
        async for message in ws:
            await ws.send(message)


def with_timing(app: App, stage: Stage) -> None:
    """Measure in handlers of both kinds."""
    app.use(ServerTiming())

    @app.get("/timing")
    async def timing(ctx: Context) -> str:
        with ServerTiming.measure(ctx, "wait"):
            await ctx.sleep(0.1)
        return "x"

    @app.get("/timing/def")
    def blocking(ctx: Context) -> str:
        with ServerTiming.measure(ctx, "wait"):
            ctx.call(ctx.sleep, 0.1)
        return "x"
