"""Importing MODULE:APP. The errors say what to do."""

from __future__ import annotations

import difflib
import importlib
import sys
from pathlib import Path
from typing import Any

from anylane.app import App
from anylane_backends.hosting.interpreters.isolated import is_refused
from anylane_backends.hosting.messages import describe


class CannotStart(Exception):
    """A server cannot be started. The message is the line that the user sees."""


def load_app(target: str, *, app_dir: str = ".", factory: bool = False) -> App:
    """Import MODULE:APP and return the app.

    app_dir: the folder that is put first on the import path. factory: whether APP is a function
    that returns the app. Raises CannotStart, from what the import or the function raised.
    """
    module_name, colon, attribute = target.partition(":")
    if not (module_name and colon and attribute):
        raise CannotStart(f"{target!r} does not name an app; write MODULE:APP, such as main:app")
    if module_name.endswith(".py") or "/" in module_name:
        dotted = module_name.removesuffix(".py").replace("/", ".").strip(".")
        raise CannotStart(
            f"{module_name!r} is a file's name; write the module's, such as {dotted}:{attribute}"
        )
    folder = put_on_import_path(app_dir)
    module = _import(module_name, folder)
    found: Any = module
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise CannotStart(f"module {module_name!r} has no {attribute!r}{_other(module, name)}")
        found = getattr(found, name)
    if factory:
        if not callable(found) or isinstance(found, App):
            raise CannotStart(f"{target} is {_what(found)}, no function: leave --factory out")
        try:
            found = found()
        except Exception as exc:
            raise CannotStart(f"{target}() raised {describe(exc)}; fix it") from exc
    if not isinstance(found, App):
        what = f"{target}()" if factory else target
        hint = "; is it a factory? then add --factory" if callable(found) and not factory else ""
        raise CannotStart(f"{what} is {_what(found)}, not an anylane.App{hint}")
    return found


def put_on_import_path(app_dir: str) -> str:
    """Put the folder of the app's modules first on the import path, once, and return it. Raises
    CannotStart if there is no such folder."""
    folder = str(Path(app_dir).absolute())
    if not Path(folder).is_dir():
        raise CannotStart(f"there is no folder {folder}; name the one of your modules (--app-dir)")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return folder


def _import(name: str, folder: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exc:
        missing = exc.name or ""
        if name == missing or name.startswith(f"{missing}."):
            raise CannotStart(
                f"there is no module {missing!r} in {folder} or on the import path; "
                "check the name, or name its folder with --app-dir"
            ) from exc
        raise CannotStart(
            f"importing {name!r} needs the module {missing!r}, which is not installed"
        ) from exc
    except (Exception, SystemExit) as exc:
        do = "leave that out, or use worker_kind process" if is_refused(exc) else "fix it"
        raise CannotStart(f"importing {name!r} raised {describe(exc)}; {do}") from exc


def _other(module: Any, name: str) -> str:
    apps = [key for key, value in vars(module).items() if isinstance(value, App)]
    near = difflib.get_close_matches(name, list(vars(module)), 1)
    found = apps or near
    return f"; did you mean {' or '.join(found)}?" if found else ""


def _what(value: object) -> str:
    return f"of type {type(value).__name__}"
