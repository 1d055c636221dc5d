"""Mistakes that type checkers see. Nothing runs this file: test_type_checkers.py has it read.

A comment behind each wrong line names what mypy and pyright have to report there. They have to
report nothing anywhere else.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from time import sleep
from typing import Annotated, Any

from anylane import (
    App,
    Context,
    Depends,
    Query,
    Request,
    Response,
    Router,
    Server,
    ServerConfig,
    WebSocket,
    serve,
)
from anylane.contrib import Health
from anylane.middleware import CSRF, BasicAuth, BearerAuth, RateLimit, RequestId
from anylane.testing import Lockstep, TestClient

app = App()
router = Router("/in")

# -- apps, routers and routes ----------------------------------------------------------------------

App(errors="html")  # mypy: arg-type; pyright: reportArgumentType
App(debug=True)  # mypy: call-arg; pyright: reportCallIssue
App(json_default=lambda: None)  # mypy: arg-type, misc; pyright: reportArgumentType
Router(prefix=1)  # mypy: arg-type; pyright: reportArgumentType
app.include("/in")  # mypy: arg-type; pyright: reportArgumentType
app.mount("/in", RequestId())  # mypy: arg-type; pyright: reportArgumentType


class Pages:
    methods = ("GET",)

    async def handle(self, request: Request, path: str) -> str:
        return path


app.mount("/pages", Pages())  # mypy: arg-type; pyright: reportArgumentType


@app.get("/", statuss=201)  # mypy: call-arg; pyright: reportCallIssue
def misspelt() -> None: ...


@app.get("/", status="201")  # mypy: arg-type; pyright: reportArgumentType
def text_for_a_number() -> None: ...


@app.get(path=b"/")  # mypy: arg-type; pyright: reportArgumentType
def bytes_for_a_path() -> None: ...


@app.get("/", tags=1)  # mypy: arg-type; pyright: reportArgumentType
def with_a_number_for_tags() -> None: ...


@app.post("/", responses=[404])  # mypy: arg-type; pyright: reportArgumentType
def with_a_list_of_responses() -> None: ...


@app.websocket("/ws", deprecated="yes")  # mypy: arg-type; pyright: reportArgumentType
async def with_a_text_for_a_bool(ctx: Context) -> None: ...


@app.route("/", methods=1)  # mypy: arg-type; pyright: reportArgumentType
def no_methods() -> None: ...


@app.get  # mypy: arg-type; pyright: reportArgumentType
def no_path() -> None: ...


def guard_of_a_request(request: Request) -> bool:
    return request.method == "GET"


async def around_without_call_next(ctx: Context) -> None: ...


@app.get("/", when=guard_of_a_request)  # mypy: arg-type; pyright: reportArgumentType
def guarded() -> None: ...


@app.get("/", middleware=[around_without_call_next])  # mypy: list-item; pyright: reportArgumentType
def surrounded() -> None: ...


@app.get("/", middleware=RequestId())  # mypy: arg-type; pyright: reportArgumentType
def no_list() -> None: ...


@app.websocket("/ws")  # mypy: type-var; pyright: reportArgumentType
def socket(ctx: Context) -> None: ...


@app.websocket("/ws")  # mypy: type-var; pyright: reportArgumentType
async def yielding_socket(ctx: Context) -> AsyncIterator[str]:
    yield ""


@app.websocket("/ws", body_limit=1)  # mypy: arg-type; pyright: reportArgumentType
async def bounded_socket(ctx: Context) -> None: ...


# -- hooks -----------------------------------------------------------------------------------------


@app.request_middleware  # mypy: type-var; pyright: reportCallIssue, reportArgumentType
def of_a_request(request: Request) -> None: ...


@app.request_middleware(order=1)  # mypy: type-var; pyright: reportArgumentType
async def of_a_request_in_order(request: Request) -> None: ...


@app.request_middleware("1")  # mypy: call-overload; pyright: reportCallIssue, reportArgumentType
def in_no_order(ctx: Context) -> None: ...


@router.request_middleware  # mypy: type-var; pyright: reportCallIssue, reportArgumentType
def of_nothing() -> None: ...


@router.response_middleware  # mypy: type-var; pyright: reportCallIssue, reportArgumentType
def of_two(ctx: Context, response: Response) -> None: ...


@router.response_middleware(order=1)  # mypy: type-var; pyright: reportArgumentType
def that_answers(ctx: Context) -> str:
    return "a hook sets ctx.response"


@app.middleware  # mypy: type-var; pyright: reportCallIssue, reportArgumentType
async def without_call_next(ctx: Context) -> None: ...


@app.middleware(order=1)  # mypy: type-var; pyright: reportArgumentType
async def the_wrong_way_round(call_next: Callable[[], Awaitable[None]], ctx: Context) -> None: ...


@app.middleware(order=1)  # mypy: type-var; pyright: reportArgumentType
def not_async(ctx: Context, call_next: Callable[[], Awaitable[None]]) -> None: ...


@app.middleware  # mypy: type-var; pyright: reportCallIssue, reportArgumentType
async def as_in_starlette(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    return await call_next(request)


@app.exception_handler(ValueError)  # mypy: arg-type; pyright: reportArgumentType
def of_another_class(ctx: Context, exc: KeyError) -> str:
    return repr(exc)


@app.exception_handler(ValueError)  # mypy: arg-type; pyright: reportArgumentType
async def of_a_request_and(request: Request, exc: ValueError) -> None: ...


@router.exception_handler(ValueError)  # mypy: arg-type; pyright: reportArgumentType
def of_an_exception_alone(exc: ValueError) -> None: ...


@router.exception_handler(404)  # mypy: arg-type; pyright: reportArgumentType
def of_a_status(ctx: Context, exc: Exception) -> None: ...


@app.exception_handler(KeyboardInterrupt)  # mypy: type-var; pyright: reportArgumentType
def of_no_exception(ctx: Context, exc: BaseException) -> None: ...


@app.on_startup  # mypy: type-var; pyright: reportArgumentType
def starts(app: App) -> None: ...


@app.on_worker_start  # mypy: type-var; pyright: reportArgumentType
def begins(app: App) -> None: ...


@app.on_shutdown  # mypy: type-var; pyright: reportArgumentType
async def stops(ctx: Context) -> None: ...


@app.lifespan  # mypy: type-var; pyright: reportArgumentType
async def without_yield(app: App) -> None: ...


@app.lifespan  # mypy: type-var; pyright: reportArgumentType
def of_a_config(config: ServerConfig) -> Iterator[None]:
    yield


@app.every(60)  # mypy: type-var; pyright: reportArgumentType
def job_of_an_app(app: App) -> None: ...


@app.every("60")  # mypy: arg-type; pyright: reportArgumentType
def job_without_a_number() -> None: ...


@app.every(60, workers="all")  # mypy: arg-type; pyright: reportArgumentType
def job_of_all() -> None: ...


@app.on_connect  # mypy: type-var; pyright: reportArgumentType
def connects(request: Request) -> None: ...


@app.on_disconnect  # mypy: type-var; pyright: reportArgumentType
def disconnects() -> None: ...


@app.request_error  # mypy: type-var; pyright: reportArgumentType
def cannot_be_parsed(ctx: Context, error: ValueError) -> None: ...


# -- attributes that are read only -----------------------------------------------------------------


async def assigns(ctx: Context, ws: WebSocket) -> None:
    ctx.response.status = 404  # mypy: misc; pyright: reportAttributeAccessIssue
    ctx.request.path = "/"  # mypy: misc; pyright: reportAttributeAccessIssue
    ctx.interrupted = None  # mypy: misc; pyright: reportAttributeAccessIssue
    ws.close_code = 1000  # mypy: misc; pyright: reportAttributeAccessIssue
    ctx.response.headers["a"] = "b"  # mypy: index; pyright: reportIndexIssue


# -- parts -----------------------------------------------------------------------------------------


class NoPart:
    def before(self, ctx: Context) -> None: ...


class PartOfRequests:
    def request(self, request: Request) -> None: ...


class PartAround:
    async def around(self, ctx: Context) -> None: ...


app.use(NoPart())  # mypy: arg-type; pyright: reportArgumentType
app.use(RequestId)  # mypy: arg-type; pyright: reportArgumentType
app.use(PartOfRequests())  # mypy: arg-type; pyright: reportArgumentType
router.use(PartAround())  # mypy: arg-type; pyright: reportArgumentType
router.use(without_call_next)  # mypy: arg-type; pyright: reportArgumentType


def verifies(name: str, password: str) -> str | None:
    return name


BearerAuth(verifies)  # mypy: arg-type; pyright: reportArgumentType
BasicAuth(verifies("", ""))  # mypy: arg-type; pyright: reportArgumentType
RateLimit("1/minute", guard_of_a_request)  # mypy: arg-type; pyright: reportArgumentType
CSRF(exempt=guard_of_a_request)  # mypy: arg-type; pyright: reportArgumentType
Health(checks={"db": verifies})  # mypy: dict-item; pyright: reportArgumentType


# -- what a context runs ---------------------------------------------------------------------------


def blocks(path: str, lines: int = 1) -> list[str]:
    return [path] * lines


async def waits(path: str) -> bytes:
    return path.encode()


async def handler(ctx: Context, ws: WebSocket) -> object:
    await ctx.run_sync(blocks, 1)  # mypy: arg-type; pyright: reportArgumentType
    await ctx.run_sync(blocks)  # mypy: arg-type; pyright: reportArgumentType
    await ctx.run_sync(blocks, "a", 1, 2)  # mypy: arg-type; pyright: reportArgumentType
    await ctx.run_sync(blocks, "a", lines=1)  # mypy: call-arg; pyright: reportCallIssue
    await ctx.run_sync(blocks("a"))  # mypy: arg-type; pyright: reportArgumentType
    lines: int = await ctx.run_sync(blocks, "a")  # mypy: arg-type; pyright: reportAssignmentType
    found: bytes = await ctx.run_sync(waits, "a")  # mypy: arg-type; pyright: reportAssignmentType
    ctx.background(blocks, 1)  # mypy: arg-type; pyright: reportArgumentType
    ctx.background(blocks("a"))  # mypy: arg-type; pyright: reportArgumentType
    ctx.background(waits("a"))  # mypy: arg-type; pyright: reportArgumentType
    ctx.background(waits)  # mypy: arg-type; pyright: reportArgumentType
    ctx.on_end(blocks)  # mypy: arg-type; pyright: reportArgumentType
    ctx.select(blocks)  # mypy: call-overload; pyright: reportCallIssue, reportArgumentType
    ctx.select(ws, [1])  # mypy: call-overload; pyright: reportCallIssue, reportArgumentType
    ctx.timeout("5")  # mypy: arg-type; pyright: reportArgumentType
    await ctx.sleep("1")  # mypy: arg-type; pyright: reportArgumentType
    async for message in ctx.select(ws):
        message.upper()  # mypy: attr-defined; pyright: reportAttributeAccessIssue
    await ctx.accept(ws)  # mypy: arg-type; pyright: reportArgumentType
    return lines, found


def plain_handler(ctx: Context) -> object:
    call, run = ctx.call, ctx.run_sync
    call(run, blocks, 1)  # mypy: arg-type, call-arg; pyright: reportCallIssue, reportArgumentType
    ctx.call(sleep, 1)  # mypy: arg-type; pyright: reportCallIssue, reportArgumentType
    ctx.call(ctx.sleep, "1")  # mypy: arg-type; pyright: reportCallIssue, reportArgumentType
    ctx.call(waits("a"))  # mypy: call-overload; pyright: reportArgumentType
    text: str = ctx.call(waits, "a")  # mypy: assignment; pyright: reportAssignmentType
    return text


# -- serving ---------------------------------------------------------------------------------------

app.run(prot=1)  # mypy: call-arg; pyright: reportCallIssue
app.run(port="8000")  # mypy: arg-type; pyright: reportArgumentType
app.run(limits={"body": 1})  # mypy: arg-type; pyright: reportArgumentType
app.run(backend=None)  # mypy: arg-type; pyright: reportArgumentType
app.run(ServerConfig())  # mypy: arg-type; pyright: reportArgumentType
ServerConfig(prot=1)  # mypy: call-arg; pyright: reportCallIssue
ServerConfig.strict(prot=1)  # mypy: call-arg; pyright: reportCallIssue
ServerConfig.relaxed(port="1")  # mypy: arg-type; pyright: reportArgumentType
Server(app, "trio")  # mypy: arg-type; pyright: reportArgumentType
Server(app, port=1)  # mypy: call-arg; pyright: reportCallIssue
TestClient(app, "trio")  # mypy: arg-type; pyright: reportArgumentType
TestClient(app).get("/", param={})  # mypy: call-arg; pyright: reportCallIssue
Lockstep(router)  # mypy: arg-type; pyright: reportArgumentType


async def serves() -> None:
    await serve(app, port=1)  # mypy: call-arg; pyright: reportCallIssue
    await serve(app, {"port": 1})  # mypy: arg-type; pyright: reportArgumentType
    await serve(router)  # mypy: arg-type; pyright: reportArgumentType


# -- dependencies ----------------------------------------------------------------------------------


class Database: ...


async def database() -> AsyncIterator[Database]:
    yield Database()


Depends(Database())  # mypy: call-overload; pyright: reportCallIssue, reportArgumentType
Depends(database, "request")  # mypy: call-overload; pyright: reportCallIssue, reportArgumentType
Query(alias="page")  # mypy: arg-type; pyright: reportArgumentType
wrong: str = Depends(database)  # mypy: assignment; pyright: reportAssignmentType


@app.get("/db")
def of_a_database(db: Annotated[Database, Depends(database)]) -> Any:
    return db.rows  # mypy: attr-defined; pyright: reportAttributeAccessIssue
