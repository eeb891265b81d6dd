// The command palette: pages of the navigation at once, calls, tasks and campaigns from the server. What it finds is
// shown as text, never as markup.

const PAUSE_MS = 200;

const dialog = document.getElementById("palette");
const input = document.getElementById("palette-input");
const list = document.getElementById("palette-list");
const empty = document.getElementById("palette-empty");
let timer = null;
let asked = 0;

export function openPalette() {
  if (dialog.open) return;
  input.value = "";
  dialog.showModal();
  show(pages(""), "");
}

function pages(text) {
  const wanted = text.trim().toLowerCase();
  return [...document.querySelectorAll("nav[aria-label='Main'] a")]
    .map((link) => ({ href: link.getAttribute("href"), title: link.firstChild.textContent.trim(), note: "page" }))
    .filter((page) => page.title.toLowerCase().includes(wanted));
}

function show(found, said) {
  list.replaceChildren(
    ...found.map((one, at) => {
      const entry = document.createElement("li");
      const link = document.createElement("a");
      const note = document.createElement("span");
      entry.id = `palette-${at}`;
      entry.setAttribute("role", "option");
      link.href = one.href;
      link.tabIndex = -1;
      link.dir = "auto";
      link.textContent = one.title;
      note.className = "soft";
      note.textContent = one.note;
      entry.append(link, note);
      return entry;
    }),
  );
  empty.textContent = said;
  empty.hidden = said === "";
  select(0);
}

function selected() {
  return list.querySelector('[aria-selected="true"]');
}

function select(at) {
  selected()?.removeAttribute("aria-selected");
  const entry = list.children[at];
  if (entry === undefined) {
    input.removeAttribute("aria-activedescendant");
    return;
  }
  entry.setAttribute("aria-selected", "true");
  input.setAttribute("aria-activedescendant", entry.id);
  entry.scrollIntoView({ block: "nearest" });
}

async function search(text) {
  const number = (asked += 1);
  let found = [];
  let said = "";
  if (text.trim().length >= 3) {
    try {
      const answer = await fetch(`/search?q=${encodeURIComponent(text.trim())}`);
      if (answer.ok) found = await answer.json();
      else said = "The search did not work. Pages can be opened all the same.";
    } catch {
      said = "OpenDeep does not answer just now.";
    }
  }
  if (number !== asked) return; // something newer was typed meanwhile
  const all = [...pages(text), ...found];
  show(all, said || (all.length === 0 ? "Nothing found. Try the name of a page or a campaign, the beginning of an id, a number or its last digits." : ""));
}

input.addEventListener("input", () => {
  clearTimeout(timer);
  show(pages(input.value), "");
  timer = setTimeout(() => search(input.value), PAUSE_MS);
});
input.addEventListener("keydown", (event) => {
  const entries = list.children;
  const at = [...entries].indexOf(selected());
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    if (entries.length > 0) select((at + (event.key === "ArrowDown" ? 1 : -1) + entries.length) % entries.length);
  } else if (event.key === "Enter") {
    event.preventDefault();
    selected()?.querySelector("a").click();
  }
});
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close(); // beside it
  else if (event.target.closest("a")) dialog.close();
});
dialog.addEventListener("close", () => {
  clearTimeout(timer);
  asked += 1;
});
