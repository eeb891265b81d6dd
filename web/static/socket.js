// One websocket for a page: a snapshot first, then numbered frames. Reconnects by itself; a frame that is missing
// makes it connect again, which brings a snapshot. The banner tells what is not connected.

const banner = document.getElementById("banner");
const NAMES = { ari: "Asterisk", media: "The media worker", realtime: "The speech model", store: "The database", bus: "The message bus" };
const RETRY_MS = [500, 1000, 2000, 4000, 8000];
const SILENCE_MS = 45000;

let seq = null;
let failures = 0;
let connections = [];
let connected = false;
let aheadMs = 0;

// The server's clock, in ms since the epoch.
export const serverNow = () => Date.now() + aheadMs;

function showBanner() {
  const troubles = connections
    .filter((c) => c.state === "lost" || c.state === "replaced")
    .map((c) => `${NAMES[c.name] ?? c.name} is not connected. ${c.detail}`);
  if (!connected && failures > 0) troubles.unshift("The connection to OpenDeep is lost; what you see may be old. Trying again…");
  banner.textContent = troubles.join(" ");
  banner.hidden = troubles.length === 0;
}

function showWaiting(questions) {
  const badge = document.getElementById("waiting");
  if (badge === null) return;
  badge.textContent = questions.length ? String(questions.length) : "";
  badge.hidden = questions.length === 0;
}

// `take(message)` gets every snapshot and every frame, in order.
export function follow(take) {
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);
  const tooQuiet = setTimeout(() => socket.close(), SILENCE_MS);
  socket.addEventListener("message", (event) => {
    clearTimeout(tooQuiet);
    connected = true;
    failures = 0;
    const message = JSON.parse(event.data);
    aheadMs = message.now_ms - Date.now();
    if (message.type !== "snapshot" && message.seq !== seq + 1) {
      socket.close(4000, "a frame is missing");
      return;
    }
    seq = message.seq;
    if (message.type === "snapshot" || message.connections.length > 0) connections = message.connections;
    if (message.questions) showWaiting(message.questions);
    take(message);
    showBanner();
  });
  socket.addEventListener("close", (event) => {
    clearTimeout(tooQuiet);
    if (event.code === 4401) {
      location.assign(`/sign-in?following=${encodeURIComponent(location.pathname)}`);
      return;
    }
    connected = false;
    const pause = RETRY_MS[Math.min(failures, RETRY_MS.length - 1)] * (0.75 + Math.random() / 2);
    failures += 1;
    showBanner();
    setTimeout(() => follow(take), pause);
  });
}
