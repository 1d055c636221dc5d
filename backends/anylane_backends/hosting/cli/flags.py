"""The command's flags, made from the fields of RunSettings and ServerConfig."""

from __future__ import annotations

import ast
import inspect

import click

from anylane.config.loading import Setting
from anylane_backends.hosting.cli.options import flag_names


def reasons(kind: type) -> dict[str, str]:
    """Return the sentence below each field of a class in its source, by the field's name.

    The mapping is empty if the source cannot be read.
    """
    try:
        body = ast.parse(inspect.cleandoc(inspect.getsource(kind))).body[0]
    except (OSError, SyntaxError):
        return {}
    found: dict[str, str] = {}
    name = ""
    for node in body.body if isinstance(body, ast.ClassDef) else []:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name)):
                pass
            case ast.Expr(value=ast.Constant(value=str(text))) if name:
                found[name] = " ".join(text.split())
            case _:
                name = ""
    return found


def option(setting: Setting, text: str) -> click.Option:
    """Return a setting's flag, with *text* as its help.

    click leaves its value as text, which is parsed where the variables are, with one message.
    """
    flags = flag_names(setting)
    if setting.kind is bool:
        yes = flags[0]
        return click.Option([f"{yes}/--no-{yes[2:]}"], default=None, help=text)
    usual = {int: "NUMBER", float: "SECONDS", tuple: "ADDRESS"}.get(setting.kind, "TEXT")
    metavar = setting.metadata.get("metavar", usual)
    many = setting.kind is tuple
    default = setting.default
    if default not in (None, (), ""):
        value = oct(default) if setting.name == "uds_mode" else default
        text = f"{text}  [{','.join(value) if many else value}]"
    if many:
        text = f"{text} May be repeated."
    return click.Option(flags, metavar=metavar, help=text, multiple=many)


class RunCommand(click.Command):
    """A command that shows its help in parts: there are too many options for one list."""

    parts: dict[str, list[click.Option]]
    """Title -> the options below it."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, options in self.parts.items():
            records = [each.get_help_record(ctx) for each in options]
            with formatter.section(title):
                formatter.write_dl([each for each in records if each is not None])
