const find = (id) => document.getElementById(id);

const tell = (text, state) => {
  find("state").textContent = text;
  find("state").dataset.state = state;
};

function show(line) {
  const item = document.createElement("li");
  item.textContent = line;
  find("lines").append(item);
}

async function begin() {
  await navigator.serviceWorker.register("/worker.js", { type: "module" });
  await navigator.serviceWorker.ready;
  if (!navigator.serviceWorker.controller) {
    await new Promise((done) => {
      navigator.serviceWorker.addEventListener("controllerchange", done, { once: true });
    });
  }
  const about = await (await fetch("/app/about")).json();
  tell(`CPython ${about.python} on ${about.on}`, "live");
  for (const line of await (await fetch("/app/lines")).json()) show(line);
  const changes = new EventSource("/app/changes");
  changes.addEventListener("line", (event) => show(event.data));
  changes.addEventListener("hello", () => (find("send").disabled = false));
}

find("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  await fetch("/app/lines", { method: "POST", body: find("line").value });
  find("line").value = "";
});

begin().catch((error) => tell(String(error), "failed"));
