"""Ready-made handlers and adapters that use other libraries, or files by `ctx.run_sync`.

Nothing else of anylane imports them.
"""

from anylane.contrib.files.file_response import FileResponse
from anylane.contrib.files.static_files import StaticFiles
from anylane.contrib.templates import Templates

__all__ = [
    "FileResponse",
    "StaticFiles",
    "Templates",
]
