// Plays a call along its transcript. Positions are milliseconds from the answer; a call may have several files, one
// after another (its media worker died), of which one is loaded at a time.

import { clockFace } from "/static/call_time.js";
import { addKey } from "/static/shell.js";
import { colour, draw, HEIGHT } from "/static/call_wave.js";

const STEP_MS = 5000;
const PAGE_MS = 30000;

const callId = document.getElementById("head").dataset.call;
const player = document.getElementById("player");
const wave = document.getElementById("wave");
const audio = document.getElementById("audio");
const controls = document.getElementById("controls");
const play = document.getElementById("play");
const clock = document.getElementById("clock");
const along = document.getElementById("along");
const base = document.createElement("canvas");

let parts = [];
let marks = [];
let turns = [];
let length = 1;
let current = 0;
let shown = null;
let loaded = false;
let pendingMs = null;
let ink = "black";

// --- what is there -------------------------------------------------------------------------------------------
function readEntries() {
  marks = [...document.getElementById("entries").children].map((item) => ({
    item,
    kind: item.dataset.kind,
    side: item.dataset.side,
    at: Number(item.dataset.at),
    end: Number(item.dataset.end),
    delay: Number(item.dataset.delay ?? 0),
    refused: item.classList.contains("refused"),
    cut: item.querySelector(".cut") !== null,
  }));
  turns = marks.filter((one) => one.kind === "turn");
  const last = marks.reduce((most, one) => Math.max(most, one.end), 0);
  length = Math.max(1000, last, ...parts.map((one) => one.part.offset_ms + one.part.duration_ms));
  player.hidden = parts.length === 0 && turns.length === 0;
  wave.setAttribute("aria-valuemax", String(Math.round(length / 1000)));
}

function paint() {
  if (player.hidden) return;
  ink = colour("--ink");
  draw(base, wave.clientWidth, length, parts, marks);
  wave.width = base.width;
  wave.height = base.height;
  paintHead();
}

function paintHead() {
  const context = wave.getContext("2d");
  context.drawImage(base, 0, 0);
  if (!loaded) return;
  const x = (position() / length) * base.width;
  context.fillStyle = ink;
  context.fillRect(Math.max(0, x - base.height / HEIGHT), 0, 2 * (base.height / HEIGHT), base.height);
}

async function loadWaveforms() {
  if (loaded || document.getElementById("recorded").dataset.state !== "ready") return;
  try {
    const answer = await fetch(`/calls/${encodeURIComponent(callId)}/peaks`);
    if (!answer.ok) throw new Error(`The waveform cannot be shown (${answer.status}); the recording can be downloaded.`);
    parts = await answer.json();
  } catch (error) {
    clock.textContent = error.message;
    return;
  }
  if (parts.length === 0) return;
  loaded = true;
  controls.hidden = false;
  load(0);
  readEntries();
  paint();
  const start = document.getElementById(location.hash.slice(1));
  show(0);
  if (start?.dataset.at !== undefined) seek(Number(start.dataset.at));
}

// --- playing -------------------------------------------------------------------------------------------------
const position = () => (parts.length === 0 ? 0 : parts[current].part.offset_ms + (pendingMs ?? audio.currentTime * 1000));

function load(number) {
  current = number;
  audio.src = `/calls/${encodeURIComponent(callId)}/audio/${parts[number].part.number}`;
  audio.playbackRate = Number(document.getElementById("speed").value);
}

function seek(ms) {
  if (!loaded) return;
  const at = Math.max(0, Math.min(length, ms));
  let number = 0;
  parts.forEach((one, n) => { if (one.part.offset_ms <= at) number = n; });
  const { part } = parts[number];
  const within = Math.max(0, Math.min(part.duration_ms - 1, at - part.offset_ms));
  const playing = !audio.paused;
  if (number !== current) load(number);
  if (audio.readyState === 0) {
    pendingMs = within;
    audio.addEventListener("loadedmetadata", () => { audio.currentTime = within / 1000; pendingMs = null; }, { once: true });
  } else {
    audio.currentTime = within / 1000;
  }
  if (playing) audio.play().catch(refused);
  show(part.offset_ms + within);
}

function toggle() {
  if (!loaded) return;
  if (audio.paused) {
    if (audio.ended || position() >= length - 50) seek(0);
    audio.play().catch(refused);
  } else audio.pause();
}

function refused() {
  clock.textContent = "The browser could not play this recording; it can be downloaded below.";
}

function show(ms) {
  const words = `${clockFace(ms)} of ${clockFace(length)}`;
  clock.textContent = words;
  wave.setAttribute("aria-valuenow", String(Math.round(ms / 1000)));
  wave.setAttribute("aria-valuetext", words);
  mark(ms);
  paintHead();
}

// The turn that is heard: the newest one that has begun and not ended.
function turnAt(ms) {
  let low = 0;
  let high = turns.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (turns[middle].at <= ms) low = middle + 1;
    else high = middle;
  }
  for (let n = low - 1; n >= Math.max(0, low - 6); n -= 1) if (turns[n].end >= ms) return turns[n];
  return null;
}

function mark(ms) {
  const turn = turnAt(ms);
  if (turn === shown) return;
  shown?.item.removeAttribute("aria-current");
  shown = turn;
  if (turn === null) return;
  turn.item.setAttribute("aria-current", "true");
  if (along.checked && !audio.paused) turn.item.scrollIntoView({ block: "nearest" });
}

function tick() {
  show(position());
  if (!audio.paused) requestAnimationFrame(tick);
}

audio.addEventListener("play", () => { play.textContent = "Pause"; requestAnimationFrame(tick); });
audio.addEventListener("pause", () => { play.textContent = "Play"; });
audio.addEventListener("seeked", () => show(position()));
audio.addEventListener("error", refused);
audio.addEventListener("ended", () => {
  if (current + 1 >= parts.length) return;
  load(current + 1);
  audio.play().catch(refused);
});
document.getElementById("speed").addEventListener("change", (event) => { audio.playbackRate = Number(event.target.value); });
play.addEventListener("click", toggle);
addKey("p", "play or pause the recording", toggle);
for (const button of controls.querySelectorAll("[data-skip]")) {
  button.addEventListener("click", () => seek(position() + Number(button.dataset.skip) * 1000));
}

// --- where to ------------------------------------------------------------------------------------------------
const KEYS = {
  ArrowLeft: () => seek(position() - STEP_MS),
  ArrowRight: () => seek(position() + STEP_MS),
  ArrowDown: () => seek(position() - STEP_MS),
  ArrowUp: () => seek(position() + STEP_MS),
  PageDown: () => seek(position() - PAGE_MS),
  PageUp: () => seek(position() + PAGE_MS),
  Home: () => seek(0),
  End: () => seek(length),
  " ": toggle,
  Enter: toggle,
};
wave.addEventListener("keydown", (event) => {
  const work = KEYS[event.key];
  if (work === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  work();
});

const under = (event) => ((event.clientX - wave.getBoundingClientRect().left) / wave.clientWidth) * length;
wave.addEventListener("pointerdown", (event) => {
  wave.setPointerCapture(event.pointerId);
  seek(under(event));
});
wave.addEventListener("pointermove", (event) => { if (wave.hasPointerCapture(event.pointerId)) seek(under(event)); });

document.querySelector("main").addEventListener("click", (event) => {
  if (getSelection()?.toString()) return; // somebody is copying words
  const link = event.target.closest("a");
  if (link !== null && link.dataset.seek !== undefined) seek(Number(link.dataset.seek));
  else if (link === null || link.classList.contains("at")) {
    const entry = event.target.closest(".entry");
    if (entry !== null) seek(Number(entry.dataset.at));
  }
});

// --- when ----------------------------------------------------------------------------------------------------
addEventListener("call-changed", () => {
  readEntries();
  paint();
  loadWaveforms();
});
new ResizeObserver(paint).observe(wave);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
new MutationObserver(paint).observe(document.documentElement, { attributeFilter: ["data-theme"] });
readEntries();
paint();
loadWaveforms();
