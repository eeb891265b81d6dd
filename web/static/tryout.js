// A test call: the microphone goes out and the agent comes back on one websocket, with the news of the talk beside it.

import { cannotSpeak, Line } from "/static/voice.js";

const place = document.getElementById("tryout");
const begin = document.getElementById("tryout-begin");
const end = document.getElementById("tryout-end");
const state = document.getElementById("tryout-state");
const bar = document.querySelector(".tryout-bar");
const ENDED_BY = {
  agent: "The agent ended it",
  callee: "Ended",
  system_timeout: "A limit was reached",
  system_complete: "OpenDeep was stopped",
  system_failure: "It failed",
};
let line = null;
let liveAt = 0;

const put = (id, text) => { document.getElementById(id).textContent = text; };
const face = (ms) => `${Math.floor(ms / 60000)}:${String(Math.floor(ms / 1000) % 60).padStart(2, "0")}`;

// An element with a class and a text; other people's words are text and nothing else.
function made(tag, className, text) {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

function entry(listId, ref) {
  const list = document.getElementById(listId);
  const found = ref && list.querySelector(`[data-ref="${CSS.escape(ref)}"]`);
  if (found) return found;
  const item = document.createElement("li");
  item.dataset.ref = ref ?? "";
  list.append(item);
  return item;
}

const SHOW = {
  state(step) {
    if (step.delay_ms !== undefined) put("tryout-delay", `${step.delay_ms} ms`);
    else state.textContent = step.text;
    if (step.ref === "live") liveAt = performance.now();
  },
  words(step) {
    const who = step.who === "callee" ? "You" : "Agent";
    const item = entry("tryout-lines", `${who}-${step.ref}`);
    item.dataset.who = who;
    item.dataset.final = String(step.final ?? true);
    if (item.dataset.ms === undefined) {
      item.dataset.ms = String(step.at_ms ?? 0);
      item.dataset.at = face(step.at_ms ?? 0);
      const later = [...item.parentElement.children].find((other) => Number(other.dataset.ms) > Number(item.dataset.ms));
      if (later !== undefined) later.before(item); // the words of a microphone are written down after the answer began
    }
    const words = made("span", "", step.text);
    words.dir = "auto";
    const notes = [];
    if (step.interrupted) notes.push("interrupted");
    if (step.delay_ms !== undefined) notes.push(`after ${step.delay_ms} ms`);
    item.replaceChildren(made("span", "who", who), " ", made("span", "at figure", item.dataset.at), " ", words, " ", made("span", "soft", notes.join(", ")));
    document.getElementById("tryout-silent").hidden = true;
  },
  function(step) {
    const item = entry("tryout-functions", step.ref);
    item.replaceChildren(made("code", "", step.who), " ", made("code", "soft", step.text));
  },
  answer(step) {
    const item = entry("tryout-functions", step.ref);
    item.append(document.createElement("br"), made("span", "soft", "was told"), " ", made("code", "", step.text));
  },
  field(step) {
    const list = document.getElementById("tryout-fields");
    const pair = list.querySelector(`[data-ref="${CSS.escape(step.ref)}"]`) ?? document.createElement("div");
    pair.dataset.ref = step.ref;
    let value = step.text;
    try {
      const read = JSON.parse(step.text);
      if (typeof read === "string") value = read;
    } catch { /* shown as it came */ }
    pair.replaceChildren(made("dt", "", step.who), made("dd", "", value));
    list.append(pair);
  },
  note(step) {
    entry("tryout-notes").textContent = step.text;
  },
  fault(step) {
    entry("tryout-notes").append(made("strong", "", step.text));
  },
  cost(step) {
    put("tryout-cost", `$${((step.micro_usd ?? 0) / 1e6).toFixed(4)}`);
  },
  over(step) {
    finish(`${ENDED_BY[step.who] ?? step.who}: ${step.text}.`);
  },
};

function finish(sentence) {
  if (bar.dataset.on === "over") return;
  bar.dataset.on = "over";
  line?.stop();
  end.hidden = true;
  begin.hidden = true;
  const again = made("a", "", "See what is kept of it");
  again.href = location.pathname;
  state.replaceChildren(`${sentence} `, again);
}

function told(heard) {
  if (heard.on === false) {
    if (heard.why) finish(heard.why);
    return;
  }
  if (heard.loudest !== undefined) document.getElementById("tryout-you").value = heard.loudest;
  if (heard.agent !== undefined) document.getElementById("tryout-agent").value = heard.agent;
}

begin.addEventListener("click", async () => {
  begin.disabled = true;
  state.textContent = "The browser asks for the microphone…";
  line = new Line(`/test-calls/${encodeURIComponent(place.dataset.id)}/line`, told, (step) => SHOW[step.kind]?.(step));
  try {
    await line.start();
    bar.dataset.on = "true";
    begin.hidden = true;
    end.hidden = false;
    end.focus();
    if (liveAt === 0) state.textContent = "An engine takes the call…";
  } catch (problem) {
    line.stop();
    begin.disabled = false;
    if (bar.dataset.on !== "over") state.textContent = problem.message;
  }
});

end.addEventListener("click", () => {
  end.disabled = true;
  state.textContent = "Ending…";
  line.say("end");
});

const why = cannotSpeak();
begin.disabled = why !== ""; // pressed before this script was there, the button would do nothing
if (why !== "") state.textContent = why;

setInterval(() => {
  if (liveAt > 0 && bar.dataset.on === "true") put("tryout-time", face(performance.now() - liveAt));
}, 250);
