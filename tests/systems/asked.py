"""Run some lines of Python on a system without this or that.

python -m tests.systems.asked '["fork"]' 'import os; print(hasattr(os, "fork"))'
"""

from __future__ import annotations

import json
import sys

from tests.systems.hiding import hide

if __name__ == "__main__":
    hide(json.loads(sys.argv[1]))
    exec(compile(sys.argv[2], "asked", "exec"), {"__name__": "asked"})
