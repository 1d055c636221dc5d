"""The pages of the API: one for each public name, which shows its docstring."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise
from typing import Any, is_typeddict

from docs.website.docstrings import restructured

MODULES = (
    "anylane",
    "anylane.middleware",
    "anylane.contrib",
    "anylane.testing",
    "anylane.lane",
    "anylane.protocol",
)
"""The public packages."""

EXAMPLES = {"anylane", "anylane.testing", "anylane.protocol"}
"""Those of which docs/reference.md has an example of every name."""


def public_names() -> Iterator[tuple[str, str, object]]:
    """Give the module, the name and the object of every public name."""
    for module in MODULES:
        found = importlib.import_module(module)
        for name in sorted(found.__all__, key=str.lower):
            yield module, name, getattr(found, name)


LINKS = {name: f"{module}.{name}" for module, name, _ in reversed([*public_names()])}
"""What the names in docstrings are linked to."""


def parameters(found: Any) -> Collection[str]:
    """Return the names in the signature of a function or class; none of what has no signature."""
    return _signature(found)


def _signature(found: Any) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(found).parameters
    except (TypeError, ValueError):
        return {}


def options(name: str, found: Any) -> list[str]:
    """Return what is said of keywords that a method takes by a table, as lines of a docstring.

    Where several methods take the same ones, they are said at `get`; those of `run` are settings.
    """
    texts = [str(each.annotation) for each in _signature(found).values()]
    taken = [match[1] for text in texts if (match := re.fullmatch(r"Unpack\[(\w+)\]", text))]
    if not taken or taken == ["ServerSettings"]:
        return []
    if taken == ["RouteOptions"] and not name.endswith(".get"):
        return ["", "The options are those of `get`."]
    modules = [each for key, each in sys.modules.items() if key.startswith("anylane.")]
    table = next(vars(each)[taken[0]] for each in modules if taken[0] in vars(each))
    return ["", *(f"{field}: {text}" for field, text in _fields(table).items())]


def _fields(table: Any) -> dict[str, str]:
    """Return what stands below each field of a TypedDict, those of its bases behind its own."""
    if not is_typeddict(table):
        return {}
    home = sys.modules[table.__module__]
    tree = ast.parse(inspect.getsource(home)).body
    (kind,) = [e for e in tree if isinstance(e, ast.ClassDef) and e.name == table.__name__]
    own = {
        ast.unparse(field.target): " ".join(ast.literal_eval(text.value).split())
        for field, text in pairwise(kind.body)
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr)
    }
    # By their names: a TypedDict does not know its bases before Python 3.12.
    bases = [_fields(vars(home).get(ast.unparse(base))) for base in kind.bases]
    return own | {name: text for base in bases for name, text in base.items()}


def api_pages() -> dict[str, str]:
    """Return a page for each public name, one for each module, and one that lists those."""
    pages: dict[str, str] = {}
    rows: dict[str, list[str]] = {module: [] for module in MODULES}
    for module, name, found in public_names():
        pages[f"api/{module}.{name}.rst"] = _page(module, name, found)
        summary = " ".join(_docstring(name, found).partition("\n\n")[0].split())
        rows[module].append(f"| [{name}]({module}.{name}.rst) | {_cell(summary)} |")
    first = ["# API", "", "Every public name, by its docstring.", ""]
    for module in MODULES:
        purpose, _, rest = (inspect.getdoc(importlib.import_module(module)) or "").partition("\n\n")
        first.append(f"* [{module}]({module}.md): {_escaped(' '.join(purpose.split()))}")
        table = ["| name | what it is |", "|---|---|", *rows[module]]
        tree = _tree(
            f"{name} <{module}.{name}>" for owner, name, _ in public_names() if owner == module
        )
        text = [f"# {module}", "", _escaped(purpose), "", _escaped(rest), "", *table, "", *tree, ""]
        pages[f"api/{module}.md"] = "\n".join(text)
    tree = _tree(f"{module} <{module}>" for module in MODULES)
    pages["api/index.md"] = "\n".join([*first, "", *tree, ""])
    return pages


def _tree(lines: Iterator[str]) -> list[str]:
    return ["```{toctree}", ":hidden:", "", *lines, "```"]


def _escaped(text: str) -> str:
    """Return plain text for Markdown: backticks stay, nothing else is markup."""
    parts = re.split(r"(`[^`]+`)", text)
    return "".join(
        part if part.startswith("`") else re.sub(r"([\\*_\[\]<>{}])", r"\\\1", part)
        for part in parts
    )


def _cell(text: str) -> str:
    return _escaped(text).replace("|", "\\|")


def _page(module: str, name: str, found: object) -> str:
    title = f"{module}.{name}"
    lines = [title, "=" * len(title), ""]
    if module in EXAMPLES:
        lines += [f"`An example <../reference.html#{name.lower()}>`__", ""]
    if inspect.isclass(found):
        kind = "exception" if issubclass(found, BaseException) else "class"
        foreign = [
            base.__name__ for base in found.__mro__ if not base.__module__.startswith("anylane")
        ]
        lines += [
            f".. auto{kind}:: {title}",
            "   :members:",
            f"   :inherited-members: {', '.join(dict.fromkeys(foreign))}",
        ]
    elif inspect.isfunction(found):
        lines.append(f".. autofunction:: {title}")
    else:
        text = restructured(_docstring(name, found).split("\n"), LINKS)
        lines += [
            f".. py:currentmodule:: {module}",
            "",
            f".. py:data:: {name}",
            "",
            *(f"   {line}" for line in text),
        ]
    return "\n".join([*lines, ""])


def _docstring(name: str, found: object) -> str:
    """Return the docstring; of a value or an alias the one below its assignment."""
    if inspect.isclass(found) or inspect.isfunction(found):
        return inspect.getdoc(found) or ""
    for module in [each for key, each in sys.modules.items() if key.startswith("anylane.")]:
        if vars(module).get(name) is found and (text := _below_assignment(module, name)):
            return text
    raise LookupError(f"nothing is written below the assignment of {name}")


def _below_assignment(module: Any, name: str) -> str:
    body = ast.parse(inspect.getsource(module)).body
    for statement, following in pairwise(body):
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == name:
            match following:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    return inspect.cleandoc(text)
                case _:
                    pass
    return ""
