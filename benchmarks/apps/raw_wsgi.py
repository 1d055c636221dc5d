"""WSGI with nothing on it."""

from __future__ import annotations

from typing import Any

import orjson
import setting

PLAIN = setting.PLAIN.encode()
TEXT = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(PLAIN)))]


def json(start_response: Any, value: object) -> list[bytes]:
    body = orjson.dumps(value)
    head = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response("200 OK", head)
    return [body]


def app(environ: Any, start_response: Any) -> list[bytes]:
    path = environ["PATH_INFO"]
    if path == "/plain":
        start_response("200 OK", TEXT)
        return [PLAIN]
    if path == "/json":
        return json(start_response, setting.MESSAGE)
    if path == "/upload":
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        return json(start_response, {"received": len(body)})
    if path == "/download":
        head = [("Content-Type", "application/octet-stream"), ("Content-Length", str(1 << 20))]
        start_response("200 OK", head)
        return [setting.MEGABYTE]
    start_response("404 Not Found", [("Content-Length", "0")])
    return []
