// The service worker: each request of the page below /app/ is answered by an App in Pyodide.
//
// It is a module, so `import()` is not allowed in it: the interpreter is imported here, and given
// to Pyodide.

import createPyodideModule from "/pyodide/pyodide.asm.mjs";
import { loadPyodide } from "/pyodide/pyodide.mjs";

async function start() {
  const python = await loadPyodide({ indexURL: "/pyodide/", createPyodideModule });
  const packages = await fetch("/packages.zip");
  python.unpackArchive(await packages.arrayBuffer(), "zip", { extractDir: "/packages" });
  const app = await fetch("/app.py");
  python.FS.writeFile("/packages/app.py", await app.text());
  return python.runPython(`
    import sys

    sys.path.insert(0, "/packages")

    from anylane import ServerConfig
    from anylane_backends.fetch import FetchHandler
    from app import app

    FetchHandler(app, ServerConfig(root_path="/app"))
  `);
}

// A browser ends a worker that is idle, and starts it again at its next request.
const handler = start();

addEventListener("install", (event) => event.waitUntil(handler.then(() => skipWaiting())));
addEventListener("activate", (event) => event.waitUntil(clients.claim()));

addEventListener("fetch", (event) => {
  if (new URL(event.request.url).pathname.startsWith("/app/")) {
    event.respondWith(handler.then((answer) => answer(event.request)));
  }
});
