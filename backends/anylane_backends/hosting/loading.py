"""Loading backends: by their entry point, or by `package.module:Class`."""

from __future__ import annotations

import difflib
from importlib.metadata import EntryPoint, entry_points

from anylane.errors import AnylaneError
from anylane.lane.backend import Backend
from anylane_backends.hosting.interpreters.isolated import is_refused
from anylane_backends.hosting.messages import describe


class BackendError(AnylaneError):
    """A backend does not exist or cannot be loaded. The message says what to do."""


def backends() -> dict[str, EntryPoint]:
    """Return the entry point of every installed backend, by the backend's name."""
    return {each.name: each for each in entry_points(group="anylane.backends")}


def load_backend(name: str) -> Backend:
    """Return the backend of that name, or of `package.module:Class`. Raises BackendError."""
    known = backends()
    if ":" in name:
        return _make(EntryPoint(name, name, "anylane.backends"), name, own=False)
    if name in known:
        return _make(known[name], name, own=name in _OURS)
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise BackendError(
        f"there is no backend {name!r}; {hint}installed are {', '.join(sorted(known))}, "
        "and package.module:Class names any other"
    )


_OURS = frozenset(("asyncio", "uvloop", "anyio", "trio", "curio", "threads"))


def installed() -> list[str]:
    """Return the names of the backends whose libraries are installed, sorted."""
    names = []
    for name in sorted(backends()):
        try:
            load_backend(name)
        except BackendError:
            continue
        names.append(name)
    return names


def _make(entry: EntryPoint, name: str, *, own: bool) -> Backend:
    try:
        backend: Backend = entry.load()()
        check = getattr(backend, "check", None)
        if check is not None:
            check()
    except ImportError as exc:
        if is_refused(exc):
            raise BackendError(
                f"backend {name!r} cannot be used in an interpreter ({exc}); choose another one, "
                "or worker_kind process"
            ) from exc
        what = exc.name or str(exc)
        do = f"pip install 'anylane[{name}]'" if own else "install it, or check the name"
        raise BackendError(f"backend {name!r} needs {what}: {do}") from exc
    except Exception as exc:
        raise BackendError(f"backend {name!r} cannot be loaded: {describe(exc)}") from exc
    return checked(backend, repr(name))


def loop_of(backend: Backend) -> str:
    """Return the name of the event loop that a backend has chosen, "" if its own name tells it."""
    loop: str = getattr(backend, "loop", "")
    return loop


def full_name(backend: Backend) -> str:
    """Return the name of a backend, with that of its event loop where it has chosen one."""
    loop = loop_of(backend)
    return f"{backend.name} on {loop}" if loop else backend.name


def checked(backend: Backend, shown: str) -> Backend:
    """Return the backend if it is one. Raises BackendError, which calls it *shown*."""
    if not (isinstance(getattr(backend, "name", None), str) and hasattr(backend, "run")):
        raise BackendError(
            f"{shown} is no backend: it has no name and run() (anylane.lane.backend.Backend)"
        )
    return backend
