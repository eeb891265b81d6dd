// The wallboard: a tile for each living call, who needs a person first; calls that ended in a table below. Everything
// that was said or typed by anybody enters as text, never as markup.

import "/static/steer.js";
import { addKey } from "/static/shell.js";
import { follow, serverNow } from "/static/socket.js";
import { loud, tick } from "/static/strips.js";
import { loadTranscript, selectCall, selectedCall, showHead, showLine } from "/static/talk.js";
import { clockFace, dueIn } from "/static/wall_time.js";

const WORDS_SHOWN = 160;
const ENDED_SHOWN = 30;
const tiles = document.getElementById("tiles");
const rows = document.getElementById("rows");
const summary = document.getElementById("summary");
const tileTemplate = document.getElementById("tile");
const rowTemplate = document.getElementById("row");
const TILE_FIELDS = ["state_label", "number", "callee", "campaign", "callee_words", "agent_words", "voice", "delay"];
const ROW_FIELDS = ["number", "callee", "outcome", "campaign", "cost"];

const tileById = new Map([...tiles.children].map((tile) => [tile.dataset.call, tile]));
const rowById = new Map([...rows.children].map((row) => [row.dataset.call, row]));
let saidLast = 0;

function setText(root, field, text) {
  const place = root.querySelector(`[data-field="${field}"]`);
  if (place.textContent !== text) place.textContent = text;
}

// --- tiles ---------------------------------------------------------------------------------------------------
const needOf = (card) => Math.max(0, ...card.badges.map((badge) => badge.need));

function marks(badges) {
  return badges.map((badge) => {
    const entry = document.createElement("li");
    entry.className = "mark";
    entry.dataset.kind = badge.kind;
    entry.textContent = badge.label;
    return entry;
  });
}

// Whether `one` stands before `other`: who needs a person first, then the oldest. As `arranged` on the server.
function before(one, other) {
  const need = Number(other.dataset.need) - Number(one.dataset.need);
  const age = Number(one.dataset.created) - Number(other.dataset.created);
  return (need || age || (one.dataset.call < other.dataset.call ? -1 : 1)) < 0;
}

function settle(tile) {
  const previous = tile.previousElementSibling;
  const next = tile.nextElementSibling;
  const placed = tile.isConnected && (previous === null || before(previous, tile)) && (next === null || before(tile, next));
  if (placed) return;
  const focused = tile.contains(document.activeElement) ? document.activeElement : null;
  const later = [...tiles.children].find((other) => other !== tile && before(tile, other));
  tiles.insertBefore(tile, later ?? null);
  focused?.focus({ preventScroll: true });
}

function showTile(card) {
  let tile = tileById.get(card.id);
  if (tile === undefined) {
    tile = tileTemplate.content.firstElementChild.cloneNode(true);
    tile.dataset.call = card.id;
    tile.querySelector("a").href = `/?call=${encodeURIComponent(card.id)}`;
    tileById.set(card.id, tile);
  }
  const need = String(needOf(card));
  const moved = tile.dataset.need !== need || tile.dataset.created !== String(card.created_ms);
  tile.dataset.state = card.state;
  tile.dataset.need = need;
  tile.dataset.from = card.timer_from_ms;
  tile.dataset.created = card.created_ms;
  for (const field of TILE_FIELDS) setText(tile, field, card[field]);
  tile.querySelector('[data-field="delay"]').dataset.grade = card.delay_grade;
  const badges = tile.querySelector('[data-field="badges"]');
  const labels = card.badges.map((badge) => badge.label).join();
  if (badges.dataset.labels !== labels) {
    badges.dataset.labels = labels;
    badges.replaceChildren(...marks(card.badges));
  }
  if (moved || !tile.isConnected) settle(tile);
  markSelected(tile);
}

function showWords(said) {
  const tile = tileById.get(said.call_id);
  if (tile === undefined) return;
  const words = said.text.length <= WORDS_SHOWN ? said.text : `… ${said.text.slice(-WORDS_SHOWN).replace(/^\S* /, "")}`;
  setText(tile, said.speaker === "callee" ? "callee_words" : "agent_words", words);
  if (said.speaker !== "callee") setText(tile, "voice", said.speaker === "operator" ? "Person" : "Agent");
}

function markSelected(tile) {
  const is = tile.dataset.call === selectedCall() && selectedCall() !== "";
  if (is) tile.dataset.selected = "yes";
  else delete tile.dataset.selected;
  const link = tile.querySelector("a");
  if (is) link.setAttribute("aria-current", "true");
  else link.removeAttribute("aria-current");
}

// --- ended calls ---------------------------------------------------------------------------------------------
function showRow(card) {
  let row = rowById.get(card.id);
  if (row === undefined) {
    row = rowTemplate.content.firstElementChild.cloneNode(true);
    row.dataset.call = card.id;
    row.dataset.created = card.created_ms;
    row.querySelector("a").href = `/?call=${encodeURIComponent(card.id)}`;
    const older = [...rows.children].find((other) => Number(other.dataset.created) <= card.created_ms);
    rows.insertBefore(row, older ?? null);
    rowById.set(card.id, row);
    while (rows.children.length > ENDED_SHOWN) forgetRow(rows.lastElementChild.dataset.call);
  }
  for (const field of ROW_FIELDS) setText(row, field, card[field]);
  setText(row, "timer", clockFace((card.timer_to_ms ?? serverNow()) - card.timer_from_ms));
}

function forgetTile(callId) {
  tileById.get(callId)?.remove();
  tileById.delete(callId);
}

function forgetRow(callId) {
  rowById.get(callId)?.remove();
  rowById.delete(callId);
}

function showCall(card) {
  if (card.alive) {
    forgetRow(card.id);
    showTile(card);
  } else {
    forgetTile(card.id);
    showRow(card);
  }
  if (card.id === selectedCall()) showHead(card);
}

// --- the header ----------------------------------------------------------------------------------------------
function showFigures(figures) {
  for (const place of document.querySelectorAll("[data-count]")) {
    const name = place.dataset.count;
    if (name !== "due") setText(place, "value", String(figures[name]));
  }
  document.querySelector("[data-count-cap]").textContent = String(figures.cap);
  document.querySelector("[data-due]").dataset.due = figures.next_due_ms ?? "";
  document.querySelector('[data-count="waiting"]').dataset.urgent = figures.waiting > 0 ? "yes" : "";
  document.querySelector('[data-count="failed"]').dataset.urgent = figures.failed > 0 ? "yes" : "";
  // read out at most every 20 s
  if (performance.now() - saidLast < 20000) return;
  saidLast = performance.now();
  summary.textContent = `${figures.live} of ${figures.cap} calls live, ${figures.waiting} need you`;
}

function showTimers() {
  const now = serverNow();
  for (const tile of tiles.children) setText(tile, "timer", clockFace(now - Number(tile.dataset.from)));
  const due = document.querySelector("[data-due]");
  const text = dueIn(due.dataset.due === "" ? null : Number(due.dataset.due), now);
  if (due.textContent !== text) due.textContent = text;
  tick();
}

function showEmptiness() {
  document.getElementById("empty").hidden = tileById.size + rowById.size > 0;
  document.getElementById("quiet").hidden = tileById.size > 0 || rowById.size === 0;
  document.getElementById("over").hidden = rowById.size === 0;
}

// --- choosing a call -----------------------------------------------------------------------------------------
async function select(callId) {
  const done = selectCall(callId);
  for (const tile of tiles.children) markSelected(tile);
  await done;
}

document.querySelector(".wall-calls").addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  const entry = event.target.closest("[data-call]");
  if (entry === null || getSelection().toString() !== "") return;
  event.preventDefault();
  history.pushState(null, "", `/?call=${encodeURIComponent(entry.dataset.call)}`);
  select(entry.dataset.call);
  document.getElementById("talk").scrollIntoView({ block: "nearest" });
});

function close() {
  const callId = selectedCall();
  if (callId === "") return;
  history.pushState(null, "", "/");
  select("");
  tileById.get(callId)?.querySelector("a").focus();
}
document.getElementById("talk-close").addEventListener("click", close);
addKey("Escape", "close the panel of a call", close);
addEventListener("popstate", () => select(new URLSearchParams(location.search).get("call") ?? ""));

// --- what comes ----------------------------------------------------------------------------------------------
function take(message) {
  if (message.type === "snapshot") {
    const present = new Set(message.calls.map((card) => card.id));
    for (const callId of [...tileById.keys()]) if (!present.has(callId)) forgetTile(callId);
    for (const callId of [...rowById.keys()]) if (!present.has(callId)) forgetRow(callId);
    loadTranscript();
  } else {
    for (const callId of message.removed) {
      forgetTile(callId);
      forgetRow(callId);
    }
  }
  for (const card of message.calls) showCall(card);
  for (const said of message.words ?? []) {
    showWords(said);
    if (said.call_id === selectedCall()) showLine(said);
  }
  for (const [callId, callee, agent] of message.levels ?? []) {
    const tile = tileById.get(callId);
    if (tile !== undefined) loud(tile.querySelector("canvas"), callee, agent);
  }
  if (message.figures) showFigures(message.figures);
  showEmptiness();
}

setInterval(showTimers, 1000);
showTimers();
follow(take);
