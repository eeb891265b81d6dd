// Runs on the browser's audio thread. "listener" plays two lanes of a call through a small jitter buffer each;
// "microphone" hands out the microphone as 20 ms of 16 bit PCM at 16 kHz.

const START_MS = 60;
const MOST_MS = 300;

// One direction of a call: samples wait until 60 ms are there; what is more than 300 ms late is dropped.
class Lane {
  constructor() {
    this.rate = 8000;
    this.ring = new Float32Array(16384);
    this.read = 0; // position in samples, with a fraction
    this.write = 0;
    this.running = false;
  }

  get waiting() {
    return this.write - this.read;
  }

  put(samples, rate) {
    if (rate !== this.rate) {
      this.rate = rate;
      this.read = this.write = 0;
      this.running = false;
    }
    for (const sample of samples) this.ring[this.write++ % this.ring.length] = sample;
    if (this.waiting > (MOST_MS * rate) / 1000) this.read = this.write - (START_MS * rate) / 1000;
    if (!this.running && this.waiting >= (START_MS * rate) / 1000) this.running = true;
  }

  // Fall silent and forget what waits.
  clear() {
    this.read = this.write = 0;
    this.running = false;
  }

  // Add `out.length` samples at the device's rate, straight lines between ours.
  mix(out, deviceRate) {
    const step = this.rate / deviceRate;
    let loudest = 0;
    for (let at = 0; at < out.length && this.running; at += 1) {
      if (this.waiting < 2) {
        this.running = false; // empty: collect again
        break;
      }
      const first = Math.floor(this.read);
      const share = this.read - first;
      const size = this.ring.length;
      const value = this.ring[first % size] * (1 - share) + this.ring[(first + 1) % size] * share;
      out[at] += value;
      loudest = Math.max(loudest, Math.abs(value));
      this.read += step;
    }
    return loudest;
  }
}

registerProcessor("listener", class extends AudioWorkletProcessor {
  constructor() {
    super();
    this.lanes = [new Lane(), new Lane()];
    this.loudest = [0, 0];
    this.blocks = 0;
    this.port.onmessage = ({ data }) => (data.silence ? this.lanes.forEach((lane) => lane.clear()) : this.lanes[data.lane].put(data.samples, data.rate));
  }

  process(_inputs, [outputs]) {
    const [first] = outputs;
    this.lanes.forEach((lane, at) => { this.loudest[at] = Math.max(this.loudest[at], lane.mix(first, sampleRate)); });
    for (const other of outputs.slice(1)) other.set(first);
    this.blocks += 1;
    if (this.blocks % 40 === 0) {
      this.port.postMessage({ loudest: this.loudest, waiting: this.lanes.map((lane) => (lane.waiting / lane.rate) * 1000) });
      this.loudest = [0, 0];
    }
    return true;
  }
});

const OUT_RATE = 16000;
const FRAME = 320;
const CUT_HZ = 7000;
const TAPS = 48; // on each side, at the device's rate

// A windowed sinc below CUT_HZ, so that nothing above 8 kHz comes back as something else.
function lowPass(rate) {
  const taps = new Float32Array(2 * TAPS + 1);
  let sum = 0;
  for (let at = -TAPS; at <= TAPS; at += 1) {
    const x = (2 * CUT_HZ * at) / rate;
    const sinc = at === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
    const window = 0.42 + 0.5 * Math.cos((Math.PI * at) / TAPS) + 0.08 * Math.cos((2 * Math.PI * at) / TAPS);
    sum += taps[at + TAPS] = sinc * window;
  }
  return taps.map((tap) => tap / sum);
}

registerProcessor("microphone", class extends AudioWorkletProcessor {
  constructor() {
    super();
    this.taps = lowPass(sampleRate);
    this.held = new Float32Array(0);
    this.position = TAPS; // centre of the next output sample, in `held`
    this.frame = new Int16Array(FRAME);
    this.filled = 0;
    this.loudest = 0;
  }

  process([inputs]) {
    const fresh = inputs.length > 0 ? inputs[0] : new Float32Array(128);
    const held = new Float32Array(this.held.length + fresh.length);
    held.set(this.held);
    held.set(fresh, this.held.length);
    const step = sampleRate / OUT_RATE;
    while (this.position + TAPS + 1 < held.length) {
      this.put(this.at(held, this.position));
      this.position += step;
    }
    const done = Math.max(0, Math.floor(this.position) - TAPS);
    this.held = held.slice(done);
    this.position -= done;
    return true;
  }

  at(held, position) {
    const centre = Math.floor(position);
    const share = position - centre;
    let value = 0;
    for (let tap = -TAPS; tap <= TAPS; tap += 1) {
      const sample = held[centre + tap] * (1 - share) + held[centre + tap + 1] * share;
      value += sample * this.taps[tap + TAPS];
    }
    return value;
  }

  put(value) {
    this.loudest = Math.max(this.loudest, Math.abs(value));
    this.frame[this.filled++] = Math.max(-32768, Math.min(32767, Math.round(value * 32767)));
    if (this.filled === FRAME) {
      this.port.postMessage({ pcm: this.frame.buffer, loudest: this.loudest }, [this.frame.buffer]);
      this.frame = new Int16Array(FRAME);
      this.filled = 0;
      this.loudest = 0;
    }
  }
});
