// The start page: which backend serves it, and three handlers to try.

const $ = (id) => document.getElementById(id);

/** Runs `attempt(value, say)` when the form is sent; a failure is said too. */
function form(name, attempt) {
  const out = $(`${name}-out`);
  $(name).addEventListener("submit", async (event) => {
    event.preventDefault();
    out.textContent = "";
    try {
      await attempt($(`${name}-in`).value, (words) => { out.textContent += words; });
    } catch {
      out.textContent += "no answer: is the server still running?";
    }
  });
}

form("hello", async (value, say) => {
  const answer = await fetch(`/hello/${encodeURIComponent(value)}`);
  say(`${answer.status} ${await answer.text()}`);
});

form("count", async (value, say) => {
  const answer = await fetch(`/count/${encodeURIComponent(value)}`);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let got = await reader.read(); !got.done; got = await reader.read()) {
    say(got.value.replaceAll("\n", " "));
  }
  say("end");
});

let socket;

async function opened() {
  if (socket?.readyState === WebSocket.OPEN) return;
  socket = new WebSocket(`${location.protocol.replace("http", "ws")}//${location.host}/ws`);
  await new Promise((done, fail) => { socket.onopen = done; socket.onerror = fail; });
}

form("echo", async (value, say) => {
  await opened();
  const asked = performance.now();
  const answer = new Promise((done, fail) => { socket.onmessage = done; socket.onclose = fail; });
  socket.send(value);
  say(`${(await answer).data}\n${(performance.now() - asked).toFixed(1)} ms there and back`);
});

const about = await (await fetch("/about")).json();
for (const [name, value] of Object.entries(about)) $(name).textContent = value;
