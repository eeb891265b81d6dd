// Short news in a corner. At most one in MIN_PAUSE_MS is shown and read out, so a busy hour does not talk without end;
// what comes too fast is told as a number.

const MIN_PAUSE_MS = 2000;
const SHOWN_MS = 8000;
const MOST = 4;

const place = document.getElementById("toasts");
let lastMs = -Infinity;
let missed = 0;
let timer = null;

function put(text, href) {
  const entry = document.createElement("div");
  entry.className = "toast";
  const said = document.createElement(href ? "a" : "span");
  said.textContent = text;
  if (href) said.href = href;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "quiet";
  close.textContent = "×";
  close.setAttribute("aria-label", "Dismiss");
  close.addEventListener("click", () => entry.remove());
  entry.append(said, close);
  place.append(entry);
  while (place.children.length > MOST) place.firstElementChild.remove();
  const leave = () => {
    if (entry.matches(":hover, :focus-within")) setTimeout(leave, SHOWN_MS);
    else entry.remove();
  };
  setTimeout(leave, SHOWN_MS);
}

// `text` is shown as text, never as markup; with `href` (a path of our own) it is a link.
export function toast(text, href = "") {
  if (place === null) return;
  const now = performance.now();
  if (now - lastMs >= MIN_PAUSE_MS) {
    lastMs = now;
    put(text, href);
    return;
  }
  missed += 1;
  timer ??= setTimeout(() => {
    put(missed === 1 ? text : `and ${missed} more`, missed === 1 ? href : "");
    lastMs = performance.now();
    missed = 0;
    timer = null;
  }, MIN_PAUSE_MS);
}
