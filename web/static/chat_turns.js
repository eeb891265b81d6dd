// A turn of the conversation as elements.

import { el, list, source } from "/static/chat_dom.js";
import { questionForm } from "/static/chat_form.js";
import { planCard } from "/static/chat_plan.js";

function table(sent) {
  const more = sent.count > sent.rows.length ? el("p", { class: "soft" }, `and ${sent.count - sent.rows.length} more rows`) : null;
  return el("div", { class: "scroll" }, el("p", { class: "soft" }, `${sent.name}, ${sent.count} ${sent.count === 1 ? "row" : "rows"}`),
    el("table", { "aria-label": sent.name }, el("thead", {}, el("tr", {}, ...sent.columns.map((word) => el("th", { scope: "col" }, word)))),
      el("tbody", {}, ...sent.rows.map((row) => el("tr", {}, ...row.map((cell, at) => el("td", { "data-label": sent.columns[at] }, cell)))))), more);
}

function looked(one) {
  const found = one.found.flatMap((entry) => [
    el("dt", { dir: "auto" }, source(entry.title || entry.ref, entry.href)),
    el("dd", { dir: "auto" }, entry.text, " ", el("span", { class: "soft" }, `(${entry.ref})`)),
  ]);
  return el("li", {}, el("details", { open: one.found.length <= 3 }, el("summary", { dir: "auto" }, one.query ? `${one.what}: ${one.query}` : one.what),
    one.problem ? el("p", { class: "soft", dir: "auto" }, one.problem) : null, found.length ? el("dl", {}, ...found) : null));
}

function formView(turn, acts) {
  if (turn.form_open) return questionForm(turn, acts.answer);
  return el("p", { class: "soft" }, `Asked: ${turn.form.map((one) => one.label).join("; ")}`);
}

function newsLine(one) {
  const found = one.found.map((field) => `${field.label}: ${field.value}`).join("; ");
  return el("li", {}, el("strong", { dir: "auto" }, one.who), ` ${one.happened} `,
    one.summary ? el("span", { class: "soft", dir: "auto" }, one.summary, " ") : null,
    found ? el("span", { class: "soft", dir: "auto" }, found, " ") : null,
    one.call_id ? el("a", { href: `/?call=${encodeURIComponent(one.call_id)}` }, "what was said") : null);
}

function newsView(news) {
  const more = news.more ? [el("li", {}, `and ${news.more} more`)] : [];
  return el("section", { class: "news", "aria-label": "News about calls" }, el("strong", {}, `News: ${news.counts}`),
    el("ul", {}, ...news.lines.map(newsLine), ...more));
}

function parts(turn, acts) {
  return [
    turn.news ? newsView(turn.news) : null,
    turn.looked.length ? el("ul", { class: "looked", "aria-label": "Look-ups" }, ...turn.looked.map(looked)) : null,
    turn.text ? el("p", { class: "said", dir: "auto" }, turn.text) : null,
    turn.missing.length ? list(turn.missing, { class: "refused" }) : null,
    turn.answers.length
      ? el("dl", { class: "answers" }, ...turn.answers.flatMap((one) => [el("dt", { dir: "auto" }, one.label), el("dd", { dir: "auto" }, one.value)]))
      : null,
    ...turn.tables.map(table),
    turn.form.length ? formView(turn, acts) : null,
    turn.plan ? planCard(turn.plan, acts) : null,
    turn.again
      ? el("p", {}, turn.role === "user" ? el("span", { class: "soft" }, "This was not answered. ") : null,
        el("button", { type: "button", class: "quiet", onclick: () => acts.again(turn.seq) }, "Try again"))
      : null,
  ];
}

export function turnItem(turn, name, acts) {
  const who = turn.role === "user" ? name : "Assistant";
  const aloud = turn.spoken ? `, spoken${turn.interrupted ? ", interrupted" : ""}` : "";
  const at = turn.at ? el("span", { class: "at soft" }, ` ${turn.at}${aloud}${turn.cost ? `, ${turn.cost}` : ""}`) : null;
  return el("li", { class: `turn ${turn.role}`, "data-seq": turn.seq, "data-kind": turn.kind }, el("p", { class: "who" }, who, at), ...parts(turn, acts));
}
