// The page "Questions" on as much of a browser as it touches: plays the presses of standard input, prints clicks.

import { readFileSync } from "node:fs";

const listeners = {};
const clicks = [];
let sockets = [];
const buttons = ["first", "second"].map((name) => ({ click: () => clicks.push(name) }));
const element = {
  children: [],
  hidden: false,
  textContent: "",
  querySelectorAll: () => buttons,
  insertBefore: (entry) => element.children.unshift(entry),
};
const made = (id) => ({
  dataset: { question: id },
  querySelector: () => ({ textContent: "" }),
  remove: () => (element.children = element.children.filter((one) => one.dataset.question !== id)),
});
let now = 0;
Object.defineProperty(globalThis, "performance", { value: { now: () => now } });

globalThis.document = {
  getElementById: () => element,
  addEventListener: (kind, take) => (listeners[kind] = take),
};
globalThis.location = { protocol: "http:", host: "localhost" };
globalThis.setInterval = () => 0;
globalThis.setTimeout = () => 0;
globalThis.WebSocket = class {
  constructor() {
    sockets.push(this);
  }
  addEventListener(kind, take) {
    if (kind === "message") this.take = take;
  }
};

const source = (name) => readFileSync(new URL(`../../../web/static/${name}`, import.meta.url), "utf8");
const module = (text) => `data:text/javascript,${encodeURIComponent(text)}`;
await import(module(source("questions.js").replace("/static/socket.js", module(source("socket.js")))));

let seq = 0;
for (const step of JSON.parse(readFileSync(0, "utf8"))) {
  if (step.wait) {
    now += step.wait;
  } else if (step.shown) {
    const ids = step.shown === true ? [] : step.shown;
    element.children.push(...ids.filter((id) => !element.children.some((one) => one.dataset.question === id)).map(made));
    if (step.before) continue; // as the page was made
    const questions = ids.map((id) => ({ id, deadline_ms: 0, parked: false }));
    const data = { type: seq === 0 ? "snapshot" : "frame", seq, now_ms: 0, connections: [], questions };
    sockets[0].take({ data: JSON.stringify(data) });
    seq += 1;
  } else {
    const target = { closest: (places) => (step.inside && places.includes(step.inside) ? element : null) };
    listeners.keydown({ key: step.key, repeat: step.repeat ?? false, ctrlKey: step.ctrl ?? false, target });
  }
}
console.log(JSON.stringify(clicks));
process.exit(0);
