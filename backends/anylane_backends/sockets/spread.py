"""Spread: workers that share listening sockets share the connections evenly, too.

The kernel wakes all that wait at a socket, and the first one takes what is there: often the same
one again and again. So each worker tells in memory that all of them share how many connections it
holds. One that holds more than the others leaves the next connection to them for a moment.

Nothing here is locked. Each number has one writer and is one machine word, and a reader that sees
an old one makes a worse choice and nothing else.
"""

from __future__ import annotations

import mmap
import os

PAUSE = 0.001
"""Seconds for which a connection is left to the others. A loop that is idle answers within that.
With 2 ms there were a third fewer new connections in a second, and no better spread."""

ABSENT = 0xFFFF_FFFF
"""What stands in the place of a number of connections where no worker accepts."""

_SLACK = 2
"""Connections that a worker may hold more than another, ..."""

_SHARE = 4
"""... and one more for each so many. Among few connections one more is much; among hundreds it is
not worth a pause."""


_PATIENT = 4
"""Pauses in which a worker does not look until it is taken for blocked. On a busy machine it takes
some milliseconds until another process has its turn."""

_MAX_PASSES = 64
"""Connections that a worker takes behind a pause at most, before it looks at the others again."""


class LeftToOthers(Exception):  # it is no error
    """This worker has enough: the next connection is the others' for `PAUSE` seconds."""


class Spread:
    """The table of all workers. Make it before fork().

    rows: how many workers may be in it at once. descriptor: of a file for the table, by which
    interpreters can `join` it; -1 for memory that only a fork shares.
    """

    def __init__(self, rows: int, descriptor: int = -1) -> None:
        if descriptor >= 0:
            os.ftruncate(descriptor, _size(rows))
        self._map(rows, descriptor)
        self._free: list[int] = list(range(rows))
        for row in self._free:
            self.held[row] = ABSENT

    @classmethod
    def join(cls, rows: int, descriptor: int) -> Spread:
        """Return the table that is in a file already, for a worker that was entered elsewhere."""
        spread = cls.__new__(cls)
        spread._map(rows, descriptor)
        spread._free = []
        return spread

    def _map(self, rows: int, descriptor: int) -> None:
        self.rows: int = rows
        self.descriptor: int = descriptor
        memory = memoryview(mmap.mmap(descriptor, _size(rows))).cast("I")
        self._workers: memoryview[int] = memory[2 * rows : 2 * rows + 1]
        self.used: memoryview[int] = memory[2 * rows + 1 :]
        """One number: how many rows, from the first, were ever used."""
        self.held: memoryview[int] = memory[:rows]
        """Row -> the connections that this worker holds, or ABSENT."""
        self.turns: memoryview[int] = memory[rows : 2 * rows]
        """Row -> how often this worker has looked for a connection, which tells that it can."""

    @property
    def workers(self) -> int:
        """Return how many workers there are to be. The supervisor sets it."""
        return self._workers[0]

    @workers.setter
    def workers(self, number: int) -> None:
        self._workers[0] = number

    def enter(self) -> int | None:
        """Return a row for a new worker, None if none is left: that one takes what it gets."""
        if not self._free:
            return None
        row = min(self._free)
        self._free.remove(row)
        self.used[0] = max(self.used[0], row + 1)
        return row

    def leave(self, row: int | None) -> None:
        """Take note that the worker of this row has ended, or is not to be waited for any more."""
        if row is not None:
            self.held[row] = ABSENT

    def free(self, row: int | None) -> None:
        """Take back the row of a worker that has ended."""
        if row is not None:
            self.held[row] = ABSENT
            self._free.append(row)


def _size(rows: int) -> int:
    return 8 * rows + 8


class Share:
    """The row of this process in a `Spread`.

    It costs about 1 us for each connection that is accepted, and nothing for a request.
    """

    def __init__(self, spread: Spread, row: int) -> None:
        self._held = spread.held
        self._turns = spread.turns
        self._used = spread.used
        self._row = row
        # What the turns of the others were when a connection was left to them; None if none was.
        self._left: bytes | None = None
        # How many pauses there were in a row, and how many are still to be taken after the last.
        self._pauses = 0
        self._passes = 0
        # Row -> its turns, and in how many pauses that did not change.
        self._still: dict[int, tuple[int, int]] = {}

    def tell(self, held: int | None) -> None:
        """Tell the others how many connections this worker holds; None if it accepts no more."""
        self._held[self._row] = ABSENT if held is None else held

    def look(self) -> None:
        """Call this before each accept. Raise LeftToOthers if the connection is theirs first.

        What the others do not take within the pause is taken here, so none that blocks or hangs
        holds a connection up. Behind each pause in a row twice as many are taken as behind the one
        before: where the others are too busy to come, this worker does not wait for them.
        """
        turns, row = self._turns, self._row
        turns[row] = (turns[row] + 1) & 0xFFFF_FFFF
        if self._passes:
            self._passes -= 1
            return
        own = self._held[row]
        bound = own - _SLACK - own // _SHARE
        others = self._held[: self._used[0]]
        if min(others) >= bound or own == ABSENT:
            self._left = None
            return
        lighter = [
            each for each, held in enumerate(others) if held < bound and not self._stands(each)
        ]
        if not lighter:
            self._left = None
        elif self._left is None:
            self._left = turns.tobytes()
            raise LeftToOthers
        else:
            self._note(lighter, memoryview(self._left).cast("I"))
            self._left = None
            self._passes = min(1 << self._pauses, _MAX_PASSES) - 1
            self._pauses += 1

    def _stands(self, row: int) -> bool:
        """Return whether a worker is blocked or full: it did not look in some pauses, nor since."""
        turn, pauses = self._still.get(row, (-1, 0))
        return pauses >= _PATIENT and turn == self._turns[row]

    def _note(self, rows: list[int], before: memoryview[int]) -> None:
        """Take note of which of these did not look in a pause. before: their turns then."""
        turns = self._turns
        still = {row: seen for row, seen in self._still.items() if seen[0] == turns[row]}
        for row in rows:
            if turns[row] == before[row]:
                still[row] = turns[row], still.get(row, (0, 0))[1] + 1
        self._still = still

    def empty(self) -> None:
        """Take note that no client waits."""
        self._pauses, self._passes, self._left = 0, 0, None
