"""Serves a page whose service worker is an App in Pyodide. All files come from here, on any lane.

    npm install pyodide@314.0.7
    PYODIDE=node_modules/pyodide anylane run --app-dir docs/examples service_worker.serve:app

Then open http://127.0.0.1:8000. Browsers have service workers on https and on 127.0.0.1 only.
"""

import os
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

from anylane import App, Context
from anylane.contrib import StaticFiles

PYODIDE = Path(os.environ.get("PYODIDE", "node_modules/pyodide"))
PACKAGES = ("anylane", "anylane_backends", "h11", "wsproto")

app = App()
app.mount("/pyodide", StaticFiles(PYODIDE))
app.mount("/", StaticFiles(Path(__file__).with_name("site")))


@app.get("/packages.zip")
def packages(ctx: Context) -> bytes:
    """Return what the worker needs of the Python that serves it: its sources are the same there."""
    archive = BytesIO()
    with ZipFile(archive, "w", ZIP_DEFLATED) as files:
        for name in PACKAGES:
            spec = find_spec(name)
            assert spec is not None
            folder = Path(str(spec.origin)).parent
            for file in sorted(folder.rglob("*.py")):
                files.write(file, Path(name) / file.relative_to(folder))
    ctx.response.set_header("content-type", "application/zip")
    return archive.getvalue()


if __name__ == "__main__":
    app.run()
