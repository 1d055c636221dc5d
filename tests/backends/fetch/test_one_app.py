"""The app of docs/hosts.md in Pyodide: the column of the table that other Pythons cannot try."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from anylane_backends.fetch import FetchHandler

if find_spec("js") is None:
    pytest.skip("runs in Pyodide: make pyodide", allow_module_level=True)

sys.path.insert(0, str(Path(__file__).parents[3] / "docs" / "examples"))

js: Any = import_module("js")
ffi: Any = import_module("pyodide.ffi")
app: Any = import_module("one_app").app
what_holds: Any = import_module("what_holds")


class InPage:
    """What a page asks, by fetch events."""

    def __init__(self) -> None:
        self._handler = FetchHandler(app)

    def _fetch(self, method: str, path: str, body: bytes = b"", **options: Any) -> Any:
        options |= {"method": method} | ({"body": ffi.to_js(body)} if body else {})
        given = ffi.to_js(options, dict_converter=js.Object.fromEntries)
        request = js.Request.new(f"http://page.example{path}", given)
        return ffi.run_sync(self._handler(request))

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
        answer = self._fetch(method, path, body)
        headers = {str(name): str(value) for name, value in answer.headers}
        return answer.status, headers, bytes(ffi.run_sync(answer.arrayBuffer()).to_bytes())

    def echo(self, message: str) -> str:  # as a Host
        return self.ask("GET", "/echo")[2].decode()

    def events_after(self, *tell: Callable[[], object]) -> list[str]:
        pieces = self._pieces(self._fetch("GET", "/room").body.getReader())
        assert next(pieces) == b"data: here\n\n"
        events = (piece.decode().removeprefix("data: ").strip() for piece in pieces)
        return [next(events) for each in tell if each() is not None]

    def _pieces(self, reader: Any) -> Generator[bytes]:
        try:
            while not (chunk := ffi.run_sync(reader.read())).done:
                yield bytes(chunk.value.to_bytes())
        finally:
            ffi.run_sync(reader.cancel())

    def leave(self) -> None:
        control = js.AbortController.new()
        answer = self._fetch("GET", "/endless", signal=control.signal)
        assert next(self._pieces(answer.body.getReader())) == b"tick\n"
        control.abort()


@pytest.mark.parametrize("row", what_holds.ROWS)
def test_what_holds_in_pyodide(row: str) -> None:
    check = what_holds.ROWS[row]
    if (row, "Pyodide") in what_holds.NO:
        with pytest.raises((AssertionError, ImportError)):
            check(InPage())
    else:
        check(InPage())
