"""The examples that answer without a server of their own: as a CGI program, and as a Lambda."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path
from typing import Any

from lambda_host import LambdaHandler

from anylane import App, Context

EXAMPLES = Path(__file__).parent
PROGRAM = """
from cgi_host import serve
from anylane import App

app = App()

@app.get("/hello/{name}")
async def hello(ctx):
    ctx.response.set_cookie("a", "1")
    return {"hello": ctx.params["name"], "q": ctx.request.query["q"], "from": ctx.request.client[0]}

@app.post("/echo")
async def echo(ctx):
    return (await ctx.request.body())[::-1]

serve(app)
"""


def cgi(body: bytes = b"", **environ: str) -> tuple[list[bytes], bytes]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=body,
        env={"PYTHONPATH": ":".join((str(EXAMPLES), *sys.path)), **environ},
        capture_output=True,
        timeout=60,
        check=True,
    )
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    return head.split(b"\r\n"), content


def test_a_request_is_in_the_environment() -> None:
    head, content = cgi(
        REQUEST_METHOD="GET",
        PATH_INFO="/hello/ann",
        QUERY_STRING="q=a%20b",
        HTTP_HOST="example.org",
        REMOTE_ADDR="192.0.2.7",
    )
    assert head[0] == b"Status: 200"
    assert b"set-cookie: a=1; Path=/; SameSite=Lax" in head
    assert content == b'{"hello":"ann","q":"a b","from":"192.0.2.7"}'


def test_a_body_comes_on_stdin() -> None:
    body = b"x" * 100_000 + b"y"
    head, content = cgi(
        body, REQUEST_METHOD="POST", PATH_INFO="/echo", CONTENT_LENGTH=str(len(body))
    )
    assert head[0] == b"Status: 200"
    assert content == body[::-1]


def test_what_is_wrong_has_its_status() -> None:
    assert cgi(REQUEST_METHOD="GET", PATH_INFO="/nowhere")[0][0] == b"Status: 404"


def event(method: str, path: str, query: str = "", **more: Any) -> dict[str, Any]:
    """An event as an HTTP API sends it, payload version 2.0."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": "abc.lambda-url.example", "x-forwarded-proto": "https"},
        "requestContext": {"http": {"method": method, "path": path, "sourceIp": "192.0.2.7"}},
        "isBase64Encoded": False,
        **more,
    }


def test_events_are_answered() -> None:
    app = App()
    starts: list[int] = []

    @app.on_startup
    def start() -> None:
        starts.append(1)

    @app.post("/echo")
    async def echo(ctx: Context) -> bytes:
        ctx.response.set_cookie("a", "1").set_cookie("b", "2")
        return await ctx.request.body()

    @app.get("/seen")
    async def seen(ctx: Context) -> dict[str, Any]:
        request = ctx.request
        return {"q": request.query["q"], "c": request.cookies["c"], "host": request.host}

    handler = LambdaHandler(app)
    answer = handler(event("GET", "/seen", "q=a%20b", cookies=["c=1", "d=2"]), None)
    assert answer["statusCode"] == 200
    assert (
        base64.b64decode(answer["body"]) == b'{"q":"a b","c":"1","host":"abc.lambda-url.example"}'
    )
    body = base64.b64encode(b"\0binary").decode()
    echoed = handler(event("POST", "/echo", body=body, isBase64Encoded=True), None)
    assert base64.b64decode(echoed["body"]) == b"\0binary"
    assert [each.partition(";")[0] for each in echoed["cookies"]] == ["a=1", "b=2"]
    assert handler(event("GET", "/nowhere"), None)["statusCode"] == 404
    handler.close()
    assert starts == [1]
