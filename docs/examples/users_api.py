"""Users behind a token: create, read, replace, delete. Every error is a member of one enum.

    pip install 'anylane[typed]'
    anylane run --app-dir docs/examples users_api:app --backend trio

    curl -i http://127.0.0.1:8000/users                                           # 401
    curl -i http://127.0.0.1:8000/users -H 'Authorization: Bearer write' \
        --json '{"name": "Ada", "email": "ada@example.org"}'                      # 201
    curl -i http://127.0.0.1:8000/users/1 -H 'Authorization: Bearer read'         # 200
    curl -i http://127.0.0.1:8000/users/1 -H 'Authorization: Bearer read' -X DELETE   # 403
    curl -i http://127.0.0.1:8000/users/7 -H 'Authorization: Bearer read'         # 404

The answers with an error are problem+json (RFC 9457). /openapi.json describes all of them.
"""

from __future__ import annotations

from collections.abc import Generator
from enum import Enum
from itertools import count
from threading import Lock
from typing import Annotated

from msgspec import Meta, Struct

from anylane import App, Context, Depends, Response, Router, State
from anylane.middleware import BearerAuth

ROLES = {"read": "reader", "write": "editor"}  # by token; in a database, usually


class UserData(Struct):
    name: Annotated[str, Meta(min_length=1, max_length=80)]
    email: Annotated[str, Meta(pattern=r"^[^@\s]+@[^@\s]+$")]


class User(UserData):
    id: int


class Error(Enum):
    """All that can go wrong here: the status, and what the client reads."""

    READ_ONLY = 403, "This token may only read."
    NO_SUCH_USER = 404, "There is no such user."
    EMAIL_TAKEN = 409, "Another user has this email address."

    def __init__(self, status: int, title: str) -> None:
        self.status = status
        self.title = title


class ServiceError(Exception):
    def __init__(self, error: Error) -> None:
        super().__init__(error)
        self.error = error


class Users:
    """Handlers run side by side on threads. The lock is held for moments, never while waiting."""

    def __init__(self) -> None:
        self._users: dict[int, User] = {}
        self._ids = count(1)
        self._lock = Lock()

    def all(self) -> list[User]:
        with self._lock:
            return list(self._users.values())

    def get(self, id: int) -> User:
        with self._lock:
            if id not in self._users:
                raise ServiceError(Error.NO_SUCH_USER)
            return self._users[id]

    def put(self, data: UserData, id: int | None = None) -> User:
        """Add a user, or replace the one with this id."""
        with self._lock:
            if id is not None and id not in self._users:
                raise ServiceError(Error.NO_SUCH_USER)
            if any(each.email == data.email and each.id != id for each in self._users.values()):
                raise ServiceError(Error.EMAIL_TAKEN)
            user = User(data.name, data.email, next(self._ids) if id is None else id)
            self._users[user.id] = user
            return user

    def delete(self, id: int) -> None:
        with self._lock:
            if self._users.pop(id, None) is None:
                raise ServiceError(Error.NO_SUCH_USER)


async def editor(ctx: Context) -> str:
    if ctx.user != "editor":
        raise ServiceError(Error.READ_ONLY)
    return "editor"


Store = Annotated[Users, State("users")]
Editor = Annotated[str, Depends(editor)]


def documented(*errors: Error) -> dict[int, str]:
    return {error.status: error.title for error in errors}


api = Router("/users", tags=["users"])
api.use(BearerAuth(ROLES.get, inline=True))


@api.get("")
async def index(users: Store) -> list[User]:
    return users.all()


@api.post("", responses=documented(Error.READ_ONLY, Error.EMAIL_TAKEN), status=201)
async def create(new: UserData, users: Store, by: Editor) -> Response[User]:
    user = users.put(new)
    return Response(user, headers={"location": f"/users/{user.id}"})


@api.get("/{id:int}", responses=documented(Error.NO_SUCH_USER))
async def read(id: int, users: Store) -> User:
    return users.get(id)


@api.put("/{id:int}", responses=documented(*Error))
async def replace(id: int, new: UserData, users: Store, by: Editor) -> User:
    return users.put(new, id)


@api.delete("/{id:int}", responses=documented(Error.READ_ONLY, Error.NO_SUCH_USER))
async def delete(id: int, users: Store, by: Editor) -> None:
    users.delete(id)


app = App(errors="json")
app.include(api)
app.openapi(title="Users", version="1", docs=None)  # a page too: docs="/docs", anylane[docs]


@app.lifespan
def store() -> Generator[None]:
    app.state.users = Users()
    yield


@app.exception_handler(ServiceError)
async def problem(ctx: Context, exc: ServiceError) -> dict[str, object]:
    error = exc.error
    ctx.response.set_status(error.status)
    ctx.response.set_header("content-type", "application/problem+json")
    return {"title": error.title, "status": error.status, "code": error.name}


if __name__ == "__main__":
    app.run()
