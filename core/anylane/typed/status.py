"""Status: the status of one of the answers that a handler's annotation names."""

from __future__ import annotations

from anylane.shown import shown


class Status:
    """The status of a member of a return annotation: `-> User | Annotated[Missing, Status(404)]`.

    The member that the returned value fits decides the status, unless the response has one already.
    It is checked when the handler is registered.

    code: an int from 200 to 599. description: for the documentation.
    """

    __slots__ = ("code", "description")

    def __init__(self, code: int, description: str | None = None) -> None:
        self.code: int = code
        self.description: str | None = description

    def __repr__(self) -> str:
        return f"Status({shown(self.code)})"
