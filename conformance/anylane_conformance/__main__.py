"""`anylane-conformance --backend NAME`: the suite against one backend, several, or all."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status; end the process with it if a case got stuck.

    Arguments that are not known here go to pytest: `-k websocket`, `-x` ...
    """
    parser = argparse.ArgumentParser(prog="anylane-conformance", description=__doc__)
    parser.add_argument(
        "--backend",
        action="append",
        default=[],
        metavar="NAME",
        help="a name, package.module:Class, or all; repeatable. Without it: in memory only",
    )
    parser.add_argument("--report", metavar="FILE", help="Markdown, or JSON for FILE.json")
    parser.add_argument(
        "--in-turn",
        action="store_true",
        help="hold each case on one of the backends only: the first, the second, and so on",
    )
    parser.add_argument(
        "--theirs",
        action="store_true",
        help="under another server, try what is declared to be its own, too: it may hold",
    )
    parser.add_argument("--list", action="store_true", help="print every case with its rule")
    parser.add_argument(
        "--update-transcripts",
        action="store_true",
        help="record what clients receive in memory anew, in a source checkout; then review it",
    )
    known, rest = parser.parse_known_args(arguments)
    try:
        import pytest
    except ImportError as exc:
        parser.error(f"the suite needs {exc.name}: pip install 'anylane[conformance]'")
    if known.list:
        print("\n".join(rules()))
        return 0
    if known.update_transcripts:
        return update(parser)
    from anylane_conformance.harness.bounds import left_behind

    # By its path: for a name pytest would load the conftest files of the folder it is run in.
    command = [str(Path(__file__).parent), "-p", "no:cacheprovider"]
    command += [f"--anylane-backend={name}" for name in known.backend]
    if known.in_turn:
        command.append("--anylane-in-turn")
    if known.theirs:
        command.append("--anylane-theirs")
    if known.report:
        command.append(f"--anylane-report={known.report}")
    code = int(pytest.main([*command, *rest]))
    if left_behind:
        # The end of the interpreter would wait for what they have left, but for daemons.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def update(parser: argparse.ArgumentParser) -> int:
    """Write the recordings of all cases, and return the exit status."""
    import pytest

    from anylane_conformance.cases import load
    from anylane_conformance.harness import recordings

    if not (Path(__file__).resolve().parents[2] / "pyproject.toml").exists():
        parser.error("--update-transcripts needs a source checkout: an installed package is no "
                     "place to review them")  # fmt: skip
    try:
        for line in recordings.update(load()):
            print(line)
    except pytest.skip.Exception as exc:
        parser.error(f"a case cannot be held here: {exc}")
    except RuntimeError as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


def rules() -> Iterator[str]:
    """Yield a line for each chapter, case and line of its rule."""
    from anylane_conformance.cases import load

    for chapter, cases in groupby(load().values(), key=lambda case: case.chapter):
        yield chapter
        for case in cases:
            yield f"  {case.name}"
            yield from (f"    {line.strip()}".rstrip() for line in case.rule.splitlines())


if __name__ == "__main__":
    sys.exit(main())
