// The page of one call. What changes is asked for again when a frame is about this call; words that are being
// spoken are shown at once, as text.

import { follow, serverNow } from "/static/socket.js";
import { clockFace } from "/static/call_time.js";
import "/static/call_player.js";
import "/static/steer.js";

const REFRESH_MS = 1200;
const REST_MS = 5000;
const NEWEST = 150; // so many entries are read each time

const callId = document.getElementById("head").dataset.call;
const partial = document.getElementById("partial");
const head = () => document.getElementById("head");
const settled = () => head().dataset.settled === "1";
const alive = () => head().dataset.alive === "1";
let asked = 0;
let wanted = false;
let asking = false;

// --- what changes -------------------------------------------------------------------------------------------
function replaceEntries(fresh) {
  const list = document.getElementById("entries");
  for (const item of [...fresh.children]) {
    const old = document.getElementById(item.id);
    if (old === null) place(list, item);
    else if (!old.isEqualNode(item)) {
      if (old.getAttribute("aria-current")) item.setAttribute("aria-current", old.getAttribute("aria-current"));
      old.replaceWith(item);
    }
  }
}

function place(list, item) {
  const at = Number(item.dataset.at);
  let before = list.lastElementChild;
  while (before !== null && Number(before.dataset.at) > at) before = before.previousElementSibling;
  if (before === null) list.prepend(item);
  else before.after(item);
}

function replacePart(id, page) {
  const fresh = page.getElementById(id);
  const old = document.getElementById(id);
  if (fresh === null || old === null || old.isEqualNode(fresh)) return;
  const open = [...old.querySelectorAll("details")].map((one) => one.open);
  [...fresh.querySelectorAll("details")].forEach((one, n) => (one.open = open[n] ?? one.open));
  old.replaceWith(fresh);
}

async function read(part) {
  const answer = await fetch(`/calls/${encodeURIComponent(callId)}${part}`);
  return answer.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
}

// What came while nobody looked may be more than is read each time: then nothing may be missing between.
async function current() {
  const page = await read(`/panels?newest=${NEWEST}`);
  const oldest = page?.getElementById("entries").firstElementChild;
  const joins = !oldest || document.getElementById(oldest.id) !== null;
  return joins || document.getElementById("entries").firstElementChild === null ? page : read("");
}

async function refresh() {
  if (asking) return;
  asking = true;
  wanted = false;
  asked = Date.now();
  try {
    const page = await current();
    if (page === null) return;
    const wasAlive = alive();
    showTimer(page);
    for (const id of ["head", "recorded", "silence", "task", "judged", "fields", "costs", "line"]) replacePart(id, page);
    replaceEntries(page.getElementById("entries"));
    if (wasAlive && !alive()) ended();
    dispatchEvent(new CustomEvent("call-changed"));
  } catch {
    // the banner tells; the next look brings everything
  } finally {
    asking = false;
  }
}

function ended() {
  partial.textContent = "";
  document.getElementById("steer")?.remove();
}

setInterval(() => {
  if (settled() || document.hidden) return;
  const since = Date.now() - asked;
  if ((wanted && since >= REFRESH_MS) || since >= REST_MS) refresh();
}, 300);

function showTimer(page) {
  const timer = page.getElementById("timer");
  if (timer !== null) timer.textContent = clockFace(serverNow() - Number(timer.dataset.from));
}

setInterval(() => showTimer(document), 1000);

follow((message) => {
  if (message.calls.some((card) => card.id === callId)) wanted = true;
  if ((message.questions ?? []).some((one) => one.call_id === callId)) wanted = true;
  for (const said of message.words ?? []) {
    if (said.call_id !== callId) continue;
    wanted = true;
    const who = { callee: "Callee", operator: "Operator" }[said.speaker] ?? "Agent";
    partial.textContent = said.final ? "" : `${who}: ${said.text}`;
  }
  if (message.type === "snapshot") wanted = true;
});
