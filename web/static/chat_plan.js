// The plan card: who is called, when, what is said, what was checked, what it costs, and the decision.

import { el, list, source } from "/static/chat_dom.js";

function part(title, ...content) {
  return [el("h3", {}, title), ...content];
}

function from(one) {
  return el("span", { class: "soft" }, "from ", one.who, one.ref && one.ref !== one.who ? ": " : "",
    one.ref && one.ref !== one.who ? source(one.ref, one.href) : "");
}

function callItem(call, added) {
  const until = call.until ? `, not after ${call.until}` : "";
  return el("li", { class: added ? "added" : null },
    el("p", {}, el("strong", { dir: "auto" }, call.name || "No name"), " ", el("span", { class: "number" }, call.number),
      call.kind === "business" ? " (business)" : "", added ? el("strong", {}, " new in this plan") : null),
    el("p", { dir: "auto" }, call.objective),
    el("p", { class: "soft" }, `When: ${call.when}${until}`),
    el("p", {}, from(call.source)),
    call.consent ? el("p", { class: "soft", dir: "auto" }, `Consent, ${call.consent}`) : null);
}

function changes(diff) {
  if (diff === null) return null;
  const lines = [
    ...diff.added.map((who) => el("li", {}, "Added: ", el("ins", {}, who))),
    ...diff.removed.map((who) => el("li", {}, "Removed: ", el("del", {}, who))),
    ...diff.changed.map((one) => el("li", { dir: "auto" }, `${one.about}, ${one.field}: `,
      el("del", {}, one.before || "nothing"), " → ", el("ins", {}, one.after || "nothing"))),
  ];
  if (lines.length === 0) lines.push(el("li", {}, "Nothing is different from the plan before."));
  return el("section", { class: "diff", "aria-label": "Changes" }, el("h3", {}, "Changed since the plan before"), el("ul", {}, ...lines));
}

function fieldItem(one) {
  const options = one.options?.length ? `: ${one.options.join(", ")}` : "";
  const type = (one.type ?? "text").replace("_", " ");
  return `${one.label || one.name} (${type}${one.required ? ", required" : ""}${options})${one.help ? `, ${one.help}` : ""}`;
}

function leftOut(plan) {
  if (plan.left_out.length === 0) return null;
  const more = plan.left_out_more ? [el("li", {}, `and ${plan.left_out_more} more`)] : [];
  const count = plan.left_out.length + plan.left_out_more;
  return el("section", { class: "refused" }, el("strong", {}, `${count} ${count === 1 ? "row is" : "rows are"} not called:`),
    el("ul", {}, ...plan.left_out.map((one) => el("li", { dir: "auto" }, `${one.place}: ${one.reason}`)), ...more));
}

function decision(plan, acts) {
  if (plan.campaign_id) {
    return el("div", { class: "decide" }, el("strong", {}, "Confirmed."), el("a", { href: `/campaigns/${encodeURIComponent(plan.campaign_id)}` }, "Open the campaign"));
  }
  if (!plan.confirmable) return null;
  const said = el("span", { role: "status" });
  const confirm = el("button", { type: "button" }, plan.calls.length + plan.calls_more === 1 ? "Confirm this call" : "Confirm these calls");
  confirm.addEventListener("click", async () => {
    if (confirm.disabled) return;
    confirm.disabled = true;
    said.textContent = "One moment…";
    const refused = await acts.confirm(plan.id, (words) => { said.textContent = words; });
    if (refused === null) return;
    said.textContent = refused;
    confirm.disabled = false;
  });
  const edit = el("button", { type: "button", class: "quiet", onclick: () => acts.edit() }, "Change something");
  return el("div", { class: "decide" }, confirm, edit, said);
}

// A plan that was replaced is folded away: it cannot be confirmed any more.
export function planCard(plan, acts) {
  const card = whole(plan, acts);
  if (plan.state !== "superseded") return card;
  return el("details", {}, el("summary", {}, `${plan.state_label}: ${plan.title}`), card);
}

function whole(plan, acts) {
  const added = new Set(plan.changes?.added.map((who) => who.slice(who.lastIndexOf("+"))) ?? []);
  const money = plan.forecast;
  const more = plan.calls_more ? el("p", { class: "soft" }, `and ${plan.calls_more} more calls`) : null;
  return el("article", { class: "plan", "data-state": plan.state, "aria-label": `Plan: ${plan.title}` },
    el("header", {}, el("h2", { dir: "auto" }, plan.title), el("span", { class: "state" }, plan.state_label), el("span", { class: "soft" }, plan.purpose)),
    changes(plan.changes),
    ...part(plan.calls.length + plan.calls_more === 1 ? "Who is called" : `Who is called (${plan.calls.length + plan.calls_more})`,
      el("ul", { class: "calls" }, ...plan.calls.map((call) => callItem(call, added.has(call.number)))), more),
    leftOut(plan),
    ...part(`What is said first (${plan.language})`, el("blockquote", { dir: "auto" }, plan.opening)),
    ...part("What it is about", el("p", { dir: "auto" }, plan.task)),
    ...(plan.facts.length ? part("What the agent knows", el("ul", {}, ...plan.facts.map((fact) => el("li", { dir: "auto" }, fact.statement, " ", from(fact.source))))) : []),
    ...(plan.fields.length ? part("What it finds out", list(plan.fields.map(fieldItem))) : []),
    ...(plan.limits.length ? part("Limits", list(plan.limits)) : []),
    ...(plan.stop_when.length ? part("It ends the call when", list(plan.stop_when)) : []),
    ...part("Checked by code", list(plan.checks)),
    ...(money ? part("Forecast", el("p", { class: "figures" }, ...[money.calls, money.line, money.time, money.cost].map((text) => el("span", {}, text)))) : []),
    decision(plan, acts));
}
