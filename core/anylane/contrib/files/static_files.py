"""StaticFiles: the files of a directory, for `app.mount("/static", StaticFiles("public"))`."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anylane.contrib.files.content_types import media_type, media_types
from anylane.contrib.files.opening import WALKS, IsFolder, NotThere, Walk, names_of
from anylane.contrib.files.sent_file import Representation, SentFile
from anylane.errors import HTTPError, UsageError
from anylane.http.semantics.accept import preferred_coding
from anylane.protocol.fields import check_header
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.handling.context import Context

HASHED = r"[.-](?=[0-9a-f]*[0-9])(?=[0-9a-f]*[a-f])[0-9a-f]{8,64}\."
"""What makes a name that of a file which never changes: eight hexadecimal digits or more between
separators, both a figure and a letter among them. `app.3f2a9c1b.js` is one; `report-20260130.pdf`
and `app-settings.js` are none."""

ENDINGS = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}
"""The codings, and what ends the names of files that were compressed by them; the ones that
compress best first."""

_IMMUTABLE = "public, max-age=31536000, immutable"


class _Moved(Exception):
    """The path names a folder and lacks the slash at its end."""


class StaticFiles:
    """The files of a directory, and nothing else.

    directory: it has to exist. Files that are added later are found, and changed ones are sent as
        they are.
    index: the file that stands for its folder, or several to be tried in order; None or () for
        none. There are no listings.
    precompressed: whether `app.js.br`, `.zst` or `.gz` is sent in the place of `app.js` to clients
        that accept it.
    hidden: whether names may begin with a dot.
    follow_links: whether symbolic links may lead out of the directory. Those that stay inside are
        always followed.
    cache_control: the value of Cache-Control, None for none. The default has caches ask each time
        whether the file has changed.
    immutable: a regular expression for the names of files that never change; they are kept for a
        year and not asked for again. See `HASHED` for the default. None for no such names.
    types: media types by endings, beside the usual ones: {".glb": "model/gltf-binary"}.

    Raise UsageError for a directory that is not there, and for other values that cannot work.
    """

    methods: tuple[str, ...] = ("GET", "HEAD")
    """The methods that `handle` answers."""

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        index: str | Iterable[str] | None = "index.html",
        precompressed: bool = True,
        hidden: bool = False,
        follow_links: bool = False,
        cache_control: str | None = "no-cache",
        immutable: str | None = HASHED,
        types: Mapping[str, str] | None = None,
    ) -> None:
        self._directory = _checked_directory(directory)
        self._index = _checked_index(index)
        self._endings = ENDINGS if precompressed else {}
        self._hidden = hidden
        self._follow_links = follow_links
        if cache_control is not None:
            check_header("cache-control", cache_control)
        self._cache_control = cache_control
        self._immutable = _checked_pattern(immutable)
        self._types = media_types(types)

    def __repr__(self) -> str:
        return f"StaticFiles({self._directory!r})"

    async def handle(self, ctx: Context, path: str) -> Any:
        """Answer a request with the file of that path.

        path: decoded, below the directory, without a slash at its beginning; "" is the directory
        itself. Raise HTTPError 404 for what is not there or may not be sent, 405, 412 and 416.
        """
        request = ctx.request
        if request.method not in self.methods:
            raise HTTPError(405, headers=[("allow", ", ".join(self.methods))])
        names = names_of(path, hidden=self._hidden)
        if names is None:
            raise HTTPError(404)
        is_folder = path.endswith("/") or request.raw_path.endswith("/")
        accepted = request.headers.get_all("accept-encoding")
        ctx.response.set_header("x-content-type-options", "nosniff")
        try:
            await SentFile(ctx, partial(self._find, names, is_folder, accepted)).begin(ctx)
        except _Moved:
            # Relative, so that no path is read as the name of a host, and proxies that take a
            # prefix off do no harm.
            last = request.raw_path.rpartition("/")[2]
            query = f"?{request.query_string}" if request.query_string else ""
            ctx.response.redirect(f"./{last}/{query}", 307)

    def _find(self, names: tuple[str, ...], is_folder: bool, accepted: list[str]) -> Representation:
        """Open the file of a request, in the pool. Raise NotThere if there is none, and _Moved for
        a folder with an index whose path has no slash at its end.

        accepted: the Accept-Encoding fields of the request.
        """
        with Walk(self._directory, follow=self._follow_links) as walk:
            if is_folder:
                walk.go(*names)
                return self._find_index(walk, accepted)
            try:
                if not names:
                    raise IsFolder
                walk.go(*names[:-1])
                return self._represented(walk, names[-1], accepted)
            except IsFolder:
                walk.go(*names[-1:])
                self._find_index(walk, []).file.close()
                raise _Moved from None

    def _find_index(self, walk: Walk, accepted: list[str]) -> Representation:
        for name in self._index:
            try:
                return self._represented(walk, name, accepted)
            except (NotThere, IsFolder):
                continue
        raise NotThere

    def _represented(self, walk: Walk, name: str, accepted: list[str]) -> Representation:
        """Open a file, or the one that was made of it by a coding that the client accepts."""
        file = walk.file(name)
        try:
            made = [coding for coding, ending in self._endings.items() if walk.has(name + ending)]
            varies = bool(made)
            chosen = coding = None
            while made and (coding := preferred_coding(accepted, made)) is not None:
                try:
                    chosen = walk.file(name + self._endings[coding])
                    break
                except (NotThere, IsFolder):
                    made.remove(coding)
                    coding = None
        except BaseException:
            file.close()
            raise
        if chosen is not None:
            file.close()
            file = chosen
        fixed = self._immutable is not None and self._immutable.search(name)
        return Representation(
            file=file,
            content_type=media_type(name, self._types),
            coding=coding,
            varies=varies,
            cache_control=_IMMUTABLE if fixed else self._cache_control,
        )


def _checked_directory(directory: str | os.PathLike[str]) -> str:
    if not WALKS:
        raise UsageError(
            f"StaticFiles cannot serve a directory on {platform.system()}, which opens no file by "
            "the descriptor of its folder; have the web server in front serve it, or return a "
            "FileResponse for files that you name"
        )
    try:
        path = Path(directory).absolute()
    except TypeError:
        raise UsageError(
            f"StaticFiles got {shown(directory)}; expected the path of a directory"
        ) from None
    if not path.is_dir():
        seen = "is no directory" if path.exists() else "does not exist"
        raise UsageError(
            f"StaticFiles got the directory {path}, which {seen}; make it, or give the path from "
            "the file of your app: Path(__file__).parent / 'public'"
        )
    if not os.access(path, os.X_OK):
        raise UsageError(f"StaticFiles got the directory {path}, which this process may not read")
    return str(path)


def _checked_index(index: str | Iterable[str] | None) -> tuple[str, ...]:
    names: tuple[Any, ...] = (index,) if isinstance(index, str) else tuple(index or ())
    for name in names:
        if not isinstance(name, str) or names_of(name, hidden=True) != (name,):
            raise UsageError(f"index has {shown(name)}; expected the name of a file: 'index.html'")
    return names


def _checked_pattern(immutable: str | None) -> re.Pattern[str] | None:
    if immutable is None:
        return None
    try:
        return re.compile(immutable)
    except (re.error, TypeError) as exc:
        raise UsageError(
            f"immutable is {shown(immutable)}; expected a regular expression or None: {exc}"
        ) from None
