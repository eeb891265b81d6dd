// The assistant's questions as a form. What is filled in goes back as data, by the names of the fields.

import { el } from "/static/chat_dom.js";

const YES = ["yes", "true", "1", "y"];
const NO = ["no", "false", "0", "n"];
const RADIOS_UP_TO = 6;

export const ownZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

function zones(chosen) {
  const known = typeof Intl.supportedValuesOf === "function" ? Intl.supportedValuesOf("timeZone") : [];
  return [...new Set([chosen, "UTC", ...known])];
}

function option(type, id, name, value, label, checked) {
  return el("label", { class: "option", for: id, dir: "auto" }, el("input", { type, id, name, value, checked }), label);
}

function choices(one, id, type, options, chosen) {
  return options.map(([value, label], at) => option(type, `${id}-${at}`, id, value, label, chosen.includes(value)));
}

function single(one, id, about) {
  const given = { id, name: id, required: one.required, "aria-describedby": about };
  if (one.type === "choice") {
    return el("select", given, el("option", { value: "" }, "Choose…"),
      ...one.options.map((word) => el("option", { value: word, selected: word === one.default }, word)));
  }
  const type = { number: "number", phone: "tel", date_time: "datetime-local" }[one.type] ?? "text";
  const more = { number: { step: "any", inputmode: "decimal" }, phone: { autocomplete: "tel", placeholder: "+1 555 …" } }[one.type] ?? {};
  return el("input", { ...given, ...more, type, maxlength: type === "text" ? 1000 : null, value: one.default || null });
}

function grouped(one) {
  if (one.type === "yes_no") return [["yes", "Yes"], ["no", "No"]];
  if (one.type === "multi_choice" || (one.type === "choice" && one.options.length <= RADIOS_UP_TO)) return one.options.map((word) => [word, word]);
  return null;
}

function chosenAtFirst(one) {
  const word = one.default.trim().toLowerCase();
  if (one.type === "yes_no") return YES.includes(word) ? ["yes"] : NO.includes(word) ? ["no"] : [];
  return one.type === "multi_choice" ? one.default.split(",").map((part) => part.trim()) : [one.default];
}

function field(one, prefix) {
  const id = `${prefix}-${one.name}`;
  const about = one.help ? `${id}-help` : null;
  const must = el("span", { class: "must" }, one.required ? " (required)" : " (optional)");
  const help = one.help ? el("p", { class: "soft", id: about, dir: "auto" }, one.help) : null;
  const wrong = el("p", { class: "wrong", id: `${id}-wrong`, "data-wrong": one.name, hidden: true });
  const options = grouped(one);
  if (options !== null) {
    const type = one.type === "multi_choice" ? "checkbox" : "radio";
    return el("fieldset", { class: "field", "data-name": one.name, "data-type": one.type, "aria-describedby": about },
      el("legend", { dir: "auto" }, one.label, must), help, ...choices(one, id, type, options, chosenAtFirst(one)), wrong);
  }
  return el("div", { class: "field", "data-name": one.name, "data-type": one.type },
    el("label", { for: id, dir: "auto" }, one.label, must), help, single(one, id, about), wrong);
}

function valueOf(box) {
  const checked = [...box.querySelectorAll("input:checked")].map((input) => input.value);
  if (box.dataset.type === "multi_choice") return checked;
  if (box.tagName === "FIELDSET") return checked[0] ?? "";
  return box.querySelector("input, select").value;
}

function tellWrong(form, fields) {
  let first = null;
  for (const box of form.querySelectorAll(".field[data-name]")) {
    const label = box.querySelector("label, legend").firstChild.textContent;
    const whole = fields[box.dataset.name] ?? "";
    const sentence = whole.startsWith(`${label}: `) ? whole[label.length + 2].toUpperCase() + whole.slice(label.length + 3) : whole;
    const place = box.querySelector("[data-wrong]");
    place.textContent = sentence;
    place.hidden = sentence === "";
    const inputs = box.querySelectorAll("input, select");
    for (const input of inputs) {
      if (sentence) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
      if (sentence) input.setAttribute("aria-describedby", place.id);
    }
    if (sentence) first ??= inputs[0];
  }
  first?.focus();
}

// `submit({ answers, message })` answers null, or { fields, detail } when the answers are not taken.
export function questionForm(turn, submit) {
  const prefix = `q${turn.seq}`;
  const timed = turn.form.some((one) => one.type === "date_time");
  const zone = timed
    ? el("div", { class: "field" }, el("label", { for: `${prefix}-zone` }, "Time zone of the times above"),
      el("select", { id: `${prefix}-zone` }, ...zones(ownZone()).map((key) => el("option", { value: key, selected: key === ownZone() }, key))))
    : null;
  const said = el("p", { class: "notice", role: "alert", hidden: true });
  const button = el("button", {}, "Send answers");
  const form = el("form", { class: "ask", novalidate: true, "aria-label": "Questions of the assistant" },
    ...turn.form.map((one) => field(one, prefix)), zone, said, button);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    said.hidden = true;
    const answers = {};
    for (const box of form.querySelectorAll(".field[data-name]")) {
      const value = valueOf(box);
      if (value !== "" && value.length !== 0) answers[box.dataset.name] = value;
    }
    const hasTime = timed && turn.form.some((one) => one.type === "date_time" && answers[one.name]);
    const refused = await submit({ answers, message: hasTime ? `Times are in the zone ${form.querySelector(`#${prefix}-zone`).value}.` : "" });
    button.disabled = false;
    if (refused === null) return;
    tellWrong(form, refused.fields ?? {});
    if (refused.fields) return;
    said.textContent = refused.detail;
    said.hidden = false;
  });
  return form;
}
