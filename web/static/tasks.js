// The pages about tasks, live: when a task on the page changes, the page is asked for again and what is shown is put
// in its place. A form that somebody is filling in is left alone.

import { onChanged } from "/static/socket.js";

const PAUSE_MS = 3000;
const live = document.getElementById("live");
let again = false;

function untouched(part) {
  if (part.contains(document.activeElement) && document.activeElement !== document.body) return false;
  return [...part.querySelectorAll("input")].every((input) => input.value === input.defaultValue);
}

function put(fresh) {
  if (live.dataset.live === "list") {
    if (untouched(live)) live.replaceChildren(...fresh.childNodes);
    return;
  }
  const parts = [...live.children];
  const news = [...fresh.children];
  const sameShape = parts.length === news.length && parts.every((part, at) => part.id === news[at].id);
  if (!sameShape) {
    if (untouched(live)) live.replaceChildren(...news);
    return;
  }
  parts.forEach((part, at) => {
    if (part.isEqualNode(news[at]) || !untouched(part)) return;
    part.replaceWith(news[at]);
  });
}

async function refresh() {
  if (document.hidden) {
    again = true;
    return;
  }
  const answer = await fetch(location.href, { headers: { accept: "text/html" } });
  if (!answer.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("live");
  if (fresh !== null) put(fresh);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden || !again) return;
  again = false;
  refresh();
});

onChanged(live.dataset.kind ?? "tasks", refresh, PAUSE_MS);
