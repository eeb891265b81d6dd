// Stops a microphone (or listening) while the browser still opens something. stdout: what threw, what stayed open.
const open = new Set();
const gates = {};
let stopAt = "";
const opened = (name) => { open.add(name); return () => open.delete(name); };
const pending = (name) => new Promise((resolve) => {
  gates[name] = resolve;
  if (name !== stopAt) resolve();
});

class AudioContext {
  constructor() {
    this.close = opened("context");
    this.state = "running";
    this.audioWorklet = { addModule: () => pending("sound") };
  }

  createMediaStreamSource() {
    return { connect() {} };
  }
}

class WebSocket {
  constructor() {
    this.close = opened("socket");
    pending("hello").then(() => this.hear?.({ data: '{"mic":"m"}' }));
  }

  addEventListener(kind, told) {
    if (kind === "message") this.hear = told;
  }
}

class AudioWorkletNode {
  constructor() {
    this.port = {};
  }

  connect() {}
}

const stream = () => {
  const stop = opened("track");
  return { getTracks: () => [{ stop, addEventListener() {} }] };
};
const navigator = { mediaDevices: { getUserMedia: () => pending("permission").then(stream) } };
const given = { window: { isSecureContext: true }, location: { protocol: "http:", host: "h" }, AudioContext, WebSocket, AudioWorkletNode, navigator };
for (const [name, value] of Object.entries(given)) Object.defineProperty(globalThis, name, { value, configurable: true });

const { Listener, Microphone } = await import(new URL("../../../web/static/voice.js", import.meta.url));
const out = [];
for (const at of ["permission", "sound", "hello", "listening"]) {
  open.clear();
  stopAt = at === "listening" ? "sound" : at;
  const one = at === "listening" ? new Listener("c", () => {}) : new Microphone("/m", () => {});
  const threw = one.start().then(() => false, () => true);
  await new Promise((resolve) => setTimeout(resolve, 20));
  one.stop();
  gates[stopAt]();
  out.push({ at, threw: await threw, open: [...open] });
}
console.log(JSON.stringify(out));
