// The panel of the selected call beside the wallboard: what was said so far, live. Text stays text.

const talk = document.getElementById("talk");
const lines = document.getElementById("lines");
const lineTemplate = document.getElementById("line");
const nothingYet = document.getElementById("talk-empty");
const READ_AGAIN_MS = 1000;
let loading = 0;

export const selectedCall = () => talk.dataset.call;

function put(id, text) {
  const place = document.getElementById(id);
  if (place.textContent !== text) place.textContent = text;
}

function setText(root, field, text) {
  const place = root.querySelector(`[data-field="${field}"]`);
  if (place.textContent !== text) place.textContent = text;
}

export function showLine(said) {
  const key = `[data-item="${CSS.escape(said.item_id)}"][data-speaker="${CSS.escape(said.speaker)}"]`;
  let line = lines.querySelector(key);
  if (line === null) {
    line = lineTemplate.content.firstElementChild.cloneNode(true);
    line.dataset.item = said.item_id;
    line.dataset.speaker = said.speaker;
    setText(line, "who", { callee: "Callee", operator: "Operator" }[said.speaker] ?? "Agent");
    lines.append(line);
  }
  if (said.final) readSoon();
  if (said.at !== undefined) setText(line, "at", said.at);
  if (said.interrupted !== undefined) setText(line, "note", said.interrupted ? "(interrupted)" : "");
  setText(line, "text", said.text);
  nothingYet.hidden = true;
  return line;
}

// The words of somebody may come after the answer to them: the store knows the order.
let reading = 0;

function readSoon() {
  if (reading !== 0) return;
  reading = setTimeout(() => {
    reading = 0;
    loadTranscript();
  }, READ_AGAIN_MS);
}

export function showHead(card) {
  put("talk-number", card.number);
  put("talk-callee", card.callee);
  put("talk-state", card.state_label);
  put("talk-outcome", card.outcome);
  put("talk-detail", card.detail);
}

// Reads the transcript again; an answer that comes after another call was chosen is thrown away.
export async function loadTranscript() {
  const callId = talk.dataset.call;
  const mine = (loading += 1);
  if (callId === "") return;
  let page;
  try {
    const answer = await fetch(`/calls/${encodeURIComponent(callId)}/lines`);
    if (!answer.ok) {
      if (answer.status === 404 && mine === loading) nothingYet.textContent = "There is no such call any more.";
      return;
    }
    page = await answer.json();
  } catch {
    return; // the banner tells; the next snapshot loads it again
  }
  if (mine !== loading || talk.dataset.call !== callId) return;
  showHead(page.call);
  const stored = page.lines.map(showLine);
  const newer = [...lines.children].filter((line) => !stored.includes(line));
  [...stored, ...newer].forEach((line, at) => {
    if (lines.children[at] !== line) lines.insertBefore(line, lines.children[at] ?? null);
  });
}

export async function selectCall(callId) {
  talk.dataset.call = callId;
  talk.hidden = callId === "";
  document.querySelector(".notice")?.remove();
  document.getElementById("talk-link").href = `/calls/${encodeURIComponent(callId)}`;
  const steer = document.getElementById("steer");
  if (steer !== null) steer.dataset.call = callId;
  lines.replaceChildren();
  nothingYet.textContent = "Nothing has been said yet.";
  nothingYet.hidden = false;
  await loadTranscript();
}
