// One websocket for a page, shared by everything on it: a snapshot first, then numbered frames. It reconnects by
// itself; a frame that is missing makes it connect again, which brings a snapshot, so a reconnect is always right.
//
//   follow(take)             take(message) gets every snapshot and every frame, in order
//   onChanged(kind, fn)      fn() when something of that kind changed: read it again. Kinds: "calls", "tasks",
//                            "campaigns", "questions", and what the server's ListChanged names ("contacts", "agents",
//                            "dnc", ...). Runs at most once in `pauseMs`, never twice at a time, and after every
//                            reconnect, since nobody knows what was missed. The page itself was read before: the
//                            first snapshot does not count.
//   onConnection(fn)         fn(connected) when this page gets or loses its connection
//   serverNow()              the server's clock, in ms since the epoch

const banner = document.getElementById("banner");
const RETRY_MS = [500, 1000, 2000, 4000, 8000];
const SILENCE_MS = 45000; // the server says something at least every 15 s

const takers = [];
const watchers = [];
const connectionTakers = [];
let current = null;
let seq = null;
let failures = 0;
let retrying = null;
let lights = [];
let connected = false;
let aheadMs = 0;

export const serverNow = () => Date.now() + aheadMs;

function showBanner() {
  const troubles = lights.map((light) => light.sentence).filter((sentence) => sentence);
  if (!connected && failures > 0) {
    troubles.unshift("The connection to OpenDeep is lost; what you see may be old. Trying again…");
  }
  const text = troubles.join(" ");
  if (banner.textContent !== text) banner.textContent = text;
  banner.hidden = troubles.length === 0;
}

function showWaiting(questions) {
  const badge = document.getElementById("waiting");
  if (badge === null) return;
  badge.textContent = questions.length ? String(questions.length) : "";
  badge.hidden = questions.length === 0;
}

function safely(work) {
  try {
    work();
  } catch (error) {
    console.error(error); // one part of a page that fails must not stop the others
  }
}

// --- "something changed" -------------------------------------------------------------------------------------
class Watcher {
  constructor(kind, work, pauseMs) {
    this.kind = kind;
    this.work = work;
    this.pauseMs = pauseMs;
    this.busy = false;
    this.again = false;
  }

  async run() {
    if (this.busy) {
      this.again = true;
      return;
    }
    this.busy = true;
    try {
      await this.work();
    } catch (error) {
      console.error(error);
    }
    setTimeout(() => {
      this.busy = false;
      if (!this.again) return;
      this.again = false;
      this.run();
    }, this.pauseMs);
  }
}

export function onChanged(kind, work, pauseMs = 2000) {
  watchers.push(new Watcher(kind, work, pauseMs));
  open();
}

function tellWatchers(message) {
  const changed = message.changed ?? [];
  const all = message.type === "snapshot" || changed.includes("*"); // what changed while the page was on its way too
  for (const watcher of watchers) if (all || changed.includes(watcher.kind)) watcher.run();
}

// --- the connection ------------------------------------------------------------------------------------------
export function onConnection(take) {
  connectionTakers.push(take);
}

function setConnected(is) {
  const differs = connected !== is;
  connected = is;
  showBanner();
  if (differs) for (const take of connectionTakers) safely(() => take(is));
}

export function follow(take) {
  takers.push(take);
  if (seq !== null) drop(current); // a new reader needs a snapshot
  open();
}

function open() {
  if (current !== null) return;
  clearTimeout(retrying);
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);
  current = socket;
  let heard = false;
  let tooQuiet = setTimeout(() => lost(socket), SILENCE_MS);
  socket.addEventListener("message", (event) => {
    if (current !== socket) return;
    clearTimeout(tooQuiet);
    tooQuiet = setTimeout(() => lost(socket), SILENCE_MS);
    const message = JSON.parse(event.data);
    if (message.type !== "snapshot" && message.seq !== seq + 1) {
      lost(socket); // a frame is missing
      return;
    }
    heard = true;
    failures = 0;
    aheadMs = message.now_ms - Date.now();
    seq = message.seq;
    if (message.type === "snapshot" || message.connections.length > 0) lights = message.connections;
    if (message.questions) showWaiting(message.questions);
    for (const take of takers) safely(() => take(message));
    tellWatchers(message);
    setConnected(true);
  });
  socket.addEventListener("close", (event) => {
    clearTimeout(tooQuiet);
    if (event.code === 4401) signIn();
    else if (!heard) signedIn();
    lost(socket);
  });
}

function drop(socket) {
  current = null;
  seq = null;
  socket.close();
}

function lost(socket) {
  if (current !== socket) return;
  drop(socket);
  const pause = RETRY_MS[Math.min(failures, RETRY_MS.length - 1)] * (0.75 + Math.random() / 2);
  failures += 1;
  setConnected(false);
  retrying = setTimeout(open, pause);
}

function signIn() {
  location.assign(`/sign-in?following=${encodeURIComponent(location.pathname + location.search)}`);
}

// A websocket that is refused does not say why: ask whether our session is over.
async function signedIn() {
  try {
    if ((await fetch("/search?q=")).status === 401) signIn();
  } catch {
    // nobody answers: the next try will tell
  }
}

globalThis.addEventListener?.("online", open); // no need to wait for the next try
