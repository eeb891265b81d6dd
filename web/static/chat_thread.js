// The thread that is shown: what is stored of it, read from the server again whenever something may have changed.

import { ownZone } from "/static/chat_form.js";
import { detailOf } from "/static/chat_stream.js";
import { turnItem } from "/static/chat_turns.js";

const at = (id) => document.getElementById(id);
const [turns, problem] = ["turns", "problem"].map(at);

export let thread = at("talk").dataset.thread;
export const storage = (key) => `chat-${key}-${thread}`;
let name = at("display-name").value;
let acts = {}; // what the buttons of a turn do
const shown = new Map(); // seq -> the turn as JSON, to leave what did not change as it is

export function setActs(given) {
  acts = given;
}

export function say(words) {
  problem.textContent = words;
  problem.hidden = words === "";
}

function show(view) {
  name = view.display_name;
  const known = new Set(view.turns.map((turn) => String(turn.seq)));
  for (const item of [...turns.children]) if (!known.has(item.dataset.seq)) item.remove();
  view.turns.forEach((turn, place) => {
    const text = JSON.stringify(turn);
    let item = turns.querySelector(`:scope > [data-seq="${turn.seq}"]`);
    if (item === null || shown.get(turn.seq) !== text) {
      const fresh = turnItem(turn, name, acts);
      if (item === null) turns.insertBefore(fresh, turns.children[place] ?? null);
      else item.replaceWith(fresh);
      item = fresh;
    }
    shown.set(turn.seq, text);
  });
  at("loading").hidden = true;
  at("welcome").hidden = true;
  showUntold(view.untold);
}

function showUntold(count) {
  const words = count === 1 ? "A call of this conversation has ended." : `${count} calls of this conversation have ended.`;
  const place = at("untold").querySelector("span");
  if (count > 0 && place.textContent !== words) place.textContent = words;
  at("untold").hidden = count === 0;
}

// Reads the thread; answers the view, or null when it cannot be read now.
export async function sync() {
  if (thread === "") return null;
  try {
    const answer = await fetch(`/api/chat/threads/${thread}?zone=${encodeURIComponent(ownZone())}`);
    if (!answer.ok) {
      say((await detailOf(answer)).detail);
      return null;
    }
    const view = await answer.json();
    show(view);
    return view;
  } catch {
    return null;
  }
}

export function adopt(conversationId) {
  if (thread === conversationId) return;
  const pending = sessionStorage.getItem(storage("pending"));
  sessionStorage.removeItem(storage("pending"));
  thread = conversationId;
  if (pending !== null) sessionStorage.setItem(storage("pending"), pending);
  history.replaceState(null, "", `/chat/${thread}`);
  document.querySelector(".threads .new").removeAttribute("aria-current");
}

export function listFirst(words) {
  const old = document.querySelector(`#threads [data-thread="${thread}"]`);
  if (old !== null) return;
  const link = document.createElement("a");
  link.href = `/chat/${thread}`;
  link.dataset.thread = thread;
  link.dir = "auto";
  link.setAttribute("aria-current", "page");
  link.textContent = words || "A conversation without words";
  const item = document.createElement("li");
  item.append(link);
  at("threads").prepend(item);
}

// The message as a turn before the server has it; `show` removes it.
export function echo(text) {
  const turn = { seq: -1, role: "user", kind: "message", text, at: "", looked: [], missing: [], answers: [], tables: [], form: [], plan: null, news: null, again: false, cost: "" };
  turns.append(turnItem(turn, at("display-name").value, acts));
  at("welcome").hidden = true;
  at("live").scrollIntoView({ block: "nearest" });
}
