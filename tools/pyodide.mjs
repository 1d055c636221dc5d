// Runs pytest in Pyodide: node tools/pyodide.mjs PYODIDE ROOT PACKAGES ARGUMENTS...
//
// ROOT is the project, which has the same path in there. PACKAGES are folders with what pip has
// installed, with a colon between them. tools/pyodide.py starts it.

import { pathToFileURL } from "node:url";

const [folder, root, packages, ...args] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${folder}/pyodide.mjs`));

// Else node shows the line that has failed: a megabyte of it.
process.on("uncaughtException", (error) => {
  console.error(String(error.stack).slice(0, 4000));
  process.exit(3);
});

const python = await loadPyodide({
  env: {
    PYODIDE_PASSES: process.env.PYODIDE_PASSES ?? "0",
    HOME: "/home/pyodide",
    HYPOTHESIS_PROFILE: process.env.HYPOTHESIS_PROFILE ?? "quick",
    HYPOTHESIS_STORAGE_DIRECTORY: "/tmp/hypothesis",
    PYTEST_ADDOPTS: process.env.PYTEST_ADDOPTS ?? "",
    PYTHONDONTWRITEBYTECODE: "1",
    PYTHONINSPECT: "",
  },
});

const mount = (from, to) => {
  python.FS.mkdirTree(to);
  python.FS.mount(python.FS.filesystems.NODEFS, { root: from }, to);
  return to;
};
mount(root, root);
const paths = packages.split(":").map((each, index) => mount(each, `/packages/${index}`));
python.globals.set("arguments", python.toPy(args));
python.globals.set("paths", python.toPy(paths));
python.globals.set("root", root);

const status = await python.runPythonAsync(`
import os
import platform
import sys

os.chdir(root)
sys.path[:0] = [f"{root}/core", f"{root}/backends", f"{root}/conformance", *paths]
print(f"CPython {platform.python_version()} on {sys.platform}", flush=True)

import pytest

int(pytest.main(list(arguments)))
`);
process.exit(status);
