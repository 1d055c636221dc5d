"""anylane with the first BENCH_MIDDLEWARE of its ready-made parts."""

from __future__ import annotations

from typing import Any

import setting

from anylane import App, Context, middleware


def nowhere(line: str) -> None:
    """Drop a line of the access log, which was made."""


PARTS = (
    ("RequestId", (), {}),
    ("SecurityHeaders", (), {}),
    ("CORS", ([setting.PAGE],), {}),
    ("ServerTiming", (), {}),
    ("AccessLog", (), {"log": nowhere}),
    ("TrustedHosts", (["127.0.0.1"],), {}),
    ("Compression", (500,), {}),
    ("ETags", (), {}),
    ("Sessions", (setting.SECRET,), {}),
    ("RateLimit", (f"{setting.MANY}/second",), {}),
)
"""The name, arguments and options of each, the outermost first."""

app = App()
for name, arguments, options in PARTS[: setting.MIDDLEWARE]:
    app.use(getattr(middleware, name)(*arguments, **options))


@app.get("/users/{id:int}")
async def user(ctx: Context) -> dict[str, Any]:
    return {"id": ctx.params["id"]}
