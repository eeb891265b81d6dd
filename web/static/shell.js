// What every page has: connection lights, menu, colours, keys, news in the corner. Pages add keys with `addKey`.

import { follow, onConnection } from "/static/socket.js";
import { notify } from "/static/notify.js";
import { openPalette } from "/static/palette.js";
import { toast } from "/static/toast.js";

// --- connection lights ---------------------------------------------------------------------------------------
const lightList = document.getElementById("lights");
let known = null;

function showLights(lights) {
  for (const light of lights) {
    const entry = lightList.querySelector(`[data-light="${light.name}"]`);
    if (entry === null) continue;
    entry.dataset.mark = light.mark;
    entry.querySelector('[data-field="word"]').textContent = light.word;
    const before = known?.get(light.name);
    if (before !== undefined && before !== light.mark && light.mark === "ok" && before === "bad") {
      toast(`${light.label} is connected again.`);
    }
  }
  if (lights.length > 0) known = new Map(lights.map((light) => [light.name, light.mark]));
}

// --- news ----------------------------------------------------------------------------------------------------
let asked = null;

function showQuestions(questions) {
  if (!questions) return;
  const ids = new Set(questions.map((one) => one.id));
  const fresh = asked === null ? [] : questions.filter((one) => !asked.has(one.id));
  asked = ids;
  if (placeOf("/questions") !== null) notify(fresh, ids);
  if (location.pathname === "/questions" || placeOf("/questions") === null) return;
  for (const one of fresh) toast(`An agent asks: ${one.question}`, "/questions");
}

follow((message) => {
  showLights(message.connections);
  showQuestions(message.questions);
});
onConnection((connected) => {
  document.documentElement.dataset.connected = connected ? "yes" : "no";
});

// --- menu on narrow screens ----------------------------------------------------------------------------------
const menuButton = document.getElementById("menu-button");
const menu = document.getElementById("menu");

function setMenu(open) {
  menuButton.setAttribute("aria-expanded", String(open));
  menu.classList.toggle("open", open);
}
menuButton.addEventListener("click", () => setMenu(menuButton.getAttribute("aria-expanded") !== "true"));
menu.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || menuButton.getAttribute("aria-expanded") !== "true") return;
  setMenu(false);
  menuButton.focus();
});

// --- colours -------------------------------------------------------------------------------------------------
const THEMES = ["", "light", "dark"];
const themeButton = document.getElementById("theme-button");
const root = document.documentElement;

function showTheme() {
  themeButton.textContent = `Colours: ${root.dataset.theme ?? "system"}`;
}
themeButton.hidden = false;
themeButton.addEventListener("click", () => {
  const next = THEMES[(THEMES.indexOf(root.dataset.theme ?? "") + 1) % THEMES.length];
  if (next === "") delete root.dataset.theme;
  else root.dataset.theme = next;
  try {
    if (next === "") localStorage.removeItem("opendeep-theme");
    else localStorage.setItem("opendeep-theme", next);
  } catch {
    // no storage: it holds for this page
  }
  showTheme();
  dispatchEvent(new Event("theme"));
});
showTheme();

// --- keys ----------------------------------------------------------------------------------------------------
const LETTERS = { "/": "w", "/calls": "c", "/questions": "q", "/chat": "p", "/campaigns": "k", "/tasks": "t", "/results": "r", "/contacts": "o", "/do-not-call": "d", "/agents": "a" };
const SECOND_MS = 1500;
const sheet = document.getElementById("keys");
const more = []; // what pages add to the sheet
let armedUntil = 0;

function placeOf(path) {
  return document.querySelector(`nav a[href="${path}"]`);
}

const jumps = new Map(
  Object.entries(LETTERS)
    .map(([path, letter]) => [letter, placeOf(path)])
    .filter(([, link]) => link !== null),
);

// A key of this page's own, for the sheet and the listener; `key` as in KeyboardEvent.key. No single key may do
// anything that cannot be undone.
export function addKey(key, words, run) {
  more.push({ key, words, run });
}

function showSheet() {
  const list = document.getElementById("keys-list");
  const rows = [
    ["Ctrl K", "go to a page, find a call, a task or a campaign"],
    ["?", "this sheet"],
    ["j / k", "next, previous row; Enter opens it"],
    ["Esc", "close"],
    ...[...jumps].map(([letter, link]) => [`g ${letter}`, link.firstChild.textContent.trim()]),
    ...more.map(({ key, words }) => [key, words]),
  ];
  list.replaceChildren(
    ...rows.map(([keys, words]) => {
      const row = document.createElement("div");
      const name = document.createElement("dt");
      const what = document.createElement("dd");
      const key = document.createElement("kbd");
      key.textContent = keys;
      name.append(key);
      what.textContent = words;
      row.append(name, what);
      return row;
    }),
  );
  sheet.showModal();
}

// Rows of a page: whatever stands in an element with `data-rows`, else the rows of its tables.
function moveRow(step) {
  const rows = [...document.querySelectorAll("main [data-rows] > *, main tbody tr")].filter(
    (row) => row.checkVisibility() && row.querySelector("a, button") !== null,
  );
  if (rows.length === 0) return;
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const next = rows[at === -1 ? (step > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + step))];
  next.querySelector("a, button").focus();
  next.scrollIntoView({ block: "nearest" });
}

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
    event.preventDefault();
    openPalette();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
  if (event.target.closest("input, textarea, select, dialog, [contenteditable]")) return;
  const armed = performance.now() < armedUntil;
  armedUntil = 0;
  if (armed) {
    const link = jumps.get(event.key);
    if (link !== undefined) location.assign(link.href);
  } else if (event.key === "g") armedUntil = performance.now() + SECOND_MS;
  else if (event.key === "?") showSheet();
  else if (event.key === "j") moveRow(1);
  else if (event.key === "k") moveRow(-1);
  else more.find(({ key }) => key === event.key)?.run(event);
});
document.getElementById("keys-button").addEventListener("click", showSheet);
document.getElementById("palette-button").addEventListener("click", openPalette);
