"""Privileges: the user and groups that a process becomes, once it has what only root may have."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anylane.errors import AnylaneError

if TYPE_CHECKING:
    import pwd


class PrivilegesError(AnylaneError):
    """The process cannot become that user or group; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The user and groups to become. uid: None to stay the same user. groups: all supplementary
    ones."""

    uid: int | None
    gid: int
    groups: tuple[int, ...]

    def assume(self) -> None:
        """Become it, for good. Raise PrivilegesError if the system refuses."""
        try:
            # In this order: afterwards there is no right to change groups any more.
            if os.geteuid() == 0:
                os.setgroups(self.groups)
            os.setgid(self.gid)
            if self.uid is not None:
                os.setuid(self.uid)
        except OSError as exc:
            raise PrivilegesError(
                f"cannot become uid {self.uid} and gid {self.gid}: {exc.strerror}"
            ) from None

    def own(self, path: str) -> None:
        """Give a file to it. Raise PrivilegesError if the system refuses."""
        try:
            os.chown(path, -1 if self.uid is None else self.uid, self.gid)
        except OSError as exc:
            raise PrivilegesError(f"cannot give {path} to uid {self.uid}: {exc.strerror}") from None


def identity_of(user: str | None, group: str | None) -> Identity | None:
    """Return the user and groups that these settings give, each by name or number. Return None if
    both settings are None.

    Without `group` it is the user's own group and the supplementary ones of the user database; with
    it, that group and those. Raise PrivilegesError for names that are not known, and if this
    process may not become that, or the system has no such users.
    """
    if user is None and group is None:
        return None
    if not hasattr(os, "setuid"):
        raise PrivilegesError(
            f"no process can become another user on {platform.system()}; start it as that user, "
            "and leave --user and --group out"
        )
    entry = None if user is None else _user(user)
    uid = None if user is None else int(user) if entry is None else entry.pw_uid
    if group is not None:
        gid = _group(group)
    elif entry is not None:
        gid = entry.pw_gid
    else:
        raise PrivilegesError(
            f"user {user} is not in the user database, so its group is not known; add --group"
        )
    groups = (gid,) if entry is None else tuple(os.getgrouplist(entry.pw_name, gid))
    if os.geteuid() != 0 and (uid not in (None, os.geteuid()) or gid != os.getegid()):
        what = f"user {user}" if user is not None else f"group {group}"
        raise PrivilegesError(
            f"only root can become {what}, and this process is uid {os.geteuid()}; start it as "
            "root, or leave --user and --group out"
        )
    return Identity(uid, gid, groups)


def _user(name: str) -> pwd.struct_passwd | None:
    """Return the user's entry, None for a number without one."""
    import pwd

    try:
        return pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name)
    except (KeyError, OverflowError):
        if name.isdecimal() and int(name) < 1 << 32:
            return None
        raise PrivilegesError(f"there is no user {name!r} (--user)") from None


def _group(name: str) -> int:
    import grp

    try:
        return int(name) if name.isdecimal() else grp.getgrnam(name).gr_gid
    except KeyError:
        raise PrivilegesError(f"there is no group {name!r} (--group)") from None
