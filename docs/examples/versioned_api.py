"""Two versions of an API beside each other. The old one says until when it is there.

    pip install 'anylane[typed]'
    anylane run --app-dir docs/examples versioned_api:app --backend curio

    curl -i http://127.0.0.1:8000/api/v1/users/1    # 200: Deprecation, Sunset, and a newer one
    curl -i http://127.0.0.1:8000/api/v2/users/1    # 200
    curl -i http://127.0.0.1:8000/api/v2/posts/1    # 200: the same handler for both versions
    curl -i http://127.0.0.1:8000/api/v3/posts/1    # 404

What differs has a router for each version. What is the same has one whose prefix is a pattern.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import quote

from anylane import App, Context, HTTPError, Router

DEPRECATED = datetime(2026, 1, 1, tzinfo=UTC)
SUNSET = datetime(2027, 1, 1, tzinfo=UTC)


@dataclass
class Profile:
    name: str
    email: str


@dataclass
class UserV1:
    user_id: int
    name: str


@dataclass
class UserV2:
    id: int
    profile: Profile


@dataclass
class Post:
    id: int
    text: str
    author: str  # where the author is, in the version that was asked for


PROFILES = {1: Profile("Ada", "ada@example.org"), 2: Profile("Grace", "grace@example.org")}
POSTS = {1: (2, "The most dangerous phrase"), 2: (1, "Notes by the translator")}

app = App(errors="json")
v1 = Router("/api/v1")
v2 = Router("/api/v2")
each = Router("/api/{version:v[12]}")


def find_profile(id: int) -> Profile:
    if id not in PROFILES:
        raise HTTPError(404, f"there is no user {id}")
    return PROFILES[id]


@v1.get("/users/{id:int}", deprecated=True)
async def user_v1(id: int) -> UserV1:
    return UserV1(id, find_profile(id).name)


@v2.get("/users/{id:int}")
async def user_v2(id: int) -> UserV2:
    return UserV2(id, find_profile(id))


@each.get("/posts/{id:int}")
async def post(version: str, id: int) -> Post:
    if id not in POSTS:
        raise HTTPError(404, f"there is no post {id}")
    author, text = POSTS[id]
    return Post(id, text, f"/api/{version}/users/{author}")


@app.response_middleware
async def announce(ctx: Context) -> None:
    """Tell clients of v1: RFC 9745, RFC 8594 and RFC 5829. Errors below /api/v1 say it too."""
    path = ctx.request.path
    if path.startswith("/api/v1/"):
        newer = quote(path.replace("v1", "v2", 1))
        ctx.response.set_header("deprecation", f"@{DEPRECATED.timestamp():.0f}")
        ctx.response.set_header("sunset", format_datetime(SUNSET, usegmt=True))
        ctx.response.set_header("link", f'<{newer}>; rel="successor-version"')


app.include(v1)
app.include(v2)
app.include(each)

if __name__ == "__main__":
    app.run()
