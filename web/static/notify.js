// Notifications of the desktop for new questions: only once somebody has pressed the button of the page "Questions",
// only while no page of OpenDeep has the focus, and once, however many pages are open. Their text is the question's.

const KEY = "opendeep-notify";
const TOLD = "opendeep-notify-told";
const REMEMBERED = 100;
const GRACE_MS = 400; // a page that has the focus says first that its reader sees the question
const LONGEST = 200;

const shown = new Map(); // id of a question -> its notification
const button = document.getElementById("notify");

export const supported = "Notification" in window && window.isSecureContext;

function kept(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null; // no storage: off
  }
}

const wanted = () => supported && Notification.permission === "granted" && kept(KEY) === "on";

// Whether this page is the first to tell of a question; one page at a time looks and writes.
function first(id) {
  const look = () => {
    const told = JSON.parse(kept(TOLD) ?? "[]");
    if (told.includes(id)) return false;
    localStorage.setItem(TOLD, JSON.stringify([...told, id].slice(-REMEMBERED)));
    return true;
  };
  return navigator.locks.request(TOLD, look);
}

async function tell(one) {
  if (!document.hasFocus()) await new Promise((done) => setTimeout(done, GRACE_MS));
  if (!(await first(one.id)) || document.hasFocus()) return;
  const note = new Notification("An agent asks", { body: one.question.slice(0, LONGEST), tag: `question-${one.id}` });
  note.addEventListener("click", () => {
    window.focus();
    note.close();
    location.assign("/questions");
  });
  shown.set(one.id, note);
}

// `fresh`: questions that are new on this page; `ids`: of all that wait.
export function notify(fresh, ids) {
  for (const [id, note] of shown) {
    if (ids.has(id)) continue;
    note.close(); // somebody has answered
    shown.delete(id);
  }
  if (wanted()) for (const one of fresh) tell(one).catch(() => {});
}

// Whoever goes to another page is here; and the next page does not know what this one has shown.
addEventListener("pagehide", () => {
  for (const note of shown.values()) note.close();
});

// --- the button -----------------------------------------------------------------------------------------------
function showButton() {
  const about = document.getElementById("notify-about");
  const blocked = supported && Notification.permission === "denied";
  button.hidden = false;
  button.disabled = !supported || blocked;
  button.setAttribute("aria-pressed", String(wanted()));
  button.textContent = wanted() ? "Stop notifying me on this computer" : "Notify me on this computer";
  if (!supported) about.textContent = "Browsers show notifications of https pages and of localhost only.";
  else if (blocked) about.textContent = "The browser blocks notifications of this site: allow them (the sign beside the address), then load this page again.";
  else if (wanted()) about.textContent = "New questions are shown by your computer while OpenDeep is in the background.";
  else about.textContent = "Off: new questions are shown on the pages of OpenDeep only.";
}

async function press() {
  try {
    if (wanted()) localStorage.setItem(KEY, "off");
    else if ((await Notification.requestPermission()) === "granted") localStorage.setItem(KEY, "on");
  } catch {
    // no storage: it stays off
  }
  showButton();
}

if (button !== null) {
  button.addEventListener("click", press);
  addEventListener("storage", (event) => event.key === KEY && showButton());
  showButton();
}
