// The page "Questions", live. Everything that was said or typed by anybody enters as text, never as markup.

import { follow, serverNow } from "/static/socket.js";

const list = document.getElementById("questions");
const empty = document.getElementById("empty");
const template = document.getElementById("question");
const READ_MS = 800; // nobody has read a question sooner: a digit pressed until then was meant for the one before
let pressed = false; // a digit, since the list was shown: the next one may be meant for a question that is gone
let readable = 0; // when the first question may be answered by a digit

function field(entry, name) {
  return entry.querySelector(`[data-field="${name}"]`);
}

function made(one) {
  const entry = template.content.firstElementChild.cloneNode(true);
  for (const name of ["number", "callee", "objective", "question"]) field(entry, name).textContent = one[name];
  for (const form of entry.querySelectorAll("form")) form.action = `/questions/${encodeURIComponent(one.id)}`;
  const input = entry.querySelector("input");
  input.id = `answer-${one.id}`;
  entry.querySelector("label").htmlFor = input.id;
  const call = field(entry, "call");
  call.hidden = one.call_id === "";
  call.href = `/?call=${encodeURIComponent(one.call_id)}`;
  one.suggestions.forEach((text, at) => {
    const button = document.createElement("button");
    const key = document.createElement("kbd");
    key.textContent = String(at + 1);
    button.className = "quiet";
    button.name = "answer";
    button.value = text;
    button.dir = "auto";
    button.append(key, ` ${text}`);
    field(entry, "suggestions").append(button);
  });
  return entry;
}

function show(questions) {
  const first = list.children[0];
  const known = new Map([...list.children].map((entry) => [entry.dataset.question, entry]));
  const entries = questions.map((one) => {
    const entry = known.get(one.id) ?? made(one);
    entry.dataset.question = one.id;
    entry.dataset.deadline = one.deadline_ms;
    entry.dataset.parked = one.parked ? "yes" : "";
    return entry;
  });
  for (const entry of [...list.children]) if (!entries.includes(entry)) entry.remove();
  entries.forEach((entry, at) => {
    if (list.children[at] !== entry) list.insertBefore(entry, list.children[at] ?? null);
  });
  if (list.children[0] !== first) readable = performance.now() + READ_MS;
  empty.hidden = entries.length > 0;
  pressed = false;
  count();
}

function count() {
  for (const entry of list.children) {
    const left = Math.ceil((Number(entry.dataset.deadline) - serverNow()) / 1000);
    const waits = left > 0 ? `The callee waits, ${left} s left` : "The callee is being told that you will call again";
    field(entry, "urgent").textContent = entry.dataset.parked ? "The task waits for your answer" : waits;
  }
}

document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, textarea, select, dialog") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.repeat || pressed || performance.now() < readable || !/^[1-9]$/.test(event.key)) return;
  const buttons = list.querySelectorAll(":scope > li:first-child [data-field='suggestions'] button");
  const button = buttons[Number(event.key) - 1];
  if (button === undefined) return;
  pressed = true;
  button.click();
});

setInterval(count, 1000);
count();
follow((message) => {
  if (message.questions) show(message.questions);
});
