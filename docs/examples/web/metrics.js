// The dashboard's page: an EventSource and two charts drawn by hand.

const SPAN = 120; // seconds on the charts
const GAP = 3; // seconds without a sample that break a curve
const AGAIN = 3_000; // ms until a new attempt, where the browser has given up

const $ = (id) => document.getElementById(id);
const MIB = 2 ** 20;
const CHARTS = {
  cpu: { name: "CPU", unit: "%", of: (sample) => sample.cpu, digits: 1, least: 10 },
  memory: { name: "Memory", unit: "MiB", of: (sample) => sample.memory / MIB, digits: 1, least: 50 },
};

let samples = [];
let started = null; // of the server's process
let hovered = null; // the time under the pointer

// --- the stream -----------------------------------------------------------------------------

function connect() {
  const source = new EventSource("/metrics/events");
  source.addEventListener("hello", (event) => greet(JSON.parse(event.data)));
  source.addEventListener("resync", (event) => resync(JSON.parse(event.data)));
  source.addEventListener("message", (event) => take(JSON.parse(event.data)));
  source.addEventListener("error", () => {
    if ($("state").dataset.state === "live") note("lost", "The line is cut");
    state("wait", "Reconnecting");
    // The browser comes again by itself, unless it was answered with something else.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, AGAIN);
  });
}

function greet({ pid, started: since, python, cores, waiting }) {
  const events = `${waiting} event${waiting === 1 ? "" : "s"}`;
  if (started === null) note("", `Connected; ${events} of history`);
  else if (started === since) note("again", `Reconnected, ${events} replayed`);
  else note("again", "Reconnected to a server that was restarted");
  started = since;
  $("pid").textContent = `pid ${pid}, Python ${python}, ${cores} cores`;
  state("live", "Live");
}

function resync({ reason, missed }) {
  if (reason === "expired") {
    note("resync", `Resync: ${missed} events are gone for good`);
    return;
  }
  note("resync", "Resync: another history, the charts begin anew");
  samples = [];
  draw();
}

function take(sample) {
  samples.push(sample);
  samples = samples.filter(({ at }) => at > sample.at - SPAN - GAP);
  $("cpu-now").textContent = sample.cpu.toFixed(1);
  $("memory-now").textContent = (sample.memory / MIB).toFixed(1);
  $("up").textContent = duration(sample.at - started);
  $("readers").textContent = sample.readers;
  $("readers-what").textContent = sample.readers === 1 ? "page, yours" : "pages, yours among them";
  requestDraw();
}

function state(kind, words) {
  if ($("state").dataset.state === kind && $("state").textContent === words) return;
  $("state").dataset.state = kind;
  $("state").textContent = words;
}

function note(kind, words) {
  const line = document.createElement("p");
  line.className = kind;
  const time = document.createElement("time");
  time.textContent = clock(Date.now() / 1000);
  const text = document.createElement("span");
  text.textContent = words;
  line.append(time, " ", text);
  $("log").prepend(line);
  while ($("log").children.length > 50) $("log").lastChild.remove();
}

const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], { hour12: false });

function duration(seconds) {
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, Math.floor(seconds) % 60];
  return parts.map((part) => String(part).padStart(2, "0")).join(":");
}

// --- the charts -----------------------------------------------------------------------------

let drawing = false;

/** Once a frame, however many samples a replay brings. */
function requestDraw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => { drawing = false; draw(); });
}

function draw() {
  for (const id of Object.keys(CHARTS)) chart($(id), CHARTS[id]);
}

function chart(svg, { name, unit, of, digits, least }) {
  const { width, height } = svg.getBoundingClientRect();
  const left = 36, right = 10, top = 8, bottom = 24;
  const now = samples.at(-1)?.at ?? Date.now() / 1000;
  const most = ceiling(Math.max(least, ...samples.map(of)));
  const x = (at) => left + (width - left - right) * (1 - (now - at) / SPAN);
  const y = (value) => height - bottom - (height - top - bottom) * value / most;
  const shapes = [];
  for (const share of [0, 0.5, 1]) {
    const value = most * share;
    shapes.push(shape("line", { class: "grid", x1: left, x2: width - right, y1: y(value), y2: y(value) }));
    shapes.push(shape("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, value));
  }
  for (const [ago, words, anchor] of [[SPAN, `${SPAN / 60} min ago`, "start"], [SPAN / 2, "1 min", "middle"], [0, "now", "end"]]) {
    shapes.push(shape("text", { x: x(now - ago), y: height - 6, "text-anchor": anchor }, words));
  }
  const inside = samples.filter(({ at }) => at >= now - SPAN);
  for (const run of runs(inside)) {
    const line = run.map((sample) => `${x(sample.at).toFixed(1)} ${y(of(sample)).toFixed(1)}`).join("L");
    shapes.push(shape("path", { class: "area", d: `M${x(run[0].at)} ${y(0)}L${line}L${x(run.at(-1).at)} ${y(0)}Z` }));
    shapes.push(shape("path", { class: "curve", d: `M${line}` }));
  }
  const shown = nearest(inside, hovered) ?? inside.at(-1);
  if (shown) {
    const spot = { cx: x(shown.at), cy: y(of(shown)) };
    if (hovered !== null) shapes.push(shape("line", { class: "cross", x1: spot.cx, x2: spot.cx, y1: top, y2: height - bottom }));
    shapes.push(shape("circle", { class: "dot", r: 4.5, ...spot }));
  }
  svg.replaceChildren(...shapes);
  svg.dataset.points = inside.length;
  svg.dataset.since = inside[0]?.at ?? now;
  const figure = (value) => `${value.toFixed(digits)} ${unit}`;
  if (shown) {
    const peak = Math.max(...inside.map(of));
    $(`${svg.id}-reading`).textContent = hovered === null
      ? `highest ${figure(peak)}` : `${clock(shown.at)}: ${figure(of(shown))}`;
    svg.setAttribute("aria-label", `${name}, the last two minutes: now ${figure(of(inside.at(-1)))}, highest ${figure(peak)}`);
  }
}

function shape(tag, attributes, words) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (words !== undefined) made.textContent = words;
  return made;
}

/** The samples without a gap between them. */
function runs(list) {
  const found = [];
  for (const sample of list) {
    if (sample.at - (found.at(-1)?.at(-1).at ?? -Infinity) > GAP) found.push([]);
    found.at(-1).push(sample);
  }
  return found;
}

/** The next round number: 1, 2 or 5 and zeros. */
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
}

function nearest(list, at) {
  if (at === null) return undefined;
  return list.reduce((best, sample) => !best || Math.abs(sample.at - at) < Math.abs(best.at - at) ? sample : best, undefined);
}

for (const id of Object.keys(CHARTS)) {
  $(id).addEventListener("pointermove", (event) => {
    const box = $(id).getBoundingClientRect();
    const share = (event.clientX - box.left - 36) / (box.width - 46);
    hovered = (samples.at(-1)?.at ?? 0) - SPAN * (1 - share);
    requestDraw();
  });
  for (const end of ["pointerleave", "pointercancel"]) {
    $(id).addEventListener(end, () => { hovered = null; requestDraw(); });
  }
}
new ResizeObserver(requestDraw).observe($("cpu"));

// --- buttons ----------------------------------------------------------------------------------

$("work").addEventListener("click", async () => {
  $("work").disabled = true;
  const answer = await fetch("/metrics/work", { method: "POST" }).catch(() => null);
  if (!answer?.ok) note("", answer?.status === 409 ? "Somebody else has it at work already" : "No answer: is the server running?");
  $("work").disabled = false;
});

$("cut").addEventListener("click", () => fetch("/metrics/cut", { method: "POST" }).catch(() => note("", "No answer: is the server running?")));

connect();
