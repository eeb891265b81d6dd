// The pages about tasks, live: when a task on the page changes, the page is asked for again and what is shown is put
// in its place. A form that somebody is filling in is left alone until they are done with it.

import { focusOf, pageNow } from "/static/anew.js";
import { onChanged } from "/static/socket.js";

const PAUSE_MS = 3000;
const FIELDS = "input, textarea, select";
const live = document.getElementById("live");
let again = false; // something changed while nobody looked
let left = false; // something newer was not put in place

const changed = (field) => field.tagName !== "SELECT" && (field.value !== field.defaultValue || field.checked !== field.defaultChecked);

function untouched(part) {
  const fields = [...part.querySelectorAll(FIELDS)];
  if (part.querySelector("[data-typed]") !== null) return false; // a form that was refused, with what they wrote
  return !fields.some((field) => field === document.activeElement || changed(field));
}

function replace(part, now) {
  if (!untouched(part)) {
    left = true;
    return;
  }
  const refocus = focusOf(part);
  if (part === live) part.replaceChildren(...now.childNodes);
  else part.replaceWith(now);
  refocus(part === live ? part : now);
}

function put(fresh) {
  const [parts, news] = [[...live.children], [...fresh.children]];
  const sameShape = parts.length === news.length && parts.every((part, at) => part.id === news[at].id);
  if (live.dataset.live === "list" || !sameShape) {
    replace(live, fresh);
    return;
  }
  parts.forEach((part, at) => {
    if (!part.isEqualNode(news[at])) replace(part, news[at]);
  });
}

async function refresh() {
  if (document.hidden) {
    again = true;
    return;
  }
  const fresh = (await pageNow())?.getElementById("live");
  if (!fresh) return;
  left = false;
  put(fresh);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden || !again) return;
  again = false;
  refresh();
});
live.addEventListener("focusout", () => {
  if (left) refresh();
});

onChanged(live.dataset.kind ?? "tasks", refresh, PAUSE_MS);
