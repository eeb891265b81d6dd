// The sound of a call in the browser: listen to both directions, and speak by microphone.

const RATES = [8000, 8000, 16000];

// --- the laws of G.711 ----------------------------------------------------------------------------------------
function ulaw(byte) {
  const value = ~byte & 0xff;
  const size = (((value & 0x0f) << 3) + 0x84) << ((value & 0x70) >> 4);
  return (value & 0x80 ? 0x84 - size : size - 0x84) / 32768;
}

function alaw(byte) {
  const value = byte ^ 0x55;
  const exponent = (value & 0x70) >> 4;
  const mantissa = (value & 0x0f) << 4;
  const size = exponent === 0 ? mantissa + 8 : (mantissa + 0x108) << (exponent - 1);
  return (value & 0x80 ? size : -size) / 32768;
}

const TABLES = [ulaw, alaw].map((law) => Float32Array.from({ length: 256 }, (_, byte) => law(byte)));

export function samplesOf(codec, bytes) {
  if (codec < 2) return Float32Array.from(bytes, (byte) => TABLES[codec][byte]);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float32Array.from({ length: bytes.byteLength >> 1 }, (_, at) => view.getInt16(2 * at, true) / 32768);
}

// One frame of /calls/{id}/audio, as web/steer/listening.py packs it.
export function unpack(buffer) {
  const view = new DataView(buffer);
  const codec = view.getUint8(1);
  const split = 8 + view.getUint16(2, true);
  return { codec, seq: view.getUint32(4, true), lanes: [new Uint8Array(buffer, 8, split - 8), new Uint8Array(buffer, split)] };
}

export const address = (path) => `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;
const WHY = {
  4401: "Your session has ended; sign in again.",
  4403: "Your role does not allow this.",
  4404: "There is no such call.",
  4409: "The call is over.",
  4410: "It is spoken on another page.",
};

export async function sound() {
  const context = new AudioContext({ latencyHint: "interactive" });
  await context.audioWorklet.addModule("/static/voice-worklet.js");
  if (context.state === "suspended") await context.resume();
  return context;
}

// Whoever has stopped while the browser was still opening something does not get it: it is closed again.
function unlessOver(owner, release) {
  if (!owner.over) return;
  release();
  throw new Error("It was stopped before it began.");
}

// --- listening ------------------------------------------------------------------------------------------------
// `told(state)` hears { on, why, loudest: [callee, agent], lost }.
export class Listener {
  constructor(callId, told) {
    this.callId = callId;
    this.told = told;
    this.lost = 0;
    this.seq = 0;
    this.deafTo = null; // a lane that is not played: who speaks need not hear themselves
    this.over = false;
  }

  async start() {
    this.context = await sound();
    unlessOver(this, () => this.context.close());
    const node = new AudioWorkletNode(this.context, "listener", { numberOfInputs: 0, outputChannelCount: [2] });
    node.connect(this.context.destination);
    node.port.onmessage = ({ data }) => this.told({ on: true, loudest: data.loudest, waiting: data.waiting, lost: this.lost });
    this.socket = new WebSocket(address(`/calls/${encodeURIComponent(this.callId)}/audio`));
    this.socket.binaryType = "arraybuffer";
    this.socket.addEventListener("open", () => this.told({ on: true, loudest: [0, 0], lost: 0 }));
    this.socket.addEventListener("message", ({ data }) => {
      const { codec, seq, lanes } = unpack(data);
      if (this.seq > 0) this.lost += seq - this.seq - 1;
      this.seq = seq;
      lanes.forEach((bytes, lane) => lane !== this.deafTo && node.port.postMessage({ lane, rate: RATES[codec], samples: samplesOf(codec, bytes) }));
    });
    this.socket.addEventListener("close", (event) => this.end(WHY[event.code] ?? "The sound of the call is lost; start listening again."));
  }

  stop() {
    this.end("");
  }

  end(why) {
    if (this.over) return;
    this.over = true;
    this.socket?.close();
    this.context?.close();
    this.told({ on: false, why });
  }
}

// --- speaking -------------------------------------------------------------------------------------------------
const REFUSED = {
  NotAllowedError: "The browser may not use the microphone: allow it for this site (the sign beside the address), then try again.",
  NotFoundError: "There is no microphone. Plug one in, then try again.",
  NotReadableError: "Another program holds the microphone. Close it, then try again.",
};

// Why this page cannot speak at all; empty when it can.
export function cannotSpeak() {
  if (window.isSecureContext && navigator.mediaDevices?.getUserMedia) return "";
  return "Browsers give the microphone to https pages and to localhost only: open OpenDeep by https (a proxy with a certificate) or on the machine itself.";
}

// The stream of the microphone; throws an Error whose words say what to do.
export async function openMicrophone() {
  const why = cannotSpeak();
  if (why !== "") throw new Error(why);
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true } });
  } catch (problem) {
    throw new Error(REFUSED[problem.name] ?? `The microphone cannot be used: ${problem.message}`);
  }
}

// The microphone as 20 ms of 16 kHz PCM16 over a websocket. `told(state)` hears { on, why, loudest }.
export class Microphone {
  constructor(path, told) {
    this.path = path;
    this.told = told;
    this.over = false;
    this.lost = "The connection of your microphone is lost; the agent takes the call back in a few seconds.";
  }

  // Resolves to the first message of the server, once the microphone is open and its sound is on the way.
  async start() {
    this.stream = await openMicrophone();
    unlessOver(this, () => this.stream.getTracks().forEach((track) => track.stop()));
    this.context = await sound();
    unlessOver(this, () => this.context.close());
    const hello = await this.connect();
    unlessOver(this, () => this.socket.close());
    const node = new AudioWorkletNode(this.context, "microphone", { numberOfOutputs: 0 });
    this.context.createMediaStreamSource(this.stream).connect(node);
    node.port.onmessage = ({ data }) => {
      if (this.socket.readyState === WebSocket.OPEN && this.socket.bufferedAmount < 32000) this.socket.send(data.pcm);
      this.told({ on: true, loudest: data.loudest });
    };
    for (const track of this.stream.getTracks()) track.addEventListener("ended", () => this.end("The microphone is gone."));
    return hello;
  }

  connect() {
    return new Promise((resolve, reject) => {
      this.socket = new WebSocket(address(this.path));
      this.socket.binaryType = "arraybuffer";
      this.socket.addEventListener("message", ({ data }) => { if (typeof data === "string") resolve(JSON.parse(data)); });
      this.socket.addEventListener("close", (event) => {
        const why = WHY[event.code] ?? this.lost;
        reject(new Error(why));
        this.end(why);
      });
    });
  }

  stop() {
    this.end("");
  }

  end(why) {
    if (this.over) return;
    this.over = true;
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.socket?.close();
    this.context?.close();
    this.told({ on: false, why });
  }
}

// --- both at once ---------------------------------------------------------------------------------------------
// A microphone whose websocket brings the other side's sound back, and what happens as JSON: `heard(step)`.
export class Line extends Microphone {
  constructor(path, told, heard) {
    super(path, told);
    this.heard = heard;
    this.lost = "The connection is lost; what was said so far is kept.";
  }

  connect() {
    const player = new AudioWorkletNode(this.context, "listener", { numberOfInputs: 0, outputChannelCount: [2] });
    player.connect(this.context.destination);
    player.port.onmessage = ({ data }) => this.told({ on: true, agent: data.loudest[1] });
    const hello = super.connect();
    this.socket.addEventListener("message", ({ data }) => {
      if (typeof data === "string") {
        const said = JSON.parse(data);
        if (said.kind !== undefined) this.heard(said);
        return;
      }
      const { codec, lanes } = unpack(data);
      player.port.postMessage({ lane: 1, rate: RATES[codec], samples: samplesOf(codec, lanes[1]) });
    });
    return hello;
  }

  say(text) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(text);
  }
}
