// Decodes what Python packed, with the page's own script. stdin: {frames: [hex]}; stdout: what came out.
import { readFileSync } from "node:fs";

const { samplesOf, unpack } = await import(new URL("../../../web/static/voice.js", import.meta.url));
const { frames } = JSON.parse(readFileSync(0, "utf8"));
const out = frames.map((hex) => {
  const bytes = Uint8Array.from(hex.match(/../g), (pair) => parseInt(pair, 16));
  const { codec, seq, lanes } = unpack(bytes.buffer);
  return { codec, seq, lanes: lanes.map((lane) => [...samplesOf(codec, lane)]) };
});
console.log(JSON.stringify(out));
