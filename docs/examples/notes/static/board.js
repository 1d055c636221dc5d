// The board: what is changed elsewhere comes up here.

import { tellTimes } from "./note.js";

const $ = (id) => document.getElementById(id);
const DONE = { saved: "is saved", deleted: "is deleted" };
let timer;
let turn = Promise.resolve(); // one after the other, so that the last answer is the newest one

/** Put the list as it is now in the place of the one that is shown. */
async function renew() {
  const answer = await fetch(location.href);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const board = page.getElementById("board");
  if (!board) return location.reload(); // logged out meanwhile
  const before = new Map([...document.querySelectorAll(".note")].map((note) => [note.id, note.textContent]));
  $("board").replaceChildren(...board.childNodes);
  tellTimes();
  for (const note of document.querySelectorAll(".note")) {
    note.classList.toggle("fresh", before.get(note.id) !== note.textContent);
  }
}

function say(words) {
  clearTimeout(timer);
  $("toast").textContent = words;
  timer = setTimeout(() => { $("toast").textContent = ""; }, 4000);
}

function state(kind, words) {
  $("state").dataset.state = kind;
  $("state").textContent = words;
}

const changes = new EventSource($("board").dataset.changes);
changes.onopen = () => state("live", "Live");
changes.onerror = () => state("down", "Connecting again");
changes.addEventListener("resync", () => { turn = turn.then(renew); });
changes.addEventListener("note", (event) => {
  const { what, title } = JSON.parse(event.data);
  turn = turn.then(renew).then(() => say(`“${title}” ${DONE[what]}`));
});
addEventListener("pagehide", () => changes.close());
