// The badge of the chat: conversations in which calls have ended that their owner has not been told of. Only whoever
// may plan has the badge; the list of conversations, where it is shown, gets its marks from here too.

import { onChanged } from "/static/socket.js";

const PAUSE_MS = 4000;
const badge = document.getElementById("chat-news");

function show(threads) {
  badge.textContent = threads.length ? String(threads.length) : "";
  badge.hidden = threads.length === 0;
  badge.title = threads.length === 1 ? "One conversation has news about calls" : `${threads.length} conversations have news about calls`;
  for (const mark of document.querySelectorAll("[data-news]")) mark.hidden = !threads.includes(mark.dataset.news);
}

export async function refreshNews() {
  if (badge === null) return;
  const answer = await fetch("/api/chat/news");
  if (!answer.ok) return;
  const { threads } = await answer.json();
  show(threads);
  document.dispatchEvent(new CustomEvent("chat-news", { detail: threads }));
}

if (badge !== null) {
  onChanged("tasks", refreshNews, PAUSE_MS);
  refreshNews().catch(() => {}); // the next change asks again
}
