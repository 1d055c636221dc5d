"""What ready-made parts add to a request, without I/O: each alone, and 0, 3 and 10 of them.

    python benchmarks/part_costs.py          calls, bytecode instructions and CPU time of a request

The request and the parts are those of the works `parts-*`. tests/test_part_costs.py guards the
counts; the time is that of one interpreter and machine.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "apps")]

# The folders are no packages.
import parts_ours  # noqa: E402
import setting  # noqa: E402

import core  # noqa: E402
from anylane import App, Context, contrib, middleware  # noqa: E402

Parts = tuple[tuple[str, tuple[Any, ...], dict[str, Any]], ...]

ASKED = core.Case(
    (
        core.request(
            b"GET",
            b"/users/42",
            core.HOST
            + b"Origin: %b\r\nUser-Agent: wrk/4.2\r\nAccept: */*\r\n" % setting.PAGE.encode(),
        ),
    )
)
ALL: Parts = parts_ours.PARTS
SETS: dict[str, Parts] = {
    "0 parts": (),
    "3 parts": ALL[:3],
    "10 parts": ALL,
    **{part[0]: (part,) for part in ALL},
    "OpenTelemetry": (("OpenTelemetry", (), {}),),  # its API, and no SDK behind it
}
"""What is measured, by its name."""


def application(parts: Parts) -> App:
    app = App()
    for name, arguments, options in parts:
        home = middleware if hasattr(middleware, name) else contrib
        app.use(getattr(home, name)(*arguments, **options))

    @app.get("/users/{id:int}")
    async def user(ctx: Context) -> dict[str, Any]:
        return {"id": ctx.params["id"]}

    return app


async def _opened(made: Any) -> core.Wire:
    wire = core.Wire(made, ASKED)
    await wire.open()
    # After so many the headers of a request that repeats are known by name.
    await wire.run(10)
    return wire


async def _called(parts: Parts) -> list[str]:
    async with core.lane(application(parts)) as made:
        wire = await _opened(made)
        found: list[str] = []
        with core.looking(found):
            await wire.run(1)
        return found


async def _executed(parts: Parts) -> Counter[str]:
    async with core.lane(application(parts)) as made:
        wire = await _opened(made)
        with core.counting(core.OURS) as found:
            await wire.run(1)
        return found


async def _timed(parts: Parts) -> float:
    async with core.lane(application(parts)) as made:
        wire = await _opened(made)
        best = float("inf")
        for _ in range(60):
            began = time.process_time()
            await wire.run(200)
            best = min(best, (time.process_time() - began) / 200)
        return best * 1e6


def calls(name: str) -> list[str]:
    """Every function of ours that a request with these parts enters."""
    return core.run(_called(SETS[name]))  # type: ignore[no-any-return]


def work(name: str) -> float:
    """Bytecode instructions of such a request, the reference loop's = 1."""
    with core.counting((core.__file__,)) as unit:
        core.reference()
    found: float = core.run(_executed(SETS[name])).total() / unit.total()
    return found


def main() -> None:
    print(f"{'':16} {'calls':>6} {'bytecodes':>10} {'us':>7}")
    for name, parts in SETS.items():
        executed = core.run(_executed(parts)).total()
        print(f"{name:16} {len(calls(name)):6} {executed:10} {core.run(_timed(parts)):7.1f}")


if __name__ == "__main__":
    main()
