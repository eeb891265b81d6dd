// A spoken session of the chat whose websocket closes as told. stdout: what the page heard, and what was asked for.
import { readFileSync } from "node:fs";

const sockets = [];
const timers = [];
const nothing = () => {};
globalThis.setTimeout = (step) => timers.push(step);
globalThis.WebSocket = class {
  static OPEN = 1;
  constructor(path) {
    this.path = path;
    this.close = nothing;
    sockets.push(this);
  }
  addEventListener(kind, told) {
    this[`on_${kind}`] = told;
  }
};
globalThis.AudioWorkletNode = class {
  constructor() {
    this.port = { postMessage: nothing };
  }
  connect() {}
};
const voice = `
export const address = (path) => path;
export const openMicrophone = async () => ({ getTracks: () => [] });
export const sound = async () => ({ close() {}, createMediaStreamSource: () => ({ connect() {} }) });
export const samplesOf = () => [];
`;
const url = (text) => `data:text/javascript,${encodeURIComponent(text)}`;
const script = readFileSync(new URL("../../../web/static/chat_microphone.js", import.meta.url), "utf8");
const { Conversation } = await import(url(script.replace("/static/voice.js", url(voice))));

const hello = { event: "hello", rate_hz: 24000 };
const works = { event: "phase", phase: "listening" };
const lost = { event: "over", why: "lost", words: "The speech model cannot be reached." };
const idle = { event: "over", why: "idle", words: "Nobody has spoken." };
// Each step: what the newest websocket says, then its close code.
const runs = {
  restored: [[[hello, works], 1006], [[hello], 1006], [[hello, works], null]],
  hopeless: Array.from({ length: 20 }, () => [[hello, lost], 4504]),
  never: Array.from({ length: 5 }, () => [[], 1006]),
  idle: [[[hello, works, idle], 4408], [[], null]],
  signed_out: [[[hello, works], 4401]],
};
const out = {};
for (const [name, steps] of Object.entries(runs)) {
  sockets.length = timers.length = 0;
  const heard = [];
  const one = new Conversation((resumed) => ({ resumed }), (event) => heard.push(event));
  await one.start();
  for (const [events, code] of steps) {
    const socket = sockets.at(-1);
    for (const event of events) socket.on_message({ data: JSON.stringify(event) });
    if (code !== null && !one.over) socket.on_close({ code });
    timers.splice(0).forEach((step) => step());
  }
  const ours = heard.filter((event) => ["lost", "restored", "off"].includes(event.event));
  out[name] = { ours: ours.map((event) => event.event), words: ours.at(-1)?.words ?? "", resumed: sockets.map((socket) => socket.path.includes("resumed=true")), over: one.over };
}
console.log(JSON.stringify(out));
