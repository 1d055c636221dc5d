"""Launch: what the command does once around serving, with and without workers.

It binds, writes the files that name the process, and takes the place of a process that has started
it as its new binary.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING

from anylane.config.server_config import ServerConfig
from anylane_backends.hosting.messages import log
from anylane_backends.hosting.supervision.takeover import Takeover, take_over
from anylane_backends.hosting.system.pidfile import PidFile
from anylane_backends.hosting.system.privileges import Identity, identity_of
from anylane_backends.hosting.system.process_file import ProcessFile
from anylane_backends.sockets.listening import UnixListener, bind, close

if TYPE_CHECKING:
    from anylane_backends.hosting.cli.options import Options


class Launch:
    """One start of the command. Call `bind`, `accepts`, `drains` and `ended`, in this order.

    environ: what the process was started with. Raise PidFileError and PrivilegesError for what
    would fail later.
    """

    def __init__(self, options: Options, environ: Mapping[str, str]) -> None:
        told = options.run
        if told.umask is not None:
            os.umask(told.umask)
        self.environ: Mapping[str, str] = environ
        self.identity: Identity | None = identity_of(told.user, told.group)
        self.takeover: Takeover | None = take_over(os.environ)
        self.unlinks: bool = self.takeover is None
        """Whether the files of unix sockets are this process's to remove. Those of a predecessor
        are its own until this process accepts."""
        before = None if self.takeover is None else self.takeover.predecessor
        self._pidfile = None if told.pidfile is None else PidFile(told.pidfile, before)
        self._ready_file = None if told.ready_file is None else ProcessFile(told.ready_file)
        if self._pidfile is not None:
            self._pidfile.check()

    def bind(self, config: ServerConfig) -> list[socket.socket]:
        """Return the listeners. Raise BindError if an address cannot be had, PidFileError if the
        pid file cannot be written, PrivilegesError if the file of a unix socket cannot be given to
        the user that the workers become."""
        listeners = bind(config, {} if self.takeover is None else self.takeover.listeners)
        try:
            for each in listeners:
                if self.identity and isinstance(each, UnixListener) and each.made is not None:
                    self.identity.own(str(each.made[0]))
            if self._pidfile is not None and self.takeover is None:
                self._pidfile.take()
        except BaseException:
            close(listeners, unlink=self.unlinks)
            raise
        return listeners

    def accepts(self) -> None:
        """Take note that everything accepts: a predecessor is told to drain."""
        if self._pidfile is not None and self.takeover is not None:
            _log_failure(self._pidfile)
        if self._ready_file is not None:
            _log_failure(self._ready_file)
        if self.takeover is not None:
            self.unlinks = True
            self.takeover.finish()

    def drains(self) -> None:
        """Take note that nothing more is accepted."""
        if self._ready_file is not None:
            self._ready_file.remove()

    def ended(self) -> None:
        """Take note that all is over."""
        self.drains()
        if self._pidfile is not None:
            self._pidfile.remove()


def _log_failure(file: ProcessFile) -> None:
    """Write a file. Log what is wrong, for a server that accepts must not end of that."""
    try:
        file.write()
    except OSError as exc:
        log("error", f"cannot write {file.path}: {exc.strerror}", None)
