// A rehearsal that is under way: its part of the page is read again when it has changed, and now and then in case
// that was missed.

import { onChanged } from "/static/socket.js";

const AGAIN_MS = 4000;

async function readAgain() {
  const here = document.getElementById("rehearsal");
  if (here === null || here.dataset.living !== "yes") return;
  let answer;
  try {
    answer = await fetch(location.href);
  } catch {
    return; // the banner tells
  }
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("rehearsal");
  if (fresh !== null) here.replaceWith(document.adoptNode(fresh));
}

onChanged("rehearsals", readAgain);
setInterval(readAgain, AGAIN_MS);
