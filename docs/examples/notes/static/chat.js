// The chat. What others wrote is only ever set as text, never as HTML.

const $ = (id) => document.getElementById(id);
const log = $("log"), words = $("words");
let socket;
let attempts = 0;
const seen = new Set(); // numbers of the messages that are shown
let last; // who said it

function connect() {
  socket = new WebSocket(`${location.origin.replace("http", "ws")}${log.dataset.talk}`);
  socket.onmessage = (event) => said(JSON.parse(event.data));
  socket.onopen = () => {
    attempts = 0;
    state("live", "Connected");
    $("quiet").hidden = seen.size > 0;
  };
  socket.onclose = () => {
    state("down", "Connecting again");
    // Twice as long each time, and never all pages at once.
    setTimeout(connect, Math.min(15_000, 500 * 2 ** attempts++) * (0.5 + Math.random() / 2));
  };
}

function state(kind, text) {
  $("state").dataset.state = kind;
  $("state").textContent = text;
  $("send").disabled = kind !== "live";
}

function said({ id, name, text, sent }) {
  if (seen.has(id)) return; // after a new connection
  seen.add(id);
  $("quiet").hidden = true;
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  const item = document.createElement("article");
  const by = Object.assign(document.createElement("span"), { className: "by" });
  const time = document.createElement("time");
  time.dateTime = new Date(sent * 1000).toISOString();
  time.textContent = new Date(sent * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  by.append(Object.assign(document.createElement("bdi"), { textContent: name }), time);
  item.append(by, Object.assign(document.createElement("span"), { className: "text", textContent: text }));
  item.classList.toggle("mine", name === log.dataset.me);
  item.classList.toggle("next", name === last);
  last = name;
  log.append(item);
  if (atEnd || name === log.dataset.me) log.scrollTop = log.scrollHeight;
}

$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!words.value.trim() || socket.readyState !== WebSocket.OPEN) return;
  socket.send(words.value);
  words.value = "";
});
words.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("say").requestSubmit();
});

connect();
if (matchMedia("(pointer: fine)").matches) words.focus(); // else a keyboard would come up
