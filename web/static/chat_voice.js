// The button "Speak" of the chat: the same assistant and the same thread, by voice. What is said is stored by the
// server; this page reads the thread again when it hears that something was.

import { randomKey } from "/static/chat_dom.js";
import { ownZone } from "/static/chat_form.js";
import { Conversation } from "/static/chat_microphone.js";
import { refreshNews } from "/static/chat_news.js";
import { queryOf } from "/static/chat_stream.js";
import { adopt, listFirst, say, sync, thread } from "/static/chat_thread.js";
import { cannotSpeak } from "/static/voice.js";

const at = (id) => document.getElementById(id);
const [speak, voice, status, meter, line, words, note] = ["speak", "voice", "voice-status", "voice-level", "voice-line", "voice-words", "voice-note"].map(at);
const PHASES = {
  connecting: "Connecting…",
  listening: "Listening. Speak now.",
  hearing: "Hearing you…",
  thinking: "Thinking…",
  speaking: "The assistant is speaking. Speak to interrupt.",
};
const WORKING = { show_form: "Making a form…", show_plan: "Checking the plan…" };
const RESTORED_MS = 5000;
const LEVEL_MS = 100;

let talk = null;
let levelAt = 0;
let loudest = 0;
let reading = null; // the thread is being read; what is stored meanwhile is read after that
let again = false;

function lineSays(text, state = "lost") {
  line.textContent = text;
  line.dataset.state = state;
  line.hidden = text === "";
}

function live(role, text) {
  const place = words.querySelector(`[data-role="${role}"]`);
  place.querySelector("span").textContent = text;
  place.hidden = text === "";
  words.hidden = [...words.children].every((one) => one.hidden);
}

async function readAgain() {
  again = reading !== null;
  if (again) return;
  reading = sync();
  await reading;
  reading = null;
  const first = document.querySelector("#turns > .user .said");
  if (first !== null) listFirst(first.textContent.slice(0, 200));
  if (again) await readAgain();
}

async function stored() {
  await readAgain();
  for (const role of ["user", "assistant"]) live(role, "");
  at("turns").lastElementChild?.scrollIntoView({ block: "nearest" });
  refreshNews().catch(() => {});
}

function told(event) {
  switch (event.event) {
    case "hello":
      adopt(event.conversation_id);
      note.textContent = event.simulated ? "Simulation: the assistant cannot understand people here. Whatever you say is taken for an example sentence." : "";
      note.hidden = !event.simulated;
      break;
    case "phase":
      status.textContent = event.phase === "working" ? (WORKING[event.name] ?? `Looking up: ${queryOf(event.arguments)}`) : PHASES[event.phase];
      break;
    case "words":
      live(event.role, event.text);
      break;
    case "stored":
      stored();
      break;
    case "line":
      if (event.up) restored();
      else lineSays("The connection to the speech model is lost. Reconnecting; the conversation is kept…");
      break;
    case "lost":
      lineSays("The connection is lost. Reconnecting; you are not heard meanwhile…");
      status.textContent = "Not connected.";
      break;
    case "restored":
      restored();
      readAgain();
      break;
    case "level":
      level(event.loudest);
      break;
    case "off":
      off(event.words);
      break;
  }
}

function restored() {
  lineSays("The connection is restored. Go on where you were.", "restored");
  setTimeout(() => line.dataset.state === "restored" && lineSays(""), RESTORED_MS);
}

function level(value) {
  loudest = Math.max(loudest, value);
  if (performance.now() - levelAt < LEVEL_MS) return;
  levelAt = performance.now();
  meter.value = Math.min(1, Math.sqrt(loudest));
  loudest = 0;
}

function off(why) {
  talk = null;
  speak.setAttribute("aria-pressed", "false");
  speak.querySelector("span").textContent = "Speak";
  voice.hidden = true;
  lineSays("");
  for (const role of ["user", "assistant"]) live(role, "");
  say(why);
  readAgain();
}

async function begin() {
  const why = voice.dataset.why || cannotSpeak();
  if (why !== "") {
    say(why);
    return;
  }
  say("");
  const key = randomKey();
  const name = at("display-name").value;
  talk = new Conversation((resumed) => ({ conversation_id: thread, display_name: name, client_key: key, time_zone: ownZone(), resumed }), told);
  speak.setAttribute("aria-pressed", "true");
  speak.querySelector("span").textContent = "Stop speaking";
  voice.hidden = false;
  status.textContent = "Asking for the microphone…";
  const mine = talk;
  try {
    await mine.start();
  } catch (problem) {
    mine.end(problem.message);
  }
}

speak.addEventListener("click", () => (talk === null ? begin() : talk.stop()));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && talk !== null && !event.defaultPrevented) talk.stop();
});
addEventListener("pagehide", () => talk?.stop());
speak.disabled = false;
