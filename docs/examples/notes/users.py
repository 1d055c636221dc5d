"""Users: the site that they see, their passwords, how they sign up, log in and log out."""

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from anylane import Context, Depends, Form, HTTPError, Response, Router
from anylane.contrib import Templates
from anylane.middleware import CSRF, RateLimit, Sessions
from notes.database import Session, rates

Claims = dict[str, Any]  # sub and name of a user, as sessions and tokens have them

SECRET = os.environ.get("NOTES_SECRET") or secrets.token_urlsafe(64)
COST = {"n": 2**14, "r": 8, "p": 5}  # of scrypt, as OWASP advises: 16 MiB, some 0.2 seconds
NOBODY: Claims = {"sub": "", "name": "", "salt": bytes(16), "password": b""}

show = Templates(Path(__file__).with_name("templates")).render
guesses = RateLimit("10/minute", scope="login", store=rates)  # one for pages and API together
site = Router(include_in_schema=False)
site.use(Sessions(SECRET))
site.use(CSRF())


@dataclass
class Login:
    name: Annotated[str, Meta(min_length=2, max_length=24, pattern=r"^[A-Za-z0-9_.\-]+$(?!\n)")]
    password: Annotated[str, Meta(min_length=8, max_length=200)]


def hashed(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, maxmem=2**26, **COST)


def known(db: Session, given: Login) -> Claims | None:
    """The user with this password. A name that nobody has takes as long as others."""
    query = "SELECT cast(id AS text) AS sub, name, salt, password FROM users WHERE name = ?"
    user = db.execute(query, (given.name,)).fetchone() or NOBODY
    right = secrets.compare_digest(hashed(given.password, user["salt"]), user["password"])
    return {"sub": user["sub"], "name": user["name"]} if right else None


def added(db: Session, new: Login) -> Claims | None:
    """A new user; None if the name is taken."""
    salt = secrets.token_bytes(16)
    insert = "INSERT OR IGNORE INTO users (name, salt, password) VALUES (?, ?, ?) RETURNING id"
    row = db.execute(insert, (new.name, salt, hashed(new.password, salt))).fetchone()
    return row and {"sub": str(row["id"]), "name": new.name}


@site.request_middleware
def recognise(ctx: Context) -> None:
    ctx.user = ctx.session.get("user")


def asker(ctx: Context) -> Claims:
    """Who asks: by the session on the site, by the token in the API."""
    if ctx.user is None:
        raise HTTPError(401, "log in first")
    return dict(ctx.user)


Asker = Annotated[Claims, Depends(asker, inline=True)]


@site.get("/{way:login|signup}", name="enter")
async def form(ctx: Context, way: str) -> Response:
    return show(ctx, "enter.html", way=way)


@site.post("/{way:login|signup}", middleware=[guesses])
def enter(ctx: Context, way: str, db: Session, given: Annotated[Login, Form()]) -> Response:
    user = known(db, given) if way == "login" else added(db, given)
    if user is None:
        return show(ctx, "enter.html", way=way, refused=given.name).set_status(422)
    ctx.session.renew()
    ctx.session["user"] = user
    return ctx.response.redirect(ctx.path_for("home"))


@site.post("/logout", name="logout")
async def logout(ctx: Context) -> Response:
    ctx.session.clear()
    return ctx.response.redirect(ctx.path_for("home"))
