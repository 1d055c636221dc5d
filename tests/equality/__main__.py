"""Ask the three frameworks for every case, and write answers.json and docs/typed-equality.md.

python -m tests.equality            write both
python -m tests.equality --check    exit 1 where a framework answers otherwise than is written
"""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import warnings
from functools import partial
from importlib.metadata import version

from tests.equality import asgi
from tests.equality.cases import all_cases
from tests.equality.outcome import Outcome
from tests.equality.page import differing, write
from tests.equality.recorded import outcome_by, outcome_of_anylane, record, recorded
from tests.equality.verdicts import VERDICTS, A, F, L

CANNOT = Outcome(0, "cannot be declared")


def main() -> None:
    from tests.equality import fastapi_app, litestar_app

    logging.disable(logging.CRITICAL)  # Of what is meant to fail.
    peers = {F: fastapi_app.app, L: litestar_app.app}
    found = {}
    for name, case in all_cases().items():
        found[name] = {A: outcome_of_anylane(case)}
        for peer, app in peers.items():
            found[name][peer] = (
                CANNOT if peer in case.lacks else outcome_by(partial(asgi.answer, app), case)
            )
    if sys.argv[1:] == ["--check"]:
        old = recorded()["cases"]
        changed = [name for name in found if found[name] != old.get(name)]
        for name in changed:
            print(f"{name}\n  is      {found[name]}\n  written {old.get(name)}")  # noqa: T201
        sys.exit(bool(changed))
    names = {A: "anylane", F: "fastapi", L: "litestar", "pydantic": "pydantic"}
    names["msgspec"] = "msgspec"
    record({each: version(package) for each, package in names.items()}, found)
    judged = {name for name in found if differing(found[name])}
    if judged != VERDICTS.keys():
        sys.exit(
            f"these differ, and verdicts.py says nothing: {sorted(judged - VERDICTS.keys())}\n"
            f"these do not differ: {sorted(VERDICTS.keys() - judged)}"
        )
    write()
    same = len(found) - sum(differing(each) for each in found.values())
    print(f"{len(found)} requests, {same} with one outcome")  # noqa: T201


if __name__ == "__main__":
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        main()
