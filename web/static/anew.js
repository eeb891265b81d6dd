// A page asked for again, and what of it is put in the place of what is shown: who was on a link or button stays there.

let asked = 0;
let shown = 0;

// This page as the server has it now, or null: it could not be had, or an answer that was asked for later is shown already.
export async function pageNow() {
  asked += 1;
  const mine = asked;
  const answer = await fetch(location.href, { headers: { accept: "text/html" } });
  if (!answer.ok || answer.redirected) return null;
  const text = await answer.text();
  if (mine < shown) return null;
  shown = mine;
  return new DOMParser().parseFromString(text, "text/html");
}

// What an element does: links by where they lead, whatever their words are now; buttons by their form and words.
function deed(one) {
  const words = one.tagName === "A" ? "" : one.textContent.trim();
  return [one.id, one.getAttribute("href"), one.form?.getAttribute("action"), one.getAttribute("value"), words].join("\n");
}

// Before `part` is put anew: a function that gives the focus back in what has come in its place. It goes to nothing
// that does something else, since Enter may follow.
export function focusOf(part) {
  const had = document.activeElement;
  if (had === null || had === part || !part.contains(had)) return () => {};
  const same = deed(had);
  const alike = (where) => [...where.querySelectorAll(had.tagName)].filter((one) => deed(one) === same);
  const at = alike(part).indexOf(had);
  return (now) => alike(now)[at]?.focus({ preventScroll: true });
}
