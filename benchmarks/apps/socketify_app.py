"""socketify (C++, uWebSockets), with its own router and middleware."""

from __future__ import annotations

from typing import Any

import orjson
import setting
from socketify import App, CompressOptions, MiddlewareRouter

app = App()


def leave(res: Any, req: Any, data: Any) -> Any:
    return {"user": "bench"}


def answer(res: Any, req: Any, data: Any) -> Any:
    res.write_header("x-served-by", "bench")
    return data


def refuse(res: Any, req: Any, data: Any) -> Any:
    if req.get_header("x-blocked"):
        res.write_status(403).end("")
        return False
    return data


def json(res: Any, value: object) -> None:
    res.write_header("content-type", "application/json").end(orjson.dumps(value))


def plain(res: Any, req: Any, data: Any = None) -> None:
    res.write_header("content-type", "text/plain; charset=utf-8").end(setting.PLAIN)


def message(res: Any, req: Any, data: Any = None) -> None:
    json(res, setting.MESSAGE)


def user(res: Any, req: Any, data: Any = None) -> None:
    json(res, {"id": int(req.get_parameter(0))})


async def echo(res: Any, req: Any, data: Any = None) -> None:
    body = await res.get_data()
    json(res, orjson.loads(body.getvalue()))


router: Any = MiddlewareRouter(app, leave, answer, refuse) if setting.MIDDLEWARE else app
router.get("/plain", plain)
router.get("/json", message)
router.get("/users/:id", user)
router.post("/echo/:id", echo)
app.ws(
    "/ws",
    {
        "compression": CompressOptions.DISABLED,
        "max_payload_length": 1 << 20,
        "idle_timeout": 600,
        "message": lambda ws, text, opcode: ws.send(text, opcode),
    },
)
app.listen(setting.PORT, lambda _: None)
app.run()
