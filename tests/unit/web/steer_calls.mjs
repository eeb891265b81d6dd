// The panel of a living call on as much of a page as it touches: another call is chosen while the browser asks for
// the microphone, and while a question is open; a form is sent twice. stdout: which orders went to which call.
import { readFileSync } from "node:fs";

const stub = { mics: [], asks: [], orders: [], made: [], answered: null };
const nothing = () => {};
const node = () => ({ dataset: {}, classList: { add: nothing }, append: nothing, replaceChildren: nothing, setAttribute: nothing, focus: nothing, dispatchEvent: nothing });
const slot = { ...node(), isConnected: true };
let changed = nothing;
Object.assign(globalThis, {
  stub,
  node,
  document: { hidden: false, querySelectorAll: () => [slot], querySelector: node, body: {} },
  CustomEvent: class {},
  MutationObserver: class {
    constructor(told) { changed = told; }
    observe() {}
  },
});
const dom = `
export function el(tag, attributes, ...children) {
  const one = { ...node(), ...attributes, tag, children };
  stub.made.push(one);
  return one;
}
export const fresh = () => "id";
export const sure = () => new Promise((resolve) => stub.asks.push(resolve));
export async function asked(path, options) {
  if (!options) return { alive: true, talking: true, line: "open", transfer: ["desk"], orders: [] };
  stub.orders.push([path.split("/")[2], JSON.parse(options.body).kind]);
  await stub.answered;
  return { id: "id", settled: true, state: "done" };
}`;
const voice = `
export class Microphone {
  constructor(path, told) { Object.assign(this, { told, over: false }); stub.mics.push(this); }
  start() { return new Promise((resolve) => { this.allow = () => resolve({ mic: "m" }); }); }
  stop() { this.end(""); }
  end(why) { if (!this.over) { this.over = true; this.told({ on: false, why }); } }
}
export class Listener { async start() {} stop() {} end() {} }`;
const module = (text) => `data:text/javascript,${encodeURIComponent(text)}`;
const source = readFileSync(new URL("../../../web/static/steer.js", import.meta.url), "utf8");
slot.dataset.call = "A";
await import(module(source.replace("/static/steer_dom.js", module(dom)).replace("/static/voice.js", module(voice))));

const settled = () => new Promise((resolve) => setTimeout(resolve, 5));
const press = (words) => stub.made.find((one) => one.tag === "button" && one.children[0] === words).onclick();
async function choose(call) {
  slot.dataset.call = call;
  changed();
  await settled();
}

await settled();
press("Take over");
await choose("B");
stub.mics[0].allow();
await settled();
press("Take over");
stub.mics[1].allow();
await settled();
press("Hang up at once");
await choose("A");
stub.asks[0](true);
await settled();

// Every form twice: the second time while the first order runs, and again when it has been answered.
const before = stub.orders.length;
const locked = [];
for (const [words, fill] of [["Whisper to the agent", "hello"], ["Press", "1"]]) {
  const button = stub.made.find((one) => one.tag === "button" && one.children[0] === words);
  const form = stub.made.find((one) => one.tag === "form" && one.children.includes(button));
  const box = stub.made.find((one) => one.tag === "label" && form.children.includes(one)).children[1];
  form.querySelectorAll = () => form.children.filter((one) => one.tag === "button");
  const submit = () => {
    box.value = fill;
    form.onsubmit({ preventDefault: nothing, currentTarget: form, submitter: button });
  };
  let answer = nothing;
  stub.answered = new Promise((resolve) => { answer = resolve; });
  submit();
  await settled();
  submit();
  await settled();
  locked.push(button.disabled);
  answer();
  await settled();
  locked.push(button.disabled);
  submit();
  await settled();
}
const sent = stub.orders.splice(before).map(([, kind]) => kind);
console.log(JSON.stringify({ orders: stub.orders, over: stub.mics.map((one) => one.over), sent, locked }));
process.exit(0);
