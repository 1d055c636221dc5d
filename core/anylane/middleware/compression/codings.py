"""Codings: what compresses one body in gzip, br or zstd, each from the library that does it best.

A compressor serves one body and is never shared. Nothing here decides what is compressed.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from anylane.errors import UsageError
from anylane.extras import load
from anylane.routing.parts import Transform
from anylane.shown import shown

POOLED_ABOVE = 64 * 1024
"""Bytes above which a whole body is compressed in the pool. So much takes 1.0 ms in gzip, 0.7 in br
and 0.2 in zstd (JSON, the levels below, CPython 3.11), and a turn in the pool 0.03 to 0.25."""

_WINDOW = 18
"""Base 2 logarithm of the window of br and zstd: how far back a repetition is found, in bytes. With
their own (22 and 21) a stream holds 2.9 MiB as long as it lasts, with this 1.2 (br) and 1.1 (zstd);
2 MB of JSON get 1 % longer. gzip's is 15 at most, and takes 0.3 MiB."""


class Coding(NamedTuple):
    """One content coding.

    start: makes what compresses one body, at a level. default: that level. levels: the lowest and
    the highest there is.
    """

    start: Callable[[int], Transform]
    default: int
    levels: tuple[int, int]


def _no_library(_: str) -> Coding:
    return Coding(_Gzip, 5, (1, 9))


def _brotli(needed_by: str) -> Coding:
    # `Compressor` has `process` in this library only; brotlicffi calls it `compress`.
    library = load("brotli", extra="compression", needed_by=needed_by, marker="Compressor")
    return Coding(lambda level: _Brotli(library, level), 4, (0, 11))


def _zstd(needed_by: str) -> Coding:
    try:
        library = load("compression.zstd", extra="compression", needed_by=needed_by)
    except UsageError:  # Before Python 3.14.
        library = load("backports.zstd", extra="compression", needed_by=needed_by)
    return Coding(lambda level: _Zstd(library, level), 3, (1, 19))


LIBRARIES: Mapping[str, Callable[[str], Coding]] = {
    "zstd": _zstd,
    "br": _brotli,
    "gzip": _no_library,
}
"""Coding -> what loads its library; the argument is what needs it, for the message. They stand in
the order in which we choose where the client likes several as much.

A level more, on 200 KB of JSON: gzip 6 takes 1.2 times as long and saves 0.3 % of the bytes; br 5
takes 1.6 times as long for 4 %, and 0.8 MiB more for a stream; zstd 5 takes 2.2 times as long for
4 %."""


def load_codings(
    codings: Iterable[str] | None, levels: Mapping[str, int], needed_by: str
) -> dict[str, Callable[[], Transform]]:
    """Return what starts a compressor, by the name of the coding, in order of preference.

    codings: those wanted; None for all whose library is installed. levels: by coding, where another
    than the default is wanted. Raise UsageError for a coding or a level that there is not, and for
    one that is wanted and lacks its library; the message says how to install it.
    """
    if codings is not None and (isinstance(codings, str) or not isinstance(codings, Iterable)):
        raise UsageError(f"{needed_by} got codings {shown(codings)}; expected a list: ['gzip']")
    if not isinstance(levels, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(f"{needed_by} got levels {shown(levels)}; expected a dict: {{'gzip': 5}}")
    names = None if codings is None else tuple(codings)
    for name in (*(names or ()), *levels):
        if name not in tuple(LIBRARIES):
            raise UsageError(
                f"{needed_by} got the coding {shown(name)}; expected some of "
                f"{', '.join(map(repr, LIBRARIES))}"
            )
    if names is not None and not names:
        raise UsageError(f"{needed_by} got no coding; leave `codings` out for all there are")
    found: dict[str, Callable[[], Transform]] = {}
    for name in LIBRARIES if names is None else names:
        try:
            coding = LIBRARIES[name](f"{needed_by} with {name!r}")
        except UsageError:
            if names is None and name not in levels:
                continue
            raise
        level, (lowest, highest) = levels.get(name, coding.default), coding.levels
        if type(level) is not int or not lowest <= level <= highest:
            raise UsageError(
                f"{needed_by} got the level {shown(level)} for {name!r}; expected an int from "
                f"{lowest} to {highest}"
            )
        found[name] = _starter(coding.start, level)
    return found


def _starter(start: Callable[[int], Transform], level: int) -> Callable[[], Transform]:
    return lambda: start(level)


class _Compressor:
    """What the three have in common."""

    __slots__ = ()

    pooled_above = POOLED_ABOVE


class _Gzip(_Compressor):
    """gzip (RFC 1952) by zlib, without a time and a name: equal bodies become equal bytes."""

    __slots__ = ("_zlib",)

    def __init__(self, level: int) -> None:
        self._zlib = zlib.compressobj(level, zlib.DEFLATED, 16 + zlib.MAX_WBITS)

    def feed(self, chunk: bytes) -> bytes:
        return self._zlib.compress(chunk)

    def flush(self) -> bytes:
        return self._zlib.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._zlib.flush()


class _Brotli(_Compressor):
    """br (RFC 7932)."""

    __slots__ = ("_brotli",)

    def __init__(self, library: Any, level: int) -> None:
        self._brotli = library.Compressor(quality=level, lgwin=_WINDOW)

    def feed(self, chunk: bytes) -> bytes:
        return self._brotli.process(chunk)  # type: ignore[no-any-return]

    def flush(self) -> bytes:
        return self._brotli.flush()  # type: ignore[no-any-return]

    def finish(self) -> bytes:
        return self._brotli.finish()  # type: ignore[no-any-return]


class _Zstd(_Compressor):
    """zstd (RFC 8878). Its window is below the 8 MiB that clients have to have (RFC 9659)."""

    __slots__ = ("_zstd",)

    def __init__(self, library: Any, level: int) -> None:
        parameter = library.CompressionParameter
        self._zstd = library.ZstdCompressor(
            options={parameter.compression_level: level, parameter.window_log: _WINDOW}
        )

    def feed(self, chunk: bytes) -> bytes:
        return self._zstd.compress(chunk)  # type: ignore[no-any-return]

    def flush(self) -> bytes:
        return self._zstd.flush(self._zstd.FLUSH_BLOCK)  # type: ignore[no-any-return]

    def finish(self) -> bytes:
        return self._zstd.flush(self._zstd.FLUSH_FRAME)  # type: ignore[no-any-return]
