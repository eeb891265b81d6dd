// socket.js on as much of a browser as it touches: plays the steps of standard input, prints what came of them.

import { readFileSync } from "node:fs";

const happened = [];
const sockets = [];
let timers = [];
let clock = 0;
const element = { textContent: "", hidden: true };

globalThis.document = { getElementById: () => element };
globalThis.location = { protocol: "http:", host: "localhost", pathname: "/here", search: "?a=1&b=2", assign: (to) => happened.push(`goes ${to}`) };
globalThis.setTimeout = (run, ms) => {
  timers.push({ run, at: clock + ms, id: timers.length + 1 });
  return timers.at(-1);
};
globalThis.clearTimeout = (timer) => (timers = timers.filter((one) => one !== timer));
globalThis.fetch = async () => ({ status: 401 });
globalThis.WebSocket = class {
  constructor() {
    this.listeners = {};
    this.open = true;
    sockets.push(this);
  }
  addEventListener(kind, take) {
    this.listeners[kind] = take;
  }
  close() {
    this.open = false;
  }
};

const path = new URL("../../../web/static/socket.js", import.meta.url);
const live = await import(`data:text/javascript,${encodeURIComponent(readFileSync(path, "utf8"))}`);
live.follow((message) => happened.push(`${message.type} ${message.seq}`));
live.onChanged("tasks", () => happened.push("read tasks"));
live.onChanged("dnc", () => happened.push("read dnc"));
live.onConnection((is) => happened.push(is ? "connected" : "lost"));

const later = () => new Promise((done) => setImmediate(done));
for (const step of JSON.parse(readFileSync(0, "utf8"))) {
  const socket = sockets[step.socket ?? sockets.length - 1];
  if (step.type) socket.listeners.message({ data: JSON.stringify({ now_ms: 0, connections: [], ...step }) });
  if (step.close) socket.listeners.close({ code: step.close });
  if (step.late) live.follow((message) => happened.push(`late ${message.type} ${message.seq}`));
  if (step.wait) {
    clock += step.wait;
    for (const timer of timers.filter((one) => one.at <= clock)) {
      timers = timers.filter((one) => one !== timer);
      timer.run();
      await later();
    }
  }
  await later();
}
console.log(JSON.stringify({ happened, sockets: sockets.length, open: sockets.filter((one) => one.open).length, banner: element.hidden ? "" : element.textContent }));
process.exit(0);
