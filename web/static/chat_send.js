// A message on its way, and the reply while it is written. A message carries a key, so sending it again is sending it once.

import { ownZone } from "/static/chat_form.js";
import { randomKey } from "/static/chat_dom.js";
import { refreshNews } from "/static/chat_news.js";
import { LINES, detailOf, queryOf, read } from "/static/chat_stream.js";
import { adopt, listFirst, say, storage, sync, thread } from "/static/chat_thread.js";

const GRACE_MS = 4000; // how long a message that was stopped may still be taken
const PAUSES_MS = [500, 1000, 2000, 4000, 8000];
const at = (id) => document.getElementById(id);
const [live, doing, writing] = ["live", "doing", "writing"].map(at);

export let busy = false;
let sending = null; // the message that nobody has taken yet
let stopped = false; // "Stop" was pressed for it
let draftAt = ""; // where it is kept for the field since then
let request = new AbortController();
let wake = () => {};

const pause = (ms) => new Promise((done) => {
  wake = done;
  setTimeout(done, ms);
});
export const pauseOf = (failures) => pause(PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)]);
export const TRIES = PAUSES_MS.length;

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
      taken();
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

function taken() {
  sessionStorage.removeItem(storage("pending"));
  if (sending === null) return;
  if (stopped) {
    if (draftAt !== "") sessionStorage.removeItem(draftAt);
    askToStop();
  }
  sending = null;
}

// Until nothing is being written any more, whatever happens to the connection meanwhile.
export async function settle() {
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

// Sends a message until it was taken or refused; answers null, or why it was refused.
export async function deliver(body) {
  say("");
  begin("The assistant is reading…");
  [sending, stopped] = [body, false];
  try {
    sessionStorage.setItem(storage("pending"), JSON.stringify(body));
  } catch {
    sessionStorage.removeItem(storage("pending")); // too large to be kept over a reload; it is sent all the same
  }
  for (let failures = 0; ; failures += 1) {
    let answer;
    request = new AbortController();
    try {
      answer = await fetch("/api/chat_interaction", {
        method: "POST",
        headers: { "content-type": "application/json", accept: LINES },
        body: JSON.stringify({ ...body, conversation_id: thread }),
        signal: request.signal,
      });
    } catch {
      if (stopped) return givenUp();
      doing.textContent = "The connection to OpenDeep is lost. Your message is kept and sent again…";
      await pauseOf(failures);
      if (stopped) return givenUp();
      continue;
    }
    if (!answer.ok) {
      const refused = await detailOf(answer);
      if (!stopped && refused.status >= 500 && failures < TRIES && refused.status !== 502) {
        doing.textContent = `${refused.detail} Trying again…`;
        await pauseOf(failures);
        if (stopped) return givenUp();
        continue;
      }
      sending = null;
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

function givenUp() {
  sending = null;
  sessionStorage.removeItem(storage("pending"));
  finish();
  return { detail: "Stopped. What you wrote is back in its field.", fields: null };
}

async function askToStop() {
  try {
    await fetch(`/api/chat/threads/${thread}/stop`, { method: "POST" });
  } catch {
    doing.textContent = "The connection is lost; the reply goes on.";
  }
}

// Ends the reply early. A message that nobody has taken yet is not sent again, by this page or the one that follows.
export async function stop() {
  doing.textContent = "Stopping…";
  if (sending !== null) {
    stopped = true;
    sessionStorage.removeItem(storage("pending"));
    draftAt = at("message").value === "" ? storage("draft") : "";
    if (draftAt !== "") sessionStorage.setItem(draftAt, sending.message);
    wake();
    setTimeout(() => stopped && sending !== null && request.abort(), GRACE_MS);
  }
  if (thread !== "") await askToStop();
}

export function fresh(body) {
  return { message: "", ...body, display_name: at("display-name").value, time_zone: ownZone(), client_key: randomKey() };
}
