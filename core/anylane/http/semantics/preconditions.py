"""Preconditions: what If-Match and its kin ask of a resource, and whether it holds (RFC 9110 §13).

Nothing here answers. A condition that cannot be read holds or fails as the RFC says for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import Enum
from typing import NamedTuple

from anylane.errors import HTTPError, NotModified, UsageError
from anylane.http.headers import Headers
from anylane.http.semantics.timestamps import format_http_date, parse_http_date
from anylane.shown import shown

_TAG = re.compile(r'(?:W/)?"[!#-~\x80-\xff]*"')
"""An entity tag (§8.8.3). There may be a comma in it, so that it is not just a part of a list."""

_ELEMENT = re.compile(rf"[ \t]*(?:({_TAG.pattern})[ \t]*(?=,|$)|[^,]+)|,")
"""An element of a list, or a comma. It takes time linear in the length of what is no list, too."""

ANY = "*"
"""The tag of If-Match and If-None-Match that stands for any representation there is."""


def parse_etags(lines: Iterable[str]) -> list[str]:
    """Return the entity tags of If-Match or If-None-Match, as they were written: `"x"`, `W/"x"`.

    lines: all fields of that name. `["*"]` is the one that asks for any. What is no tag is left
    out, and so is a `*` among others.
    """
    value = ", ".join(lines)
    if value.strip(" \t") == ANY:
        return [ANY]
    return [tag for tag in _ELEMENT.findall(value) if tag]


def is_etag(value: str) -> bool:
    """Return whether this is one entity tag, in its quotes."""
    return _TAG.fullmatch(value) is not None


def matches_strong(tags: Iterable[str], etag: str | None) -> bool:
    """Return whether *etag* is among the tags by the strong comparison (§8.8.3.2): a weak tag
    equals none. None is the tag of what has none, and equals none. `*` is not looked at."""
    return etag is not None and not etag.startswith("W/") and etag in tags


def matches_weak(tags: Iterable[str], etag: str | None) -> bool:
    """Return whether *etag* is among the tags by the weak comparison, which does not look at
    `W/` (§8.8.3.2). None equals none. `*` is not looked at."""
    if etag is None:
        return False
    opaque = etag.removeprefix("W/")
    return any(tag.removeprefix("W/") == opaque for tag in tags)


class Validators(NamedTuple):
    """What is known of a resource as it is now.

    etag: its entity tag in quotes, None if it has none. modified: when it was changed last, in
    whole seconds since 1970, None if that is not known. exists: whether there is anything.
    """

    etag: str | None
    modified: int | None
    exists: bool

    @classmethod
    def of(
        cls,
        etag: str | None,
        last_modified: datetime | float | None,
        exists: bool | None = None,
    ) -> Validators:
        """Return what a handler knows. Raise UsageError for what is no tag or no moment.

        etag: without quotes it is put into them. last_modified: seconds since 1970, or a datetime;
        without a time zone it is taken for UTC. exists: None says that there is something if one of
        the two is known.
        """
        known = etag is not None or last_modified is not None
        if exists is False and known:
            raise UsageError(
                "exists=False came with an etag or last_modified; what does not exist has neither"
            )
        return cls(
            None if etag is None else _checked_etag(etag),
            None if last_modified is None else _seconds(last_modified),
            known if exists is None else exists,
        )

    def headers(self) -> list[tuple[str, str]]:
        """Return the header lines that tell them."""
        lines: list[tuple[str, str]] = []
        if self.etag is not None:
            lines.append(("etag", self.etag))
        if self.modified is not None:
            lines.append(("last-modified", format_http_date(self.modified)))
        return lines


class Verdict(Enum):
    """What a request's conditions say: go on; the client has it already (304); one has failed
    (412); or there is none that could be judged."""

    GO_ON = "go on"
    NOT_MODIFIED = "not modified"
    FAILED = "failed"
    NONE = "none"


def judge(method: str, headers: Headers, current: Validators, *, now: float) -> Verdict:
    """Return what the conditions of a request say, in the order of §13.2.2.

    current: the resource before anything is changed. now: seconds since 1970, for dates with a year
    of two digits. A condition whose date cannot be read, or that has no date to be held against, is
    no condition (§13.1.3, §13.1.4). CONNECT, OPTIONS and TRACE have none (§13.2.1).
    """
    if method in ("CONNECT", "OPTIONS", "TRACE"):
        return Verdict.NONE
    verdict = Verdict.NONE
    if lines := headers.get_all("if-match"):
        tags = parse_etags(lines)
        holds = current.exists and (tags == [ANY] or matches_strong(tags, current.etag))
        verdict = Verdict.GO_ON if holds else Verdict.FAILED
    else:
        unmodified = _date(headers, "if-unmodified-since", now)
        if unmodified is not None and current.modified is not None:
            holds = current.modified <= unmodified
            verdict = Verdict.GO_ON if holds else Verdict.FAILED
    if verdict is Verdict.FAILED:
        return verdict
    reads = method in ("GET", "HEAD")
    later = judge_reading(headers, current, now=now) if reads else _none_match(headers, current)
    return verdict if later is Verdict.NONE else later


def judge_reading(headers: Headers, current: Validators, *, now: float) -> Verdict:
    """Return what If-None-Match says of a GET or HEAD, or If-Modified-Since where there is none
    (§13.1.3). `judge` looks at the others, too."""
    if headers.get("if-none-match") is not None:
        verdict = _none_match(headers, current)
        return Verdict.NOT_MODIFIED if verdict is Verdict.FAILED else verdict
    since = _date(headers, "if-modified-since", now)
    if since is None or current.modified is None:
        return Verdict.NONE
    return Verdict.NOT_MODIFIED if current.modified <= since else Verdict.GO_ON


_KEPT_HEADERS = ("cache-control", "content-location", "etag", "expires", "last-modified", "vary")
"""What a 304 tells of the 200 that it stands for (§15.4.5), beside Date."""


def headers_of_304(headers: Headers) -> list[tuple[str, str]]:
    """Return those of an answer's header lines that a 304 in its place has, too."""
    return [line for line in headers.items() if line[0].lower() in _KEPT_HEADERS]


def demand(
    method: str,
    headers: Headers,
    current: Validators,
    *,
    required: bool,
    now: float,
    answer: Headers,
) -> None:
    """Raise HTTPError unless a request's conditions let its handler go on: 412, or NotModified for
    a GET or HEAD whose client has it already.

    required: raise HTTPError 428 where there is no condition that could be judged (RFC 6585 §3).
    answer: the headers that the handler has set so far; a 304 has those of them that belong there.
    The others are as for `judge`.
    """
    verdict = judge(method, headers, current, now=now)
    if verdict is Verdict.FAILED:
        raise HTTPError(412, "the resource is not in the state that the request's condition names")
    if verdict is Verdict.NOT_MODIFIED:
        own = current.headers()
        mine = {name for name, _ in own}
        kept = [each for each in headers_of_304(answer) if each[0].lower() not in mine]
        raise NotModified([*own, *kept])
    if verdict is Verdict.NONE and required:
        how = "If-Match and the ETag of what you change" if current.exists else "If-None-Match: *"
        raise HTTPError(428, f"this request has to be conditional: send {how}")


def _none_match(headers: Headers, current: Validators) -> Verdict:
    tags = parse_etags(headers.get_all("if-none-match"))
    if not tags:
        return Verdict.NONE
    there = current.exists and (tags == [ANY] or matches_weak(tags, current.etag))
    return Verdict.FAILED if there else Verdict.GO_ON


def _date(headers: Headers, name: str, now: float) -> int | None:
    lines = headers.get_all(name)
    return parse_http_date(lines[0], now=now) if len(lines) == 1 else None


def _checked_etag(etag: str) -> str:
    if isinstance(etag, str):
        if is_etag(etag):
            return etag
        if is_etag(quoted := f'"{etag}"'):
            return quoted
    raise UsageError(
        f"the etag is {shown(etag)}; expected an entity tag such as '\"v1\"', 'W/\"v1\"' or 'v1', "
        "without spaces and quotes inside (RFC 9110 §8.8.3)"
    )


def _seconds(moment: datetime | float) -> int:
    if isinstance(moment, datetime):
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    try:
        if isinstance(moment, int | float) and not isinstance(moment, bool):  # type: ignore[redundant-expr]
            format_http_date(moment)
            return int(moment // 1)
    except (OverflowError, ValueError):
        pass
    raise UsageError(
        f"last_modified is {shown(moment)}; expected a datetime, or seconds since 1970"
    )
