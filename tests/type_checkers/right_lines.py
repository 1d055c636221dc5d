"""What type checkers have to accept: every form in which anylane takes a function.

test_type_checkers.py has it read, and imports it: all of it can be registered.
"""

from __future__ import annotations

import json
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterator,
)
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import sleep
from typing import Annotated, Any, assert_type

from anylane import (
    STOP,
    App,
    Broadcast,
    Context,
    Depends,
    HTTPError,
    Limits,
    Query,
    Response,
    Router,
    Server,
    ServerConfig,
    Stop,
    Subscription,
    Timeouts,
    WebSocket,
    Worker,
    serve,
)
from anylane.contrib import Health
from anylane.middleware import (
    CORS,
    CSRF,
    AccessLog,
    BasicAuth,
    BearerAuth,
    Compression,
    RateLimit,
    RequestId,
)
from anylane.testing import TestClient
from anylane_backends.bridges import NatsBridge

app = App(json_default=str, errors="json", body_limit=10, timeout=1)
router = Router("/in", "example.com", errors="text")

# -- handlers --------------------------------------------------------------------------------------


@dataclass
class User:
    name: str


class Database: ...


async def database() -> AsyncIterator[Database]:
    yield Database()


@app.get("/plain")
def plain(ctx: Context) -> None: ...


@app.get("/untyped")
def untyped(ctx):
    return "x"


@app.get("/nothing")
async def nothing() -> str:
    return "x"


@app.post("/users/{id:int}", status=201, name="user", timeout=2.5, body_limit=None)
async def in_any_order(
    id: int,
    user: User,
    ctx: Context,
    db: Annotated[Database, Depends(database)],
    page: Annotated[int, Query(ge=1)] = 1,
    *,
    verbose: bool = False,
) -> User | Response:
    return user


@app.get("/described", tags=["pages"], responses={404: "none", 409: User}, deprecated=True)
def described() -> User:
    return User("x")


@app.get("/lines")
def lines() -> Iterator[str]:
    yield "x"


@app.get("/async-lines")
async def async_lines(ctx: Context) -> AsyncIterator[User]:
    yield User("x")


class Calls:
    def __call__(self, ctx: Context) -> str:
        return "x"

    async def method(self, ctx: Context) -> dict[str, int]:
        return {}

    def hook(self, ctx: Context) -> None: ...

    async def around(self, ctx: Context, call_next: Callable[[], Awaitable[None]]) -> None:
        await call_next()

    def exception(self, ctx: Context, exc: Exception) -> str:
        return str(exc)

    def nothing(self) -> None: ...


def with_more(ctx: Context, more: str) -> str:
    return more


app.get("/object", name="object")(Calls())
app.get("/method")(Calls().method)
app.get("/partial", name="partial")(partial(with_more, more="x"))
app.get("/lambda")(lambda ctx: "x")


@app.route("/a", ["GET", "POST"], inline=True)
@app.put("/b", inline=True, when=lambda ctx: ctx.request.method == "PUT")
@router.delete("/c", cancel_on_disconnect=True)
def stacked(ctx: Context) -> HTTPError:
    return HTTPError(404)


@app.websocket("/ws", ["chat"], origins=[None, "same-origin"])
async def socket(ctx: Context) -> None: ...


def checked(
    func: Callable[[Context], Awaitable[None]],
) -> Callable[[Context], Coroutine[Any, Any, None]]:
    async def run(ctx: Context) -> None:
        await func(ctx)

    return run


@router.websocket("/ws")
@checked
async def decorated_socket(ctx: Context) -> None: ...


# -- hooks -----------------------------------------------------------------------------------------


@app.request_middleware
def hook(ctx: Context) -> None: ...


@app.request_middleware(order=1)
@router.response_middleware
async def async_hook(ctx: Context) -> Stop | None:
    return STOP if ctx.request.path == "/" else None


@app.request_middleware()
def hook_that_stops(ctx: Context) -> Stop:
    return STOP


@router.response_middleware(2)
def untyped_hook(ctx):
    return STOP


@app.response_middleware
def hook_with_a_default(ctx: Context, name: str = "x", *more: int) -> None: ...


app.request_middleware(Calls().hook)
app.request_middleware(order=3)(partial(hook_with_a_default, name="y"))
app.response_middleware(lambda ctx: None)


@app.middleware
async def around(ctx: Context, call_next: Callable[[], Awaitable[None]]) -> None:
    await call_next()


@app.middleware(order=1)
async def around_as_elsewhere(
    ctx: Context, call_next: Callable[[Context], Awaitable[None]]
) -> Response | Stop | None:
    await call_next(ctx)
    return STOP


@router.middleware
async def around_with_any(ctx: Context, call_next: Any) -> str:
    return "x"


@router.middleware(order=1)
async def untyped_around(ctx, call_next):
    await call_next()


app.middleware(Calls().around)
app.get("/around", middleware=[around, Calls().around, RequestId()])(nothing)
app.get("/around/none", middleware=())(nothing)
app.get("/around/parts", middleware=[RequestId(), CSRF()])(nothing)


@app.exception_handler(ValueError)
@app.exception_handler(KeyError)
@router.exception_handler(HTTPError)
async def of_several(ctx: Context, exc: ValueError | KeyError | HTTPError) -> dict[str, str]:
    return {"error": str(exc)}


@router.exception_handler(ValueError)
def of_all(ctx: Context, exc: Exception) -> None: ...


@app.exception_handler(Exception)
def untyped_exception_handler(ctx, exc):
    return "x"


app.exception_handler(OSError)(Calls().exception)
app.exception_handler(TypeError)(lambda ctx, exc: "x")


@app.on_startup
@app.on_shutdown
async def starts() -> None: ...


app.on_startup(Calls().nothing)


@app.on_worker_start
async def begins(worker: Worker) -> None:
    assert_type(worker.number, int)


app.on_worker_start(Calls().nothing)
app.on_shutdown(partial(print, "x"))


@app.lifespan
async def life() -> AsyncIterator[None]:
    yield


@app.lifespan
def life_of(app: App) -> Iterator[None]:
    yield


@app.lifespan
async def life_of_a_generator(app: App) -> AsyncGenerator[None]:
    yield


@app.lifespan
def life_of_a_plain_generator() -> Generator[None]:
    yield


@app.lifespan
@asynccontextmanager
async def life_of_a_manager(app: App) -> AsyncGenerator[int]:
    yield 1


@app.lifespan
@contextmanager
def life_of_a_plain_manager() -> Generator[int]:
    yield 1


@app.lifespan
async def untyped_life(app):
    yield


app.lifespan(NatsBridge("nats://127.0.0.1"))
app.lifespan(nullcontext())


@app.every(60)
def job() -> None: ...


@app.every(0.5, workers="one")
async def job_with_ctx(ctx: Context) -> int:
    return 1


@app.on_connect
@app.on_disconnect
async def of_a_connection(ctx: Context) -> None: ...


@app.request_error
def of_what_is_wrong(ctx: Context) -> str:
    return "x"


@app.request_error
async def of_what_is_wrong_and_why(ctx: Context, error: Exception) -> None: ...


# -- parts -----------------------------------------------------------------------------------------


class Part:
    name = "mine"

    async def request(self, ctx: Context) -> Stop | None:
        return None

    def response(self, ctx: Context) -> None: ...


class PartAround:
    async def around(self, ctx: Context, call_next: Callable[[], Awaitable[None]]) -> None:
        await call_next()


def verify(token: str) -> User | None:
    return None


async def verify_with_ctx(ctx: Context, token: str) -> User | None:
    return None


app.use(Part())
app.use(PartAround(), order=1)
app.use(CORS(["https://example.com"]))
app.use(Compression(when=lambda ctx: True))
app.use(AccessLog(log=print))
router.use(BearerAuth(verify, token=lambda ctx: ctx.request.cookies.get("token")))
router.use(BearerAuth(verify_with_ctx))
router.use(BasicAuth(lambda name, password: name))
router.use(RateLimit("1/minute", lambda ctx: ctx.request.path))
router.use(CSRF(exempt=lambda ctx: ctx.request.headers.get("x-key")))
app.use(Health(checks={"a": Calls().nothing, "b": job_with_ctx, "c": lambda: True}))


# -- a decorator returns the function as it is -----------------------------------------------------


async def calls_them(ctx: Context) -> None:
    user = await in_any_order(id=1, user=User("x"), ctx=ctx, db=Database(), verbose=True)
    assert_type(user, User | Response)
    assert_type(await async_hook(ctx=ctx), Stop | None)
    assert_type(await around_with_any(ctx, call_next=None), str)
    assert_type(await of_several(ctx=ctx, exc=KeyError()), dict[str, str])
    assert_type(await job_with_ctx(ctx=ctx), int)
    assert_type(app.get("/calls", name="calls")(Calls()), Calls)


# -- what a context runs ---------------------------------------------------------------------------


def blocks(path: str, lines: int = 1) -> list[str]:
    return [path] * lines


async def waits(path: str) -> bytes:
    return path.encode()


async def uses(ctx: Context, ws: WebSocket, room: Broadcast[str], anything: Any) -> None:
    assert_type(await ctx.run_sync(blocks, "a"), list[str])
    assert_type(await ctx.run_sync(blocks, "a", 2), list[str])
    assert_type(await ctx.run_sync(partial(blocks, lines=2), "a"), list[str])
    assert_type(await ctx.run_sync(User, "a"), User)
    assert_type(await ctx.run_sync(Path.read_text, Path("a")), str)
    assert_type(await ctx.run_sync(Path("a").read_text), str)
    assert_type(await ctx.run_sync(json.dumps, {"a": 1}), str)
    assert_type(await ctx.run_sync(sorted, [1]), list[int])
    assert_type(await ctx.run_sync(lambda: 1), int)
    assert_type(await ctx.run_sync(anything, 1, 2), Any)
    await ctx.run_sync(sleep, 1)
    await ctx.run_sync(print, "a", 1)
    with await ctx.run_sync(open, "a", "rb") as file:
        file.read()
    ctx.background(blocks, "a")
    ctx.background(blocks, "a", 2)
    ctx.background(waits, "a")
    ctx.background(anything, 1)
    ctx.background(lambda: None)
    ctx.on_end(lambda it: None)
    async with ctx.timeout(5):
        await ctx.sleep(0.5)
    with room.subscribe() as subscription:
        async for source, item in ctx.select(ws, subscription):
            assert_type(source, WebSocket | Subscription[str])
            if source is ws:
                await ws.send(item)
        async for one, _ in ctx.select(ws):
            assert_type(one, WebSocket)
        async for _ in ctx.select(*[subscription]):
            break
        async for _ in ctx.select(ws, subscription, subscription, subscription):
            break


def calls(ctx: Context, ws: WebSocket, anything: Any) -> None:
    assert_type(ctx.call(waits, "a"), bytes)
    assert_type(ctx.call(partial(waits, "a")), bytes)
    assert_type(ctx.call(ctx.request.body), bytes)
    assert_type(ctx.call(ctx.run_sync, blocks, "a"), list[str])
    assert_type(ctx.call(anything, 1), Any)
    ctx.call(ctx.sleep, 1)
    ctx.call(ws.send, "x")
    ctx.call(ws.receive)
    ctx.call(ctx.run_sync, sleep, 1)
    ctx.call(partial(ws.close, code=1000))


# -- serving ---------------------------------------------------------------------------------------


async def asgi(scope: Any, receive: Any, send: Any) -> None: ...


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    return []


def runs(kind: str) -> None:
    app.mount("/asgi", asgi)
    app.mount("/wsgi", wsgi, wsgi=True)
    TestClient(asgi)
    app.run()
    app.run("trio", port=8000, bind=("127.0.0.1:1",), limits=Limits(body=1), uds=None)
    app.run(backend=kind, request_timeout=1, headers=(("a", "b"),))
    Server(app, ServerConfig.strict(port=1, timeouts=Timeouts(head=1)), "threads").start()
    Server(app, backend="trio", ready=lambda server: None).start()
    TestClient(app, ServerConfig(port=0), backend="asyncio").get("/", params={"a": "b"})


async def serves() -> None:
    await serve(app, ServerConfig.relaxed(), ready=lambda server: server.shutdown())


# -- dependencies ----------------------------------------------------------------------------------

assert_type(Depends(database), Database)
