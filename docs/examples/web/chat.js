// The chat's page. What others wrote is only ever set as text, never as HTML.

const LONGEST_WAIT = 15_000; // ms between two attempts to connect

const $ = (id) => document.getElementById(id);
const log = $("log"), text = $("text");
const ROOMS = [...document.querySelectorAll("#rooms a")].map((link) => link.hash.slice(1));

let room, name, socket, timer;
let attempts = 0;
let limit = Infinity;
let seen = new Set(); // ids of the messages shown
let last = null; // who said it

// --- connection ---------------------------------------------------------------------------

function connect() {
  clearTimeout(timer);
  socket?.close(1000);
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const here = new WebSocket(`${scheme}://${location.host}/chat/${room}?name=${encodeURIComponent(name)}`);
  socket = here;
  state("wait", "Connecting");
  here.onmessage = (event) => here === socket && receive(JSON.parse(event.data));
  here.onclose = () => here === socket && reconnect();
}

function reconnect() {
  // Twice as long each time, and never all tabs at once.
  const wait = Math.min(LONGEST_WAIT, 500 * 2 ** attempts++) * (0.5 + Math.random() / 2);
  state("down", "Offline");
  $("send").disabled = true;
  $("banner-text").textContent = `No connection. Next attempt in ${Math.ceil(wait / 1000)} s.`;
  $("banner").hidden = false;
  timer = setTimeout(connect, wait);
}

function state(kind, words) {
  $("state").dataset.state = kind;
  $("state").textContent = words;
}

// --- what the server says -------------------------------------------------------------------

function receive(event) {
  switch (event.kind) {
    case "welcome": return welcome(event);
    case "said": return said(event);
    case "people": return people(event);
    case "fault": $("fault").textContent = event.text;
  }
}

function welcome({ you, limit: most, people: everybody, history }) {
  const again = seen.size > 0;
  attempts = 0;
  limit = most;
  $("you").textContent = you;
  $("banner").hidden = true;
  state("live", "Connected");
  for (const [each, names] of Object.entries(everybody)) count(each, names);
  list(everybody[room]);
  const missed = history.filter(({ id }) => !seen.has(id));
  missed.forEach(said);
  if (again) notice(missed.length ? `Connected again; ${plural(missed.length, "message")} meanwhile` : "Connected again");
  else if (!history.length) notice(`This is the beginning of #${room}`);
  measure();
}

function said({ id, at, name: by, text: words }) {
  if (seen.has(id)) return;
  seen.add(id);
  const item = element("article", "said");
  const time = element("time", "", new Date(at * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  time.dateTime = new Date(at * 1000).toISOString();
  const head = element("span", "by");
  head.append(element("bdi", "", by), " ", time);
  item.classList.toggle("mine", by === $("you").textContent);
  item.classList.toggle("next", by === last);
  item.append(face(by), head, element("span", "text", words));
  last = by;
  show(item);
}

function people({ room: where, people: names, joined, left }) {
  count(where, names);
  if (where !== room) return;
  list(names);
  const who = joined ?? left;
  if (who !== $("you").textContent) notice(`${who} ${joined ? "joined" : "left"}`);
}

// --- showing --------------------------------------------------------------------------------

function element(tag, className = "", words = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = words;
  return made;
}

function face(who) {
  const made = element("span", "face", [...who][0].toUpperCase());
  const sum = [...who].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 9973, 7);
  made.style.setProperty("--hue", sum * 137.5 % 360); // neighbours get far colours
  made.ariaHidden = "true";
  return made;
}

function notice(words) {
  last = null;
  show(element("p", "notice", words));
}

function show(item) {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
  log.append(item);
  if (atEnd || item.classList.contains("mine")) log.scrollTop = log.scrollHeight;
}

function list(names) {
  $("people-title").textContent = `${names.length} here now`;
  $("people").replaceChildren(...names.map((who) => {
    const item = element("li");
    item.append(face(who), element("bdi", "", who));
    return item;
  }));
}

function count(where, names) {
  const link = $(`room-${where}`);
  link.querySelector(".number").textContent = names.length;
  link.setAttribute("aria-label", `${where}, ${names.length === 1 ? "1 person" : `${names.length} people`}`);
}

const plural = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;

// --- what the user does -----------------------------------------------------------------------

function enter() {
  const wanted = location.hash.slice(1);
  const next = ROOMS.includes(wanted) ? wanted : ROOMS[0];
  if (next === room) return;
  room = next;
  for (const each of ROOMS) {
    if (each === room) $(`room-${each}`).setAttribute("aria-current", "page");
    else $(`room-${each}`).removeAttribute("aria-current");
  }
  log.replaceChildren();
  seen = new Set();
  last = null;
  attempts = 0;
  document.title = `#${room} · Chat · anylane`;
  if (name) connect();
}

function measure() {
  const length = [...text.value].length; // characters, as the server counts them
  const over = length > limit;
  $("count").textContent = limit < Infinity && length > limit / 2 ? `${length} of ${limit}` : "";
  $("count").classList.toggle("over", over);
  $("fault").textContent = over ? `Too long: a message has at most ${limit} characters.` : "";
  $("send").disabled = over || !text.value.trim() || socket?.readyState !== WebSocket.OPEN;
}

$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  measure();
  if ($("send").disabled) return;
  socket.send(text.value.trim());
  text.value = "";
  measure();
  text.focus();
});

text.addEventListener("input", measure);
text.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("say").requestSubmit();
});

$("rename").addEventListener("click", ask);
$("retry").addEventListener("click", connect);
addEventListener("online", () => socket?.readyState === WebSocket.CLOSED && connect());
addEventListener("hashchange", enter);

function ask() {
  $("name").value = name ?? localStorage.getItem("name") ?? "";
  $("who").showModal();
}

$("who").addEventListener("close", () => {
  const wish = $("name").value.trim();
  if (wish && wish !== name) {
    name = wish;
    sessionStorage.setItem("name", name); // of this tab
    localStorage.setItem("name", name); // proposed to the next one
    connect();
  }
  if (!name) ask();
  else text.focus();
});

// --- begin --------------------------------------------------------------------------------------

name = sessionStorage.getItem("name");
enter();
if (!name) ask();
