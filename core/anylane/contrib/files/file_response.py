"""FileResponse: one file as a handler's answer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from anylane.contrib.files.content_types import media_type
from anylane.contrib.files.opening import NotThere, open_file
from anylane.contrib.files.sent_file import Representation, SentFile
from anylane.errors import UsageError
from anylane.http.semantics.disposition import content_disposition
from anylane.protocol.fields import check_header
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.handling.context import Context


class FileResponse:
    """A file, to be returned by a handler: `return FileResponse("reports/may.pdf")`.

    path: of a regular file; symbolic links are followed. Never make it of what a client sends:
        `StaticFiles.handle` looks for names below a directory.
    filename: has the client save the file by this name instead of showing it.
    content_type: the media type; by default that of the ending of *filename*, else of *path*.
    cache_control: the value of Cache-Control, None for none.

    Ranges, conditions and HEAD are answered as by `StaticFiles`. What was set on `ctx.response`
    before stays: headers, cookies, and a status other than 200, with which there are no ranges and
    no conditions. A file that is not there is a 404, and a line
    in the log.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        filename: str | None = None,
        content_type: str | None = None,
        cache_control: str | None = "no-cache",
    ) -> None:
        try:
            plain = os.fspath(path)
        except TypeError:
            plain = None
        if not isinstance(plain, str):
            raise UsageError(f"FileResponse got {shown(path)}; expected the path of a file")
        self._path = plain
        for name, value in (("content-type", content_type), ("cache-control", cache_control)):
            if value is not None:
                check_header(name, value)
        self._content_type = content_type or media_type(Path(filename or plain).name)
        self._cache_control = cache_control
        self._disposition: str | None = None
        if filename is not None:
            self._disposition = content_disposition("attachment", filename)

    media_type: ClassVar[str] = "*/*"
    """For OpenAPI: that of the file is known when it is sent."""

    async def respond(self, ctx: Context) -> None:
        """Make the file the response to this request. Raise HTTPError 404, 412 or 416."""
        ctx.response.headers.default("x-content-type-options", "nosniff")
        if self._disposition is not None:
            ctx.response.headers.default("content-disposition", self._disposition)
        await SentFile(ctx, self._find).begin(ctx)

    def _find(self) -> Representation:
        try:
            file = open_file(self._path)
        except NotThere as exc:
            # The handler has named it, so its absence may be a mistake.
            raise NotThere(exc.reason or f"there is no file {shown(self._path, 500)}") from None
        return Representation(
            file=file,
            content_type=self._content_type,
            cache_control=self._cache_control,
        )
