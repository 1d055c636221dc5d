"""The `anylane` command on a system without this or that.

python -m tests.systems.command '["fork"]' run main:app --workers 2
"""

from __future__ import annotations

import json
import sys

from tests.systems.hiding import hide

if __name__ == "__main__":
    hide(json.loads(sys.argv.pop(1)))
    from anylane_backends.hosting.cli.commands import main

    main()
