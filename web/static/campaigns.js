// Campaign pages, live: when something moves, the page is asked again and its live parts are put in place. The server
// writes every word as text; what is taken over are nodes of its own page.

import { focusOf, pageNow } from "/static/anew.js";
import { onChanged } from "/static/socket.js";

const shown = new Map();

async function refresh() {
  if (document.hidden) return;
  const fresh = await pageNow();
  if (fresh === null) return;
  for (const part of document.querySelectorAll("[data-live]")) put(part, fresh);
}

function put(part, fresh) {
  const name = part.dataset.live;
  const now = fresh.querySelector(`[data-live="${name}"]`);
  if (now === null || now.isEqualNode(shown.get(name) ?? part)) return;
  shown.set(name, now);
  const refocus = focusOf(part);
  const open = [...part.querySelectorAll("details")].map((one) => one.open);
  part.replaceChildren(...[...now.childNodes].map((node) => document.importNode(node, true)));
  part.querySelectorAll("details").forEach((one, at) => {
    one.open = open[at] ?? false;
  });
  refocus(part);
}

onChanged("campaigns", refresh);
onChanged("calls", refresh);
document.addEventListener("visibilitychange", refresh);
