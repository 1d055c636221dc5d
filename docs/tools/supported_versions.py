"""Draw the tables of docs/supported-versions.md from pyproject.toml."""

from __future__ import annotations

from drawn import ROOT, draw, load

floors = load(ROOT / "tools" / "floors.py")


def pythons() -> str:
    """Return the supported Pythons, in words."""
    claimed = [
        each.rpartition(" ")[2]
        for each in floors.PROJECT["project"]["classifiers"]
        if each.startswith("Programming Language :: Python :: 3.")
    ]
    return f"CPython {', '.join(claimed[:-1])} and {claimed[-1]}, on Linux."


def table() -> str:
    """Return a row for each library."""
    rows = ["| library | brought by | versions | why not an older one | licence |"]
    rows.append("|---|---|---|---|---|")
    for each in floors.floors():
        extras = ", ".join(f"`{extra}`" for extra in each.extras) or "always"
        python = each.marker.replace("python_version", "Python").replace('"', "")
        only = f" ({python})" if "Python" in python else ""
        later = "" if each.is_only else " and later"
        below = f", below {each.below}" if each.below else ""
        rows.append(
            f"| [{each.name}](https://pypi.org/project/{each.name}/) | {extras} | "
            f"{each.lowest}{later}{below}{only} | {each.reason} | {each.licence} |"
        )
    return "\n".join(rows)


def allowed() -> str:
    """Return the licences that are allowed."""
    return ", ".join(sorted(floors.ALLOWED)) + "."


if __name__ == "__main__":
    draw("supported-versions.md", {"pythons": pythons, "versions": table, "licences": allowed})
