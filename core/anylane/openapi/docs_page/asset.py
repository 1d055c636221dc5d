"""Asset: content that is sent as it is, and not again to clients that have it."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from anylane.handling.context import Context


@dataclass(frozen=True, slots=True)
class Asset:
    """Content, its media type and its tag (RFC 9110 §8.8.3)."""

    content: bytes
    media_type: str
    etag: str

    @classmethod
    def of(cls, content: bytes, media_type: str) -> Asset:
        """Return content with a tag of its own."""
        return cls(content, media_type, f'"{blake2b(content, digest_size=16).hexdigest()}"')

    def show(self, ctx: Context) -> None:
        """Answer with it. Raise HTTPError 304 if the client has it."""
        headers = ctx.response.headers
        headers.set("etag", self.etag)
        # What is kept is asked for again each time: a new version of the app shows at once.
        headers.set("cache-control", "no-cache")
        headers.set("x-content-type-options", "nosniff")
        ctx.check_preconditions(self.etag)
        ctx.response.set_body(self.content, self.media_type)
