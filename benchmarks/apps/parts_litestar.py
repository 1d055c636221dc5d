"""Litestar with the first BENCH_MIDDLEWARE of ten middleware: its own where it has one."""

from __future__ import annotations

from typing import Any

import parts_asgi
import setting
from litestar import Litestar, get
from litestar.config.allowed_hosts import AllowedHostsConfig
from litestar.config.compression import CompressionConfig
from litestar.config.cors import CORSConfig
from litestar.logging import LoggingConfig
from litestar.middleware.logging import LoggingMiddlewareConfig
from litestar.middleware.rate_limit import RateLimitConfig
from litestar.middleware.session.client_side import CookieBackendConfig


@get("/users/{id:int}")
async def user(id: int) -> dict[str, Any]:
    return {"id": id}


logging = LoggingMiddlewareConfig(
    request_log_fields=("method", "path"), response_log_fields=("status_code",)
)
nowhere = LoggingConfig(
    handlers={"nowhere": {"class": "logging.NullHandler"}},
    loggers={"litestar": {"level": "INFO", "handlers": ["nowhere"], "propagate": False}},
    root={"level": "WARNING", "handlers": ["nowhere"]},
    log_exceptions="never",
)

MIDDLEWARE: list[tuple[int, Any]] = [
    (0, parts_asgi.RequestId),
    (1, parts_asgi.SecurityHeaders),
    (3, parts_asgi.ServerTiming),
    (4, logging.middleware),
    (7, parts_asgi.ETags),
    (8, CookieBackendConfig(secret=setting.SECRET[:16].encode()).middleware),
    (9, RateLimitConfig(rate_limit=("second", setting.MANY)).middleware),
]
"""The number of each, and what it is. The numbers between are settings of the app."""


def setting_of(number: int, value: Any) -> Any:
    return value if number < setting.MIDDLEWARE else None


app = Litestar(
    [user],
    openapi_config=None,
    logging_config=nowhere,
    cors_config=setting_of(2, CORSConfig(allow_origins=[setting.PAGE])),
    allowed_hosts=setting_of(5, AllowedHostsConfig(allowed_hosts=[f"127.0.0.1:{setting.PORT}"])),
    compression_config=setting_of(6, CompressionConfig(backend="gzip", minimum_size=500)),
    middleware=[each for number, each in MIDDLEWARE if number < setting.MIDDLEWARE],
)
