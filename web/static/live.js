// The page "Calls", live. Everything that was said or typed by anybody enters as text, never as markup.

import "/static/steer.js";
import { follow, serverNow } from "/static/socket.js";

const summary = document.getElementById("summary");
const empty = document.getElementById("empty");
const board = document.getElementById("calls");
const rows = document.getElementById("rows");
const talk = document.getElementById("talk");
const lines = document.getElementById("lines");
const rowTemplate = document.getElementById("row");
const lineTemplate = document.getElementById("line");

const FIELDS = ["state_label", "number", "callee", "agent", "callee_words", "agent_words", "outcome", "cost"];
let lastSummary = "";

// --- the table -----------------------------------------------------------------------------------------------
function setText(root, field, text) {
  const place = root.querySelector(`[data-field="${field}"]`);
  if (place.textContent !== text) place.textContent = text;
}

function rowOf(callId) {
  return rows.querySelector(`[data-call="${CSS.escape(callId)}"]`);
}

function showCall(card) {
  let row = rowOf(card.id);
  if (row === null) {
    row = rowTemplate.content.firstElementChild.cloneNode(true);
    row.dataset.call = card.id;
    row.dataset.created = card.created_ms;
    row.querySelector("a").href = `/?call=${encodeURIComponent(card.id)}`;
    const older = [...rows.children].find((other) => Number(other.dataset.created) <= card.created_ms);
    rows.insertBefore(row, older ?? null);
  }
  row.dataset.state = card.state;
  row.dataset.from = card.timer_from_ms;
  row.dataset.to = card.timer_to_ms ?? "";
  for (const field of FIELDS) setText(row, field, card[field]);
  if (card.id === talk.dataset.call) document.getElementById("talk-detail").textContent = card.detail;
  markSelected(row);
}

function markSelected(row) {
  if (row.dataset.call === talk.dataset.call) row.setAttribute("aria-current", "true");
  else row.removeAttribute("aria-current");
}

function showTimers() {
  const now = serverNow();
  for (const row of rows.children) {
    const to = row.dataset.to === "" ? now : Number(row.dataset.to);
    setText(row, "timer", clockFace(to - Number(row.dataset.from)));
  }
}

function clockFace(ms) {
  const all = Math.max(0, Math.floor(ms / 1000));
  const seconds = String(all % 60).padStart(2, "0");
  const minutes = Math.floor(all / 60) % 60;
  const hours = Math.floor(all / 3600);
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${seconds}` : `${minutes}:${seconds}`;
}

function showSummary() {
  const alive = [...rows.children].filter((row) => row.dataset.state !== "ended").length;
  const text = `${alive} in progress, ${rows.children.length - alive} ended`;
  if (text !== lastSummary) summary.textContent = lastSummary = text;
  empty.hidden = rows.children.length > 0;
  board.hidden = rows.children.length === 0;
}

// --- the transcript of the selected call ---------------------------------------------------------------------
function showLine(said) {
  const key = `[data-item="${CSS.escape(said.item_id)}"][data-speaker="${CSS.escape(said.speaker)}"]`;
  let line = lines.querySelector(key);
  if (line === null) {
    line = lineTemplate.content.firstElementChild.cloneNode(true);
    line.dataset.item = said.item_id;
    line.dataset.speaker = said.speaker;
    setText(line, "who", said.speaker === "callee" ? "Callee" : "Agent");
    lines.append(line);
  }
  if (said.at !== undefined) setText(line, "at", said.at);
  if (said.interrupted !== undefined) setText(line, "note", said.interrupted ? "(interrupted)" : "");
  setText(line, "text", said.text);
  document.getElementById("talk-empty").hidden = true;
}

async function loadTranscript() {
  const callId = talk.dataset.call;
  if (callId === "") return;
  let page;
  try {
    const answer = await fetch(`/calls/${encodeURIComponent(callId)}`);
    if (!answer.ok) return;
    page = await answer.json();
  } catch {
    return; // the banner tells; the next snapshot loads it again
  }
  if (talk.dataset.call !== callId) return;
  document.getElementById("talk-number").textContent = page.call.number;
  document.getElementById("talk-detail").textContent = page.call.detail;
  for (const line of page.lines) showLine(line);
}

async function select(callId) {
  talk.dataset.call = callId;
  const steer = document.getElementById("steer");
  if (steer !== null) steer.dataset.call = callId;
  talk.hidden = callId === "";
  document.querySelector(".notice")?.remove();
  lines.replaceChildren();
  document.getElementById("talk-empty").hidden = false;
  for (const row of rows.children) markSelected(row);
  await loadTranscript();
}

rows.addEventListener("click", async (event) => {
  const link = event.target.closest("a");
  if (link === null || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  history.pushState(null, "", link.href);
  await select(link.closest("[data-call]").dataset.call);
  talk.scrollIntoView({ block: "nearest" });
});
addEventListener("popstate", () => select(new URLSearchParams(location.search).get("call") ?? ""));

// --- what comes ----------------------------------------------------------------------------------------------
function take(message) {
  if (message.type === "snapshot") {
    const present = new Set(message.calls.map((card) => card.id));
    for (const row of [...rows.children]) if (!present.has(row.dataset.call)) row.remove();
    loadTranscript();
  } else {
    for (const callId of message.removed) rowOf(callId)?.remove();
    for (const said of message.words) if (said.call_id === talk.dataset.call) showLine(said);
  }
  for (const card of message.calls) showCall(card);
  showTimers();
  showSummary();
}

setInterval(showTimers, 1000);
showSummary();
follow(take);
