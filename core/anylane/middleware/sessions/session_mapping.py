"""Session: a mapping that knows what was done to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

from anylane import json
from anylane.errors import UsageError
from anylane.shown import shown

CSRF_KEY = "_csrf"
"""The key under which `CSRF` keeps its secret. `renew` drops it."""


class Session(MutableMapping[str, Any]):
    """What is kept about one client: keys are str, values what JSON can say.

    A value comes back as JSON has it: a tuple as a list, a datetime as a str. Changes of nested
    values count. What is set here goes out with the head of the answer, and cannot be changed after
    that, except with a store, where `save` keeps it.

    For `Sessions`: touched (it was read or changed), renewed, found (the client has sent one that
    is good), key (where a store keeps it), closed (why it can no longer be changed), outer (what
    `ctx.session` was before).
    """

    __slots__ = ("_before", "_data", "_load", "_save", "closed", "found", "key", "outer",
                 "owner", "renewed", "touched")  # fmt: skip

    def __init__(
        self,
        owner: object,
        load: Callable[[], bytes | None],
        save: Callable[[Session], Awaitable[None]] | None = None,
    ) -> None:
        self.owner: object = owner
        self.touched: bool = False
        self.renewed: bool = False
        self.found: bool = False
        self.key: str | None = None
        self.outer: object = None
        self.closed: str | None = None
        self._load = load
        self._save = save
        self._data: dict[str, Any] | None = None
        self._before = b"{}"

    def _read(self) -> dict[str, Any]:
        self.touched = True
        if self._data is None:
            self._data = {}
            kept = self._load()
            if kept is not None:
                try:
                    data = json.loads(kept)
                except ValueError:
                    data = None
                if isinstance(data, dict):
                    self._data, self._before, self.found = data, kept, True
        return self._data

    def _changing(self) -> dict[str, Any]:
        if self.closed is not None:
            raise UsageError(f"the session cannot be changed any more: {self.closed}")
        return self._read()

    def __getitem__(self, key: str) -> Any:
        return self._read()[key]

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str):
            raise UsageError(f"a key of the session is {shown(key)}; expected a str")
        self._changing()[key] = value

    def __delitem__(self, key: str) -> None:
        del self._changing()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __repr__(self) -> str:
        # Without the values: this gets into logs.
        return f"<Session with {', '.join(map(repr, self._data or ())) or 'nothing'}>"

    def clear(self) -> None:
        """Forget everything. An empty session has no cookie: the client is told to forget it."""
        self._changing().clear()

    def renew(self) -> None:
        """Keep the values and begin a new session with them: call it when a user logs in or gets
        more rights, so that a key that somebody knew before is worth nothing.

        The cookie is set anew, and lasts for all of `max_age` again.
        """
        self._changing().pop(CSRF_KEY, None)
        self.renewed = True

    async def save(self) -> None:
        """Keep what was changed after the head went out: in streams and WebSockets, with a store.

        Raise UsageError without a store, and where this client has no session.
        """
        if self._save is None:
            raise UsageError(
                "the session is in the cookie, and goes out with the head of the answer; to keep "
                "changes later, use a store: Sessions(secret, store=MemoryStore())"
            )
        if self.closed is not None:
            raise UsageError(f"the session cannot be saved: {self.closed}")
        await self._save(self)

    def changed(self) -> bytes | None:
        """Return the values as JSON if they were changed since they were read; else None. Raise
        UsageError for what JSON cannot say."""
        if self._data is None:
            return None
        try:
            now = json.dumps(self._data)
        except (TypeError, ValueError, RecursionError) as exc:
            raise UsageError(f"the session has a value that JSON cannot say: {exc}") from None
        return None if now == self._before and not self.renewed else now

    def kept(self, data: bytes) -> None:
        """Take note that these values were written."""
        self._before = data
        self.renewed = False
