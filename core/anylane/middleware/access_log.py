"""AccessLog: one line for each exchange, once it is over.

A line has one reading, whatever a client has sent. Of its headers it has Referer and User-Agent,
and none that may be a secret.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, get_args
from uuid import UUID

from anylane import json
from anylane.callables import is_coroutine_function, location, signature_problem
from anylane.errors import UsageError
from anylane.shown import quoted, shown

if TYPE_CHECKING:
    from anylane.handling.context import Context

Format = Literal["text", "json"]

MAX_FIELD = 1024
"""Characters of one text of a client in a line; the rest is cut off. As many as any browser's
User-Agent and most targets have, where a head may have 64 KiB."""

_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


class AccessLog:
    """Writes a line about each exchange after its end, with the status and the bytes that it really
    had: of streams, WebSockets and failures too.

    format: "text", the combined format of Apache and nginx with more behind it:
        `client - user [time] "request" status bytes "referer" "user agent" duration=milliseconds
        id=... route="..."`, of a WebSocket also `close=code`; or "json", the same as one object.
    log: takes each line, on the event loop, so it must not block. By default lines go to the logger
        "anylane.access" at level INFO, and `--access-log` writes no second one about the exchange.
    query: whether a line has what stands behind the `?` of a target. It may hold secrets.
    """

    name = "AccessLog"

    def __init__(
        self,
        format: Format = "text",  # the word of logging
        *,
        log: Callable[[str], Any] | None = None,
        query: bool = True,
    ) -> None:
        if format not in get_args(Format):
            raise UsageError(f"format of AccessLog is {shown(format)}; expected 'text' or 'json'")
        if log is not None:
            if not callable(log) or is_coroutine_function(log):  # type: ignore[redundant-expr]
                raise UsageError(
                    f"log of AccessLog is {shown(log)}; expected a `def` that takes a line"
                )
            if problem := signature_problem(log, "(line)"):
                raise UsageError(f"{location(log)}, given to AccessLog as log, {problem}")
        self._log = log
        self._line = _text_line if format == "text" else _json_line
        self._query = query

    def request(self, ctx: Context) -> None:
        """Begin to measure, and write the line at the end."""
        began = ctx.now()
        ctx.on_end(lambda ctx: self._write(ctx, began))

    def _write(self, ctx: Context, began: float) -> None:
        facts = self._facts(ctx, ctx.now() - began)
        line = self._line(facts)
        if self._log is None:
            ctx.link.host.write_access_line(ctx.exchange, line, _fields(facts))
        else:
            self._log(line)

    def _facts(self, ctx: Context, seconds: float) -> dict[str, Any]:
        """Return what a line says, in its order."""
        exchange, request = ctx.exchange, ctx.request
        client = request.client
        headers = request.headers
        target = request.target if self._query else request.target.partition("?")[0]
        facts: dict[str, Any] = {
            "time": ctx.time(),
            "client": str(client[0]) if isinstance(client, tuple) and client else None,
            "user": _user(ctx),
            "method": request.method[:MAX_FIELD],
            "target": target[:MAX_FIELD],
            "version": request.version,
            # What is answered to a client that has left goes nowhere.
            "status": exchange.status if exchange.started else None,
            "bytes": exchange.sent if exchange.started and request.method != "HEAD" else 0,
            "referer": _cut(headers.get("referer")),
            "user_agent": _cut(headers.get("user-agent")),
            "duration_ms": round(seconds * 1000, 3),
            "request_id": _id(ctx),
            "route": None if ctx.route is None else ctx.route.pattern.text,
        }
        if exchange.websocket is not None:
            facts["close_code"] = exchange.websocket.close_code
        # An event stream is over for HEAD once its head is out, and its client has not left.
        is_whole = exchange.started and request.method == "HEAD"
        if exchange.gone is not None and exchange.websocket is None and not is_whole:
            facts["disconnected"] = True
        return facts


def _fields(facts: dict[str, Any]) -> dict[str, Any]:
    """Return what a line says as a structured log has it: with the names that the server's own
    access log uses, too. The log knows the time and the id of the request by itself."""
    fields = {**facts, "duration": round(facts["duration_ms"] / 1000, 6)}
    fields["path"], mark, rest = fields.pop("target").partition("?")
    fields["query"] = rest if mark else None
    for name in ("time", "request_id", "duration_ms"):
        del fields[name]
    return fields


def _cut(text: str | None) -> str | None:
    return None if text is None else text[:MAX_FIELD]


def _id(ctx: Context) -> str | None:
    """Return the id of the request as text. It may be of the app's own making."""
    found = vars(ctx.state).get("request_id")
    if found is None:
        return None
    return _cut(str(found) if isinstance(found, str | int | UUID) else shown(found))


def _user(ctx: Context) -> str | None:
    """Return the name of the user, if authentication has found one."""
    # Without it there is no authentication, or it has not let the request pass.
    user = getattr(ctx, "_user", None)
    if isinstance(user, dict):
        user = user.get("sub")
    return user[:MAX_FIELD] if isinstance(user, str) else None


def _text_line(facts: dict[str, Any]) -> str:
    texts = [
        _or_dash(facts["client"]),
        (facts["user"] or "-").replace(" ", "_"),
        f"{facts['method']} {facts['target']} HTTP/{facts['version']}",
        _or_dash(facts["referer"]),
        _or_dash(facts["user_agent"]),
        _or_dash(facts["request_id"]).replace(" ", "_"),
        _or_dash(facts["route"]),
    ]
    # Most lines have nothing to quote, which one look at all of them tells.
    if quoted(together := "".join(texts)) != together:
        texts = [quoted(text) for text in texts]
    client, user, request, referer, agent, request_id, route = texts
    line = (
        f'{client} - {user} [{_moment(int(facts["time"] // 1))}] "{request}" '
        f'{_or_dash(facts["status"])} {facts["bytes"]} "{referer}" "{agent}" '
        f'duration={facts["duration_ms"]:.1f} id={request_id} route="{route}"'
    )
    if "close_code" in facts:
        line += f" close={_or_dash(facts['close_code'])}"
    return line + " disconnected" if "disconnected" in facts else line


@lru_cache(maxsize=16)
def _moment(second: int) -> str:
    """Return a second since 1970 as a line has it. Many lines have the same."""
    at = datetime.fromtimestamp(second, UTC)
    # `strftime` would take the name of the month from the locale.
    return f"{at.day:02}/{_MONTHS[at.month - 1]}/{at.year:04}:{at:%H:%M:%S} +0000"


def _or_dash(value: object) -> str:
    return "-" if value is None else str(value)


def _json_line(facts: dict[str, Any]) -> str:
    at = datetime.fromtimestamp(facts["time"], UTC)
    facts = {**facts, "time": at.isoformat(timespec="milliseconds")}
    for name in ("user", "request_id"):
        # What an app has put there may have half of a surrogate pair, which JSON cannot say.
        if (text := facts[name]) is not None and not text.isascii():
            facts[name] = text.encode("utf-8", "replace").decode("utf-8")
    line = json.dumps(facts).decode("utf-8")
    if line.isascii() and "\x7f" not in line:
        return line
    return "".join(each if " " <= each <= "~" else _escaped(each) for each in line)


def _escaped(char: str) -> str:
    data = char.encode("utf-16-be")
    return "".join(f"\\u{data[at]:02x}{data[at + 1]:02x}" for at in range(0, len(data), 2))
