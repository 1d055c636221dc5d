"""The `anylane` command: where its settings come from, and what it says when it cannot start.

This module and flags are the only ones that import click. Flags are made from the fields of
RunSettings and ServerConfig, so a setting that is added there is a flag, a variable and a key of
the file at once.
"""

from __future__ import annotations

import json
import logging
import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

from anylane.config.limits import Deflate, Limits, Timeouts
from anylane.config.loading import run_settings, settings
from anylane.config.run_settings import RunSettings
from anylane.config.server_config import ServerConfig
from anylane.errors import ConfigError
from anylane_backends.hosting.cli.alone import serve_alone
from anylane_backends.hosting.cli.app_loading import CannotStart, load_app
from anylane_backends.hosting.cli.description import differences, renewing, text_of, write
from anylane_backends.hosting.cli.env_file import load_env_file
from anylane_backends.hosting.cli.flags import RunCommand, option, reasons
from anylane_backends.hosting.cli.log_setup import set_up_logging
from anylane_backends.hosting.cli.new_project import BACKENDS, CannotCreate, create
from anylane_backends.hosting.cli.options import Options
from anylane_backends.hosting.interpreters.isolated import InterpretersError
from anylane_backends.hosting.loading import BackendError, backends, load_backend, loop_of
from anylane_backends.hosting.messages import log
from anylane_backends.hosting.process import fail
from anylane_backends.hosting.system.pidfile import PidFileError
from anylane_backends.hosting.system.privileges import PrivilegesError
from anylane_backends.sockets.listening import BindError

# --- the command -------------------------------------------------------------------------------


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(
    package_name="anylane", message=f"anylane %(version)s, Python {platform.python_version()}"
)
def command() -> None:
    """One Python web app, any lane."""


_RUN_TEXTS = reasons(RunSettings)


def run_command() -> click.Command:
    """Return `anylane run`, with a flag for each setting."""
    own = [
        option(each, _RUN_TEXTS.get(each.name, "")) for each in run_settings() if each.name != "app"
    ]
    texts = {
        **reasons(ServerConfig),
        **{f"limits_{name}": text for name, text in reasons(Limits).items()},
        **{f"timeouts_{name}": text for name, text in reasons(Timeouts).items()},
        **{f"deflate_{name}": text for name, text in reasons(Deflate).items()},
    }
    serve: list[click.Option] = []
    bounds: list[click.Option] = []
    compression: list[click.Option] = []
    parts = {"limits": bounds, "timeouts": bounds, "deflate": compression}
    for setting in settings(ServerConfig):
        part = serve if len(setting.path) == 1 else parts[setting.path[0]]
        part.append(option(setting, texts.get(setting.name, "")))
    found = RunCommand(
        "run",
        callback=run,
        params=[
            click.Argument(["app"], metavar="MODULE:APP", required=False),
            *own,
            *serve,
            *bounds,
            *compression,
        ],
        help="Serve MODULE:APP until SIGINT or SIGTERM.\n\n"
        "Each option is also a variable (--limits-body is ANYLANE_LIMITS_BODY) and a key of the "
        "--config file; a flag beats a variable, a variable the file.",
    )
    found.parts = {
        "Options": own,
        "Serving": serve,
        "Limits and time-outs (bytes, seconds)": bounds,
        "WebSocket compression": compression,
    }
    return found


def run(**flags: Any) -> None:
    """Serve, as the flags, the variables and the file say. What cannot start exits with 3."""
    environ = dict(os.environ)
    try:
        _early_level(flags)
        if env_file := flags.get("env_file") or os.environ.get("ANYLANE_ENV_FILE"):
            load_env_file(env_file)
            _early_level(flags)
        options = Options(flags)
        set_up_logging(options)
        if options.supervised:
            _check_workers()
            from anylane_backends.hosting.cli.supervise import supervise

            supervise(options, environ)
        else:
            for name in ("worker_timeout", "start_timeout"):
                if getattr(options.run, name) is not None:
                    log("warning", f"{name} has no effect: it is for --workers", None)
            serve_alone(options, environ)
    except _CANNOT as exc:
        fail(exc.__cause__ or exc, str(exc))


def _check_workers() -> None:
    """Raise CannotStart on a system that has no worker processes."""
    if not hasattr(os, "fork"):
        raise CannotStart(
            f"workers come by fork(), which {platform.system()} does not have; leave --workers, "
            "--reload and the --max-... of workers out, and run several processes on ports of "
            "their own where one is not enough"
        )


_CANNOT = (
    ConfigError,
    CannotStart,
    BindError,
    BackendError,
    InterpretersError,
    PidFileError,
    PrivilegesError,
)


def _early_level(flags: dict[str, Any]) -> None:
    # An error in the settings is reported before they are known, with a traceback if asked for.
    level = flags.get("log_level") or os.environ.get("ANYLANE_LOG_LEVEL")
    if level == "debug":
        logging.getLogger("anylane").setLevel(logging.DEBUG)


@command.command()
@click.argument("app", metavar="MODULE:APP")
@click.option("--app-dir", default=".", envvar="ANYLANE_APP_DIR", help=_RUN_TEXTS.get("app_dir"))
@click.option("--factory", is_flag=True, envvar="ANYLANE_FACTORY", help=_RUN_TEXTS.get("factory"))
@click.option(
    "--env-file", metavar="FILE", envvar="ANYLANE_ENV_FILE", help=_RUN_TEXTS.get("env_file")
)
@click.option("--json", "as_json", is_flag=True, help="As JSON, for other programs.")
def routes(app: str, app_dir: str, factory: bool, env_file: str | None, as_json: bool) -> None:
    """List the routes of MODULE:APP, in order of registration."""
    try:
        if env_file:
            load_env_file(env_file)
        found = load_app(app, app_dir=app_dir, factory=factory).routes
    except (CannotStart, ConfigError) as exc:
        fail(exc.__cause__ or exc, str(exc))
    rows = [
        (
            "WEBSOCKET" if route.websocket else ",".join(sorted(route.methods)),
            f"{route.host or ''}{route.pattern.text}",
            route.name,
            route.where,
        )
        for route in found
    ]
    if as_json:
        names = ("methods", "path", "name", "where")
        click.echo(json.dumps([dict(zip(names, row, strict=True)) for row in rows], indent=2))
    else:
        _print_table(rows)


@command.command()
@click.argument("app", metavar="MODULE:APP")
@click.option("--app-dir", default=".", envvar="ANYLANE_APP_DIR", help=_RUN_TEXTS.get("app_dir"))
@click.option("--factory", is_flag=True, envvar="ANYLANE_FACTORY", help=_RUN_TEXTS.get("factory"))
@click.option(
    "--env-file", metavar="FILE", envvar="ANYLANE_ENV_FILE", help=_RUN_TEXTS.get("env_file")
)
@click.option("--output", metavar="FILE", help="Write it into a file.")
@click.option("--check", metavar="FILE", help="Exit with 1 if that file differs from it.")
def openapi(  # noqa: PLR0917  # click calls it by keyword.
    app: str,
    app_dir: str,
    factory: bool,
    env_file: str | None,
    output: str | None,
    check: str | None,
) -> None:
    """Print the OpenAPI description of MODULE:APP, as JSON."""
    if output is not None and check is not None:
        raise click.UsageError("--output writes the file, --check only looks at it: give one")
    found = None
    try:
        if env_file:
            load_env_file(env_file)
        text = text_of(load_app(app, app_dir=app_dir, factory=factory), app)
        if check is not None:
            found = differences(text, check)
        elif output is not None:
            write(text, output)
        else:
            click.echo(text, nl=False)
    except (CannotStart, ConfigError) as exc:
        fail(exc.__cause__ or exc, str(exc))
    if check is not None and found is not None:
        renew = renewing(app, check, app_dir=app_dir, factory=factory, env_file=env_file)
        click.echo("\n".join([*found, f"{check} is not current: run `{renew}`"]), err=True)
        raise SystemExit(1)


@command.command()
@click.argument("path", metavar="NAME")
@click.option(
    "--backend",
    type=click.Choice(BACKENDS),
    default="asyncio",
    show_default=True,
    help="What the project is served and tested on.",
)
def new(path: str, backend: str) -> None:
    """Write a small project into a new folder NAME: an app, its tests, a container file."""
    try:
        files = create(path, backend)
    except CannotCreate as exc:
        fail(exc.__cause__ or exc, str(exc))
    for file in files:
        click.echo(file)
    click.echo(f"Next: {Path(path) / 'README.md'} has the commands that run and test it.")


@command.command(name="backends")
def list_backends() -> None:
    """List the installed backends: name, version, and whether each can be used."""
    rows = []
    for name, entry in sorted(backends().items()):
        try:
            loop = loop_of(load_backend(name))
            state = f"available, on {loop}" if loop else "available"
        except BackendError as exc:
            state = f"not available: {exc}"
        rows.append((name, _version(name, entry.dist.name if entry.dist else None), state))
    _print_table(rows)


_RUNS_ON = {
    "asyncio": (),
    "threads": (),
    "uvloop": ("uvloop",),
    "anyio": ("anyio",),
    "trio": ("trio",),
    "curio": ("curio-compat", "curio"),
}
"""Backend -> the distributions whose version tells what it does. Python's version does where there
is none of them."""


def _version(name: str, distribution: str | None) -> str:
    runs_on = _RUNS_ON.get(name, (distribution,) if distribution else ())
    if name in _RUNS_ON and not runs_on:
        return f"Python {platform.python_version()}"
    for each in runs_on:
        try:
            return f"{each} {version(each)}"
        except PackageNotFoundError:
            pass
    return "-"


def _print_table(rows: Iterable[tuple[str, ...]]) -> None:
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        click.echo("  ".join(cells).rstrip())


command.add_command(run_command())


def _fill_standard_descriptors() -> None:
    """Open the null device in the place of a standard stream that is closed: the next socket would
    get its number, and what is printed would go to a client."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # It gets the lowest number that is free.
            os.set_inheritable(number, True)


def main() -> None:
    """Run the command that the process's arguments name; the entry point."""
    _fill_standard_descriptors()
    command(prog_name="anylane")
