"""Flask, its own hooks, with orjson behind its JSON provider. For servers with threads."""

from __future__ import annotations

from typing import Any

import orjson
import setting
from flask import Flask, Response, abort, g, jsonify, request
from flask.json.provider import JSONProvider


class Orjson(JSONProvider):
    def dumps(self, obj: Any, **_: Any) -> str:
        return orjson.dumps(obj).decode()

    def loads(self, s: str | bytes, **_: Any) -> Any:
        return orjson.loads(s)


app = Flask(__name__)
app.json = Orjson(app)

if setting.MIDDLEWARE:

    @app.before_request
    def leave() -> None:
        g.user = "bench"

    @app.after_request
    def answer(response: Response) -> Response:
        response.headers["x-served-by"] = "bench"
        return response

    @app.before_request
    def refuse() -> None:
        if "x-blocked" in request.headers:
            abort(403)


@app.get("/plain")
def plain() -> Response:
    return Response(setting.PLAIN, mimetype="text/plain")


@app.get("/json")
def message() -> Response:
    return jsonify(setting.MESSAGE)


@app.get("/users/<int:id>")
def user(id: int) -> Response:
    return jsonify({"id": id})


@app.post("/echo/<int:id>")
def echo(id: int) -> Response:
    return jsonify(request.get_json())


@app.post("/upload")
def upload() -> Response:
    return jsonify({"received": len(request.get_data())})


@app.get("/download")
def download() -> Response:
    return Response(setting.MEGABYTE, mimetype="application/octet-stream")
