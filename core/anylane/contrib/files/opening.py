"""Opening what a request names, below one directory and nowhere else.

1. A file is reached folder by folder, from the descriptor of the one before. No step follows a
   symbolic link unseen, so nothing that changes on the way leads outside.
2. What was opened is looked at, and not what had been looked at is opened: the answer to "is it a
   file" comes from its descriptor.
3. All of this blocks. It runs in the pool.
"""

from __future__ import annotations

import errno
import os
import stat
from io import FileIO
from types import TracebackType
from typing import Self

MAX_DEPTH = 64
"""Names of a path. Each folder on the way takes a descriptor while a file is looked for."""

MAX_LINKS = 40
"""Symbolic links on the way to one file, as many as Linux follows (path_resolution(7))."""

WALKS = os.supports_dir_fd.issuperset((os.open, os.stat, os.readlink, os.access))
"""Whether the system opens a file from the descriptor of its folder. Windows does not, and nothing
else keeps a request inside of a directory."""


def _flag(name: str) -> int:
    """Return a flag of os.open, 0 where the system does not have it."""
    return getattr(os, name, 0)


# What is below a folder can be reached without the right to list it, where O_PATH is: on Linux.
_FOLDER = _flag("O_PATH") | _flag("O_DIRECTORY") | _flag("O_CLOEXEC")
# Without O_NONBLOCK, opening a FIFO would wait for a writer; without O_BINARY, Windows would change
# the ends of lines.
_FILE = _flag("O_NONBLOCK") | _flag("O_NOCTTY") | _flag("O_CLOEXEC") | _flag("O_BINARY")

_ABSENT = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL, errno.ENXIO}
)
_DENIED = frozenset({errno.EACCES, errno.EPERM})


class NotThere(Exception):
    """There is no file of that name that may be sent. reason: what its operator wants to know,
    where it is not just that a client has asked for nothing: the system does not let this process
    read it."""

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason

    @classmethod
    def because(cls, error: OSError | ValueError) -> NotThere:
        """Return what says this of an error of the system. Raise the error itself if it says
        something else, such as that there are no descriptors left."""
        if isinstance(error, ValueError):
            return cls()  # A name that no file can have.
        if error.errno in _ABSENT:
            return cls()
        if error.errno in _DENIED:
            return cls(str(error))
        raise error


def names_of(path: str, *, hidden: bool) -> tuple[str, ...] | None:
    """Return the names in a decoded path, None for one that can name no file here.

    path: without a slash at its beginning; one at its end says nothing here. hidden: whether names
    may begin with a dot. `.well-known` always may (RFC 8615).

    Two names are never made of one or one of two: what clients or proxies might resolve (`..`, an
    empty name, a backslash) is refused instead.
    """
    if not path:
        return ()
    names = tuple(path.removesuffix("/").split("/"))
    if "\0" in path or "\\" in path or len(names) > MAX_DEPTH:
        return None
    for name in names:
        if name in ("", ".", "..") or (name[0] == "." and not hidden and name != ".well-known"):
            return None
    return names


class IsFolder(Exception):
    """What was to be opened is a folder."""


def open_file(path: str) -> FileIO:
    """Open a file for reading, wherever it is. Raise NotThere unless it is a regular file that can
    be read."""
    try:
        file = _opened(path, None, follow=True)
    except IsFolder:
        raise NotThere from None
    except (OSError, ValueError) as exc:
        raise NotThere.because(exc) from None
    assert file is not None, "links are followed"
    return file


def _opened(path: str, folder: int | None, *, follow: bool) -> FileIO | None:
    """Open a regular file; return None for a symbolic link that is not to be followed.

    Raise IsFolder for a folder, NotThere for anything else that is no file, and what the system
    raises.
    """
    # A device may do something when it is opened, so it is looked at first.
    kind = os.stat(path, dir_fd=folder, follow_symlinks=follow).st_mode
    if stat.S_ISLNK(kind):
        return None
    if stat.S_ISDIR(kind):
        raise IsFolder
    if not stat.S_ISREG(kind):
        raise NotThere
    flags = os.O_RDONLY | _FILE | (0 if follow else os.O_NOFOLLOW)
    descriptor = os.open(path, flags, dir_fd=folder)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotThere
        return FileIO(descriptor)
    except BaseException:
        os.close(descriptor)
        raise


class Walk:
    """A way down from one directory, for the length of a `with` block.

    directory: an absolute path. It may itself be a symbolic link, and is opened anew each time: a
    deployment may put another one in its place. follow: whether links may lead out of it; those
    that stay inside are always followed.

    `go` leads to a folder; `file` opens a file in the folder in which the walk stands.
    """

    __slots__ = ("_directory", "_folders", "_follow")

    def __init__(self, directory: str, *, follow: bool) -> None:
        self._directory = directory
        self._follow = follow
        self._folders: list[int] = []
        """The descriptors of the directory and of each folder on the way."""

    def __enter__(self) -> Self:
        try:
            self._folders.append(os.open(self._directory, os.O_RDONLY | _FOLDER))
        except OSError as exc:
            raise NotThere.because(exc) from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _close(self._folders)

    def go(self, *names: str) -> None:
        """Go down by these names. Raise NotThere unless each is a folder."""
        try:
            if self._descend(self._folders, names) is not None:
                raise NotThere
        except (OSError, ValueError) as exc:
            raise NotThere.because(exc) from None

    def file(self, name: str) -> FileIO:
        """Open a file in the folder in which the walk stands. Raise IsFolder for a folder, and
        NotThere for anything else that is no file."""
        try:
            file = _opened(name, self._folders[-1], follow=self._follow)
            if file is not None:
                return file
            folders: list[int] = []  # A link leads elsewhere, and this walk stays where it is.
            try:
                folders.extend(map(os.dup, self._folders))  # Keeps those it had if one fails.
                last = self._descend(folders, (name,))
                if last is None:
                    raise IsFolder
                file = _opened(last, folders[-1], follow=False)
            finally:
                _close(folders)
        except (OSError, ValueError) as exc:
            raise NotThere.because(exc) from None
        if file is None:
            raise NotThere  # A link has taken the place of the file.
        return file

    def has(self, name: str) -> bool:
        """Return whether there is anything of that name in the folder in which the walk stands. It
        may still be no file, or lead out."""
        return os.access(name, os.F_OK, dir_fd=self._folders[-1])

    def _descend(self, folders: list[int], names: tuple[str, ...]) -> str | None:
        """Go down by these names and by those that links stand for.

        Return None if that led to a folder, which is the last of *folders* then; else the name of
        what is no folder. Raise NotThere if a link leads out, or there is no end of links.
        """
        links = 0
        pending = [*reversed(names)]
        while pending:
            name = pending.pop()
            if name in ("", "."):
                continue
            if name == "..":  # Only links say so.
                if len(folders) == 1:
                    raise NotThere
                os.close(folders.pop())
                continue
            kind = os.stat(name, dir_fd=folders[-1], follow_symlinks=self._follow).st_mode
            if stat.S_ISLNK(kind):
                links += 1
                if links > MAX_LINKS:
                    raise NotThere
                target = os.readlink(name, dir_fd=folders[-1])
                if target.startswith("/"):
                    target = self._inside(target)
                    while len(folders) > 1:
                        os.close(folders.pop())
                pending += reversed(target.split("/"))
            elif stat.S_ISDIR(kind):
                if len(folders) > MAX_DEPTH:
                    raise NotThere
                flags = os.O_RDONLY | _FOLDER | (0 if self._follow else os.O_NOFOLLOW)
                folders.append(os.open(name, flags, dir_fd=folders[-1]))
            elif pending:
                raise NotThere
            else:
                return name
        return None

    def _inside(self, target: str) -> str:
        """Return where an absolute link leads, from the directory on. Raise NotThere if it leads
        out."""
        for directory in (self._directory, os.path.realpath(self._directory)):
            if (target + "/").startswith(directory.rstrip("/") + "/"):
                return target[len(directory.rstrip("/")) :]
        raise NotThere


def _close(folders: list[int]) -> None:
    while folders:
        os.close(folders.pop())
