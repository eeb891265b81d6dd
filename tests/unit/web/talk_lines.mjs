// The panel of the selected call on as much of a browser as it touches: plays standard input, prints the lines.

import { readFileSync } from "node:fs";

class Place {
  children = [];
  dataset = {};
  hidden = false;
  textContent = "";
  fields = {};

  querySelector(selector) {
    const field = /^\[data-field="(.*)"\]$/.exec(selector);
    if (field) return (this.fields[field[1]] ??= new Place());
    const [, item, speaker] = /^\[data-item="(.*)"\]\[data-speaker="(.*)"\]$/.exec(selector);
    return this.children.find((one) => one.dataset.item === item && one.dataset.speaker === speaker) ?? null;
  }

  cloneNode() {
    return new Place();
  }

  append(one) {
    this.children.push(one);
  }

  insertBefore(one, before) {
    this.children = this.children.filter((other) => other !== one);
    const at = before === null ? this.children.length : this.children.indexOf(before);
    this.children.splice(at, 0, one);
  }

  replaceChildren() {
    this.children = [];
  }
}

const places = {};
const template = { content: { firstElementChild: new Place() } };
let timers = [];
let answers = [];
globalThis.CSS = { escape: (text) => text };
globalThis.document = {
  getElementById: (id) => (id === "line" ? template : (places[id] ??= new Place())),
  querySelector: () => null,
};
globalThis.setTimeout = (work) => timers.push(work);
globalThis.fetch = () => new Promise((resolve) => answers.push(resolve));

const source = readFileSync(new URL("../../../web/static/talk.js", import.meta.url), "utf8");
const talk = await import(`data:text/javascript,${encodeURIComponent(source)}`);
const settled = () => new Promise((resolve) => setImmediate(resolve));

for (const step of JSON.parse(readFileSync(0, "utf8"))) {
  if (step.select) talk.selectCall(step.select);
  else if (step.words) talk.showLine(step.words);
  else if (step.due) timers.splice(0).forEach((work) => work());
  else answers.shift()({ ok: true, json: async () => ({ call: {}, lines: step.stored }) });
  await settled();
}
console.log(JSON.stringify({ lines: places.lines.children.map((one) => one.dataset.item), asked: answers.length }));
process.exit(0);
