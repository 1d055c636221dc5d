"""Build the site: `python -m docs.website.build`. Every warning is an error.

--serve: then serve it, on 127.0.0.1. The result is in build/site/html.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from anylane import App
from anylane.contrib import StaticFiles
from docs.website.navigation import NavigationError
from docs.website.pages import ROOT, Pages

HERE = Path(__file__).parent


def build(folder: Path) -> int:
    """Build the site below a folder, in `html`; return the exit status.

    All of it is made anew: of a page that has not changed Sphinx would not repeat the warnings.
    """
    from sphinx.cmd.build import build_main

    source, html = folder / "source", folder / "html"
    for old in (source, html):
        shutil.rmtree(old, ignore_errors=True)
    try:
        Pages().write(source)
    except NavigationError as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 1
    options = ["-b", "html", "-c", str(HERE), "-d", str(folder / "doctrees"), "--fresh-env"]
    strict = ["--fail-on-warning", "--jobs", "auto", "--quiet"]
    return build_main([*options, *strict, str(source), str(html)])


def app_of(html: Path) -> App:
    """Return an app that serves the site: anylane itself does it."""
    app = App()
    app.mount("/", StaticFiles(html))
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m docs.website.build", description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "site")
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--port", type=int, default=8000)
    given = parser.parse_args(arguments)
    began = time.monotonic()
    status = build(given.folder.resolve())
    if status == 0:
        html = given.folder / "html"
        print(f"built {html} in {time.monotonic() - began:.1f} s", flush=True)
        if given.serve:
            app_of(html).run(host="127.0.0.1", port=given.port)
    return status


if __name__ == "__main__":
    sys.exit(main())
