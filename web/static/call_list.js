// The list of calls: lines that are shown follow their calls; new calls are told of, and shown on demand.

import { follow } from "/static/socket.js";

const rows = document.getElementById("rows");
const fresh = document.getElementById("fresh");
const known = new Set();
let first = true;

function showCard(card) {
  const row = rows?.querySelector(`[data-call="${CSS.escape(card.id)}"]`);
  if (!row) return false;
  row.dataset.state = card.state;
  for (const field of ["state_label", "outcome", "cost"]) {
    const place = row.querySelector(`[data-field="${field}"]`);
    if (place.textContent !== card[field]) place.textContent = card[field];
  }
  return true;
}

function tell(count) {
  if (fresh.dataset.newest === "" || count === 0) return;
  const link = document.createElement("a");
  link.href = location.href;
  link.textContent = count === 1 ? "One new call: show it" : `${count} new calls: show them`;
  fresh.replaceChildren(link);
}

const unseen = new Set();
follow((message) => {
  for (const card of message.calls) {
    const shown = showCard(card);
    if (!shown && !first && !known.has(card.id)) unseen.add(card.id);
    known.add(card.id);
  }
  first = false;
  tell(unseen.size);
});
