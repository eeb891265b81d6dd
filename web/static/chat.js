// The page "Chat". The server keeps the conversation: after every reply, reload or lost connection it is read again,
// so what is shown is what is stored. A message carries a key, so sending it again is sending it once.

import { randomKey } from "/static/chat_dom.js";
import { ownZone } from "/static/chat_form.js";
import { refreshNews } from "/static/chat_news.js";
import { LINES, detailOf, queryOf, read } from "/static/chat_stream.js";
import { hasTables, putBack, takeTables } from "/static/chat_tables.js";
import { turnItem } from "/static/chat_turns.js";

const PAUSES_MS = [500, 1000, 2000, 4000, 8000];
const at = (id) => document.getElementById(id);
const [talk, turns, live, doing, writing, problem, message] = ["talk", "turns", "live", "doing", "writing", "problem", "message"].map(at);

let thread = talk.dataset.thread;
let name = at("display-name").value;
let busy = false;
let shown = new Map(); // seq -> the turn as JSON, to leave what did not change as it is

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const pauseOf = (failures) => pause(PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)]);
const storage = (key) => `chat-${key}-${thread}`;

// --- what is stored ------------------------------------------------------------------------------------------
function say(words) {
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
async function sync() {
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

// --- a reply while it is written ------------------------------------------------------------------------------
function begin(words) {
  busy = true;
  at("send").disabled = true;
  live.hidden = false;
  doing.textContent = words;
  writing.replaceChildren();
}

function finish() {
  busy = false;
  at("send").disabled = false;
  live.hidden = true;
  writing.replaceChildren();
}

function take(event) {
  switch (event.event) {
    case "conversation":
      adopt(event.conversation_id);
      break;
    case "taken":
    case "reply": // the answer to a message that was sent twice has no "taken"
      sessionStorage.removeItem(storage("pending"));
      break;
    case "text":
      doing.textContent = "";
      writing.append(event.text);
      break;
    case "withdrawn":
      writing.replaceChildren();
      doing.textContent = "That did not hold; the assistant writes it again…";
      break;
    case "looking_up":
      doing.textContent = `Looking up: ${queryOf(event.arguments)}`;
      break;
    case "problem":
      say(event.detail);
      break;
  }
}

// Until nothing is being written any more, whatever happens to the connection meanwhile.
async function settle() {
  for (let failures = 0; ; failures += 1) {
    const view = await sync();
    if (view !== null && !view.answering) break;
    if (view === null && thread === "") break;
    begin(view === null ? "The connection to OpenDeep is lost. Trying again…" : "The assistant is writing…");
    if (view !== null) {
      try {
        const answer = await fetch(`/api/chat/threads/${thread}/reply`, { headers: { accept: LINES } });
        if (answer.ok && (await read(answer, take)) === "reply") {
          failures = -1;
          continue;
        }
      } catch {
        // the next look tells
      }
    }
    await pauseOf(Math.max(failures, 1));
  }
  finish();
  refreshNews().catch(() => {});
}

function adopt(conversationId) {
  if (thread === conversationId) return;
  const pending = sessionStorage.getItem(storage("pending"));
  sessionStorage.removeItem(storage("pending"));
  thread = conversationId;
  if (pending !== null) sessionStorage.setItem(storage("pending"), pending);
  history.replaceState(null, "", `/chat/${thread}`);
  document.querySelector(".threads .new").removeAttribute("aria-current");
}

function listFirst(words) {
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

// Sends a message until it was taken or refused; answers null, or why it was refused.
async function deliver(body) {
  say("");
  begin("The assistant is reading…");
  try {
    sessionStorage.setItem(storage("pending"), JSON.stringify(body));
  } catch {
    sessionStorage.removeItem(storage("pending")); // too large to be kept over a reload; it is sent all the same
  }
  for (let failures = 0; ; failures += 1) {
    let answer;
    try {
      answer = await fetch("/api/chat_interaction", {
        method: "POST",
        headers: { "content-type": "application/json", accept: LINES },
        body: JSON.stringify({ ...body, conversation_id: thread }),
      });
    } catch {
      doing.textContent = "The connection to OpenDeep is lost. Your message is kept and sent again…";
      await pauseOf(failures);
      continue;
    }
    if (!answer.ok) {
      const refused = await detailOf(answer);
      if (refused.status >= 500 && failures < PAUSES_MS.length && refused.status !== 502) {
        doing.textContent = `${refused.detail} Trying again…`;
        await pauseOf(failures);
        continue;
      }
      sessionStorage.removeItem(storage("pending"));
      await settle();
      return refused;
    }
    if ((await read(answer, take)) === "cut") doing.textContent = "The connection was lost; fetching the reply…";
    break;
  }
  listFirst(body.message.slice(0, 200));
  await settle();
  return null;
}

function fresh(body) {
  return { message: "", ...body, display_name: at("display-name").value, time_zone: ownZone(), client_key: randomKey() };
}

// The message as a turn before the server has it; `show` removes it.
function echo(text) {
  const turn = { seq: -1, role: "user", kind: "message", text, at: "", looked: [], missing: [], answers: [], tables: [], form: [], plan: null, news: null, again: false, cost: "" };
  turns.append(turnItem(turn, at("display-name").value, acts));
  at("welcome").hidden = true;
  live.scrollIntoView({ block: "nearest" });
}

const acts = {
  async answer(given) {
    if (busy) return { detail: "A reply is being written; wait for it, or stop it.", fields: null };
    const refused = await deliver(fresh(given));
    if (refused === null) look();
    return refused;
  },
  async again(seq) {
    if (busy) return;
    const refused = await deliver({ message: "", again: seq, time_zone: ownZone() });
    if (refused !== null) say(refused.detail);
    look();
  },
  async confirm(planId, tell) {
    for (let failures = 0; failures < PAUSES_MS.length; failures += 1) {
      try {
        const answer = await fetch("/api/execute_campaign", {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ conversation_id: thread, plan_id: planId }),
        });
        if (answer.ok) {
          await sync();
          turns.querySelector(".decide a")?.focus();
          return null;
        }
        if (answer.status < 500) return (await detailOf(answer)).detail;
      } catch {
        // asking again is harmless: a plan becomes one campaign, however often it is confirmed
      }
      tell("No answer yet. Asking again; nothing is done twice…");
      await pauseOf(failures);
    }
    return "OpenDeep does not answer. Confirm again in a moment; nothing is done twice.";
  },
  edit() {
    message.focus();
    message.placeholder = "Say what should be different.";
  },
};

// After a reply: the reader's place is the reply, and the first field of a form when nothing is being typed.
function look() {
  const last = turns.lastElementChild;
  last?.scrollIntoView({ block: "start" });
  const field = last?.querySelector("form.ask input, form.ask select") ?? (matchMedia("(pointer: coarse)").matches ? null : message);
  if (message.value === "") field?.focus({ preventScroll: true }); // on a telephone the keyboard would cover the reply
}

// --- writing --------------------------------------------------------------------------------------------------
async function sendMessage() {
  const text = message.value.trim();
  if (busy || (text === "" && !hasTables())) return;
  const tables = takeTables();
  sessionStorage.removeItem(storage("draft"));
  message.value = "";
  message.placeholder = "";
  echo(text);
  const refused = await deliver(fresh({ message: text, tables: tables.map((one) => one.text) }));
  if (refused !== null) {
    turns.querySelector(':scope > [data-seq="-1"]')?.remove();
    at("welcome").hidden = turns.children.length > 0 || thread !== "";
    message.value = text;
    putBack(tables);
    say(refused.detail);
    message.focus();
    return;
  }
  look();
}

at("compose").addEventListener("submit", (event) => {
  event.preventDefault();
  sendMessage();
});
message.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  sendMessage();
});
message.addEventListener("input", () => sessionStorage.setItem(storage("draft"), message.value));
at("ask-news").addEventListener("click", () => {
  if (busy) return;
  message.value = "What became of the calls?";
  sendMessage();
});
at("stop").addEventListener("click", async () => {
  if (thread === "") return; // nobody has taken the message yet
  doing.textContent = "Stopping…";
  try {
    await fetch(`/api/chat/threads/${thread}/stop`, { method: "POST" });
  } catch {
    doing.textContent = "The connection is lost; the reply goes on.";
  }
});
for (const button of document.querySelectorAll("[data-example]")) {
  button.addEventListener("click", () => {
    message.value = button.dataset.example;
    message.focus();
  });
}
document.addEventListener("visibilitychange", () => {
  if (document.hidden || busy || thread === "") return;
  sync().then((view) => {
    if (!busy && view?.answering) settle();
  });
});

// --- at the beginning -----------------------------------------------------------------------------------------
async function start() {
  message.value = sessionStorage.getItem(storage("draft")) ?? "";
  const pending = sessionStorage.getItem(storage("pending"));
  if (thread !== "") await settle();
  if (pending !== null) {
    const refused = await deliver(JSON.parse(pending)); // it was on its way when the page went
    if (refused !== null) say(refused.detail);
  }
  if (thread !== "") look();
  else message.focus();
}

document.addEventListener("chat-news", (event) => {
  if (!busy && event.detail.includes(thread)) sync();
});
at("send").disabled = false; // from now on a form that is sent is ours, not the browser's
start();
