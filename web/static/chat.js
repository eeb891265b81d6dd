// The page "Chat". The server keeps the conversation: after every reply, reload or lost connection it is read again,
// so what is shown is what is stored.

import { ownZone } from "/static/chat_form.js";
import { TRIES, busy, deliver, fresh, pauseOf, settle, stop } from "/static/chat_send.js";
import { detailOf } from "/static/chat_stream.js";
import { hasTables, putBack, takeTables } from "/static/chat_tables.js";
import { echo, say, setActs, storage, sync, thread } from "/static/chat_thread.js";

const at = (id) => document.getElementById(id);
const [turns, message] = ["turns", "message"].map(at);

setActs({
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
    for (let failures = 0; failures < TRIES; failures += 1) {
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
});

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
    sessionStorage.setItem(storage("draft"), text);
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
at("stop").addEventListener("click", stop);
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
