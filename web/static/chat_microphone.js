// One spoken session with the assistant: the microphone up and speech down over one websocket, opened anew when it is
// lost. The microphone stays open meanwhile; what is said then is not heard, and the page says so.

import { address, openMicrophone, samplesOf, sound } from "/static/voice.js";

const PAUSES_MS = [500, 1000, 2000, 4000, 8000];
const TRIES = 12;
const PCM = 2; // in the codec numbers of voice.js
const FINAL = {
  4401: "Your session has ended; sign in again.",
  4403: "Your role does not allow this.",
  4404: "There is no such conversation any more.",
};
const FINAL_WHY = new Set(["idle", "budget", "refused", "busy", "longest", "elsewhere"]);

// `asks(resumed)` gives the parameters of the websocket; `told(event)` hears every event of the server, and of ours:
// { event: "level", loudest }, { event: "lost" }, { event: "restored" }, { event: "off", words }.
export class Conversation {
  constructor(asks, told) {
    this.asks = asks;
    this.told = told;
    this.over = false;
    this.began = false;
    this.failures = 0;
  }

  async start() {
    this.stream = await openMicrophone();
    if (this.over) return this.release();
    this.context = await sound();
    if (this.over) return this.release();
    this.player = new AudioWorkletNode(this.context, "listener", { numberOfInputs: 0, outputChannelCount: [2] });
    this.player.connect(this.context.destination);
    const ear = new AudioWorkletNode(this.context, "microphone", { numberOfOutputs: 0 });
    this.context.createMediaStreamSource(this.stream).connect(ear);
    ear.port.onmessage = ({ data }) => {
      if (this.socket?.readyState === WebSocket.OPEN && this.socket.bufferedAmount < 32000) this.socket.send(data.pcm);
      this.told({ event: "level", loudest: data.loudest });
    };
    for (const track of this.stream.getTracks()) track.addEventListener("ended", () => this.end("The microphone is gone. Plug it in and press Speak again."));
    this.connect();
  }

  connect() {
    const asked = new URLSearchParams(this.asks(this.began));
    this.socket = new WebSocket(`${address("/api/chat/voice")}?${asked}`);
    this.socket.binaryType = "arraybuffer";
    this.lastOver = null;
    this.socket.addEventListener("message", ({ data }) => this.take(data));
    this.socket.addEventListener("close", (event) => this.closed(event.code));
  }

  take(data) {
    if (typeof data !== "string") {
      this.player.port.postMessage({ lane: 0, rate: this.rate, samples: samplesOf(PCM, new Uint8Array(data)) });
      return;
    }
    const event = JSON.parse(data);
    if (event.event === "hello") {
      this.rate = event.rate_hz;
      this.began = true;
    } else if (event.event === "phase") { // only now the model is there too: a page that is let in is not yet heard
      this.failures = 0;
      if (this.lost) this.told({ event: "restored" });
      this.lost = false;
    } else if (event.event === "flush") {
      this.player.port.postMessage({ silence: true });
    } else if (event.event === "over") {
      this.lastOver = event;
    }
    this.told(event);
  }

  closed(code) {
    if (this.over) return;
    this.player.port.postMessage({ silence: true });
    if (FINAL[code]) return void this.end(FINAL[code]);
    if (this.lastOver !== null && FINAL_WHY.has(this.lastOver.why)) return void this.end(this.lastOver.words);
    if (!this.began && this.failures > 1) return void this.end("OpenDeep does not let this page speak. Reload it, or write.");
    if (this.failures >= TRIES) return void this.end(`${this.lastOver?.words ?? ""} The connection did not come back. Press Speak to try again; what was said is kept.`.trim());
    if (this.began && !this.lost) {
      this.lost = true;
      this.told({ event: "lost" });
    }
    setTimeout(() => !this.over && this.connect(), PAUSES_MS[Math.min(this.failures, PAUSES_MS.length - 1)]);
    this.failures += 1;
  }

  stop() {
    this.end("");
  }

  end(words) {
    if (this.over) return;
    this.over = true;
    this.socket?.close();
    this.release();
    this.told({ event: "off", words });
  }

  release() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.context?.close();
  }
}
