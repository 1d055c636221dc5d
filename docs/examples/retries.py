"""Ask another service, and ask again if that fails: exponential backoff with jitter, by stamina.

    pip install 'anylane[typed]' stamina httpx
    anylane run --app-dir docs/examples retries:upstream --port 8001 &
    anylane run --app-dir docs/examples retries:app --backend threads

    curl -i http://127.0.0.1:8000/weather/Oslo        # 200: the upstream has failed twice before
    curl -i http://127.0.0.1:8000/weather/Atlantis    # 404: at once, for it would stay so
    kill %1
    curl -i http://127.0.0.1:8000/weather/Oslo        # 502: after some tries

The handler is a plain `def`, so it may block on every backend. stamina's async form knows asyncio
and trio only.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator
from typing import Annotated, NoReturn
from urllib.parse import quote

import httpx
import stamina
from msgspec import Struct
from msgspec.json import decode

from anylane import App, Context, Depends, HTTPError

UPSTREAM = os.environ.get("UPSTREAM", "http://127.0.0.1:8001")
ATTEMPTS = 4
PATIENCE = 5.0  # seconds for all attempts together; fewer than the route has


class Weather(Struct):
    city: str
    degrees: int


def client() -> Generator[httpx.Client]:
    with httpx.Client(base_url=UPSTREAM, timeout=1) as client:
        yield client


Client = Annotated[httpx.Client, Depends(client, scope="app")]  # one for all requests


def is_temporary(exc: Exception) -> bool | float:
    """Tell stamina whether to try again, or after how many seconds if the upstream says so."""
    if not isinstance(exc, httpx.HTTPStatusError):
        return isinstance(exc, httpx.TransportError)
    after = exc.response.headers.get("retry-after", "")
    if exc.response.status_code not in (429, 502, 503, 504):
        return False
    return min(float(after), PATIENCE) if after.isdecimal() else True


# Only what can be repeated without harm is: a GET, or a PUT. A POST may have arrived.
@stamina.retry(on=is_temporary, attempts=ATTEMPTS, timeout=PATIENCE)
def ask(client: httpx.Client, city: str) -> Weather:
    answer = client.get(f"/{quote(city, safe='')}")
    answer.raise_for_status()
    return decode(answer.content, type=Weather)


app = App(errors="json")


@app.get("/weather/{city}", timeout=10)
def weather(city: str, client: Client) -> Weather:
    return ask(client, city)


@app.exception_handler(httpx.HTTPError)
async def upstream_failed(ctx: Context, exc: httpx.HTTPError) -> NoReturn:
    if isinstance(exc, httpx.HTTPStatusError) and exc.response.status_code == 404:
        raise HTTPError(404, "there is no such city")
    raise HTTPError(502, "the weather service does not answer", headers={"retry-after": "10"})


# What stands for another service: it fails twice before each answer.
upstream = App(errors="json")
DEGREES = {"Oslo": -4, "Nairobi": 24}
asked: Counter[str] = Counter()


@upstream.get("/{city}")
async def measure(city: str) -> Weather:
    if city not in DEGREES:
        raise HTTPError(404)
    asked[city] += 1
    if asked[city] % 3:
        raise HTTPError(503)
    return Weather(city, DEGREES[city])


if __name__ == "__main__":
    app.run()
