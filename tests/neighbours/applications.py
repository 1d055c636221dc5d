"""The same small service by each framework, for the table of requests."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, suppress
from types import ModuleType
from typing import Any

PIECES = [b"one\n", b"two\n", b"three\n"]
EVENTS = [b"data: 1\n\n", b"data: 2\n\n"]


def starlette_app() -> Any:  # noqa: C901  # a handler after the other
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
    from starlette.routing import Route, WebSocketRoute
    from starlette.websockets import WebSocket, WebSocketDisconnect

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncGenerator[dict[str, str]]:
        yield {"life": "begun"}

    async def seen(request: Request) -> Response:
        scope = request.scope
        return JSONResponse(
            {
                "path": scope["path"],
                "root": scope["root_path"],
                "query": dict(request.query_params),
                "life": request.state.life,
                "cookie": request.cookies.get("c"),
            }
        )

    async def read(request: Request) -> Response:
        return JSONResponse(await request.json(), status_code=201)

    async def form(request: Request) -> Response:
        shown = {}
        async with request.form() as fields:
            for name, value in fields.items():
                shown[name] = value if isinstance(value, str) else (await value.read()).decode()
        return JSONResponse(shown)

    async def echo(request: Request) -> Response:
        size = 0
        async for piece in request.stream():
            size += len(piece)
        return PlainTextResponse(str(size))

    async def stream(_: Request) -> Response:
        async def pieces() -> AsyncGenerator[bytes]:
            for piece in PIECES:
                yield piece

        return StreamingResponse(pieces(), media_type="text/plain")

    async def events(_: Request) -> Response:
        async def pieces() -> AsyncGenerator[bytes]:
            for piece in EVENTS:
                yield piece

        return StreamingResponse(pieces(), media_type="text/event-stream")

    async def cookies(_: Request) -> Response:
        response = PlainTextResponse("cookies")
        response.set_cookie("a", "1")
        response.set_cookie("b", "2", httponly=True)
        return response

    async def fails(_: Request) -> Response:
        raise ValueError("the app's own")

    async def echo_messages(websocket: WebSocket) -> None:
        await websocket.accept(subprotocol=next(iter(websocket.scope["subprotocols"]), None))
        with suppress(WebSocketDisconnect):
            while (text := await websocket.receive_text()) != "close":
                await websocket.send_text(text.upper())
                await websocket.send_bytes(text.encode())
            await websocket.close(4001, "asked to")

    return Starlette(
        lifespan=lifespan,
        routes=[
            Route("/seen", seen),
            Route("/json", read, methods=["POST"]),
            Route("/form", form, methods=["POST"]),
            Route("/echo", echo, methods=["POST"]),
            Route("/stream", stream),
            Route("/events", events),
            Route("/cookies", cookies),
            Route("/fails", fails),
            WebSocketRoute("/ws", echo_messages),
        ],
    )


def fastapi_app() -> Any:
    import fastapi
    from fastapi import FastAPI, Form, Request, Response, UploadFile, WebSocket
    from fastapi.responses import StreamingResponse

    app = FastAPI()

    @app.get("/seen")
    async def seen(request: Request, q: str = "") -> dict[str, Any]:
        scope = request.scope
        return {"path": scope["path"], "root": scope["root_path"], "q": q}

    @app.post("/json", status_code=201)
    def read(body: dict[str, Any]) -> dict[str, Any]:  # in FastAPI's own threads
        return body

    @app.post("/form")
    async def form(a: str = Form(), file: UploadFile | None = None) -> dict[str, str | None]:
        return {"a": a, "file": (await file.read()).decode() if file else None}

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        def pieces() -> Generator[bytes]:
            yield from PIECES

        return StreamingResponse(pieces(), media_type="text/plain")

    @app.get("/cookies")
    async def cookies(response: Response) -> str:
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        return "cookies"

    @app.get("/fails")
    async def fails() -> None:
        raise ValueError("the app's own")

    @app.get("/gone/{number}")
    async def gone(number: int) -> None:
        raise fastapi.HTTPException(410, f"{number} is gone")

    @app.websocket("/ws")
    async def echo_messages(websocket: WebSocket) -> None:
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(text.upper())
            await websocket.send_bytes(text.encode())

    # What the annotations above name is known in this function only.
    return app


def django_app() -> Any:
    from django.conf import settings

    if not settings.configured:
        settings.configure(
            DEBUG=False,
            SECRET_KEY="no secret",  # nothing is signed with it
            ALLOWED_HOSTS=["*"],
            ROOT_URLCONF="tests.neighbours.django_urls",
            LOGGING_CONFIG=None,
        )
    import django
    from django.core.asgi import get_asgi_application
    from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
    from django.urls import path

    def seen(request: HttpRequest) -> HttpResponse:
        meta = {name: request.META.get(name) for name in ("SCRIPT_NAME", "PATH_INFO")}
        return JsonResponse({**meta, "query": request.GET.dict(), "c": request.COOKIES.get("c")})

    def read(request: HttpRequest) -> HttpResponse:
        return JsonResponse(json.loads(request.body), status=201)

    def form(request: HttpRequest) -> HttpResponse:
        uploads: Any = request.FILES
        files = {name: file.read().decode() for name, file in uploads.items()}
        return JsonResponse({**request.POST.dict(), **files})

    async def stream(_: HttpRequest) -> StreamingHttpResponse:
        async def pieces() -> AsyncGenerator[bytes]:
            for piece in PIECES:
                yield piece

        return StreamingHttpResponse(pieces(), content_type="text/plain")

    def cookies(_: HttpRequest) -> HttpResponse:
        response = HttpResponse(b"cookies")
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        return response

    def fails(_: HttpRequest) -> HttpResponse:
        raise ValueError("the app's own")

    urls: Any = ModuleType("tests.neighbours.django_urls")
    urls.urlpatterns = [
        path("seen", seen),
        path("json", read),
        path("form", form),
        path("stream", stream),
        path("cookies", cookies),
        path("fails", fails),
    ]
    sys.modules["tests.neighbours.django_urls"] = urls
    django.setup()
    return get_asgi_application()


def flask_app() -> Any:
    import flask

    app = flask.Flask(__name__)

    @app.get("/seen")
    def seen() -> Any:
        request = flask.request
        meta = {name: request.environ[name] for name in ("SCRIPT_NAME", "PATH_INFO")}
        return {**meta, "query": request.args.to_dict(), "c": request.cookies.get("c")}

    @app.post("/json")
    def read() -> Any:
        return flask.jsonify(flask.request.get_json()), 201

    @app.post("/form")
    def form() -> Any:
        files = {name: file.read().decode() for name, file in flask.request.files.items()}
        return {**flask.request.form.to_dict(), **files}

    @app.post("/echo")
    def echo() -> str:
        return str(len(flask.request.get_data()))

    @app.get("/stream")
    def stream() -> Any:
        return flask.Response(iter(PIECES), mimetype="text/plain")

    @app.get("/cookies")
    def cookies() -> Any:
        response = flask.make_response("cookies")
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        return response

    @app.get("/fails")
    def fails() -> Any:
        raise ValueError("the app's own")

    return app
