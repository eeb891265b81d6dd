// Steering a living call: fills every <div id="steer" data-call="..."> of a page, also those that come later or
// change their call. Everything that was said or typed by anybody enters as text, never as markup.

import { asked, el, fresh, sure } from "/static/steer_dom.js";
import { Listener, Microphone } from "/static/voice.js";

const LOOK_MS = 2500;
const WAIT_MS = 300;
const LINE_WORDS = { open: "The line is open.", taken: "A person has taken over: the agent only listens.", muted: "The agent is muted: it hears and is not heard.", held: "On hold: callee and agent do not hear each other." };

const panels = new Map(); // slot -> Panel

// --- one panel -----------------------------------------------------------------------------------------------
class Panel {
  constructor(slot) {
    this.slot = slot;
    this.callId = "";
    this.known = null;
    this.timer = null;
    this.busy = new Set(); // forms whose order runs
    this.build();
  }

  build() {
    this.where = el("p", { className: "soft where", role: "status" });
    this.trouble = el("p", { className: "notice", hidden: true, role: "alert" });
    this.text = el("input", { type: "text", maxLength: 1000, autocomplete: "off", placeholder: "offer Tuesday at ten" });
    this.respond = el("input", { type: "checkbox" });
    this.digits = el("input", { type: "text", maxLength: 32, size: 8, pattern: "[0-9A-D*#w]{1,32}", autocomplete: "off", inputMode: "tel", title: "Digits, *, # and w for half a second" });
    this.target = el("select", {});
    this.wished = el("input", { type: "datetime-local" });
    this.mute = el("button", { type: "button", className: "quiet", onclick: () => this.order(this.line === "muted" ? "unmute" : "mute") });
    this.hold = el("button", { type: "button", className: "quiet", onclick: () => this.order(this.line === "held" ? "unhold" : "hold") });
    this.nobody = el("span", { className: "soft" }, "This agent may transfer to nobody; its settings list whom.");
    this.transferring = el("div", { className: "group" }, el("label", {}, "Transfer to", this.target), el("button", { type: "submit", className: "quiet" }, "Transfer"));
    this.list = el("ol", { "aria-label": "What was ordered" });
    const words = el("form", { className: "group", onsubmit: (event) => this.alone(event, () => this.words(event.submitter)) },
      el("label", { className: "grow" }, "Words", this.text),
      el("button", { type: "submit", name: "what", value: "whisper" }, "Whisper to the agent"),
      el("button", { type: "submit", name: "what", value: "say", className: "quiet" }, "Agent says it now"),
      el("label", { className: "check" }, this.respond, "answer a whisper at once"));
    const keys = el("form", { className: "group", onsubmit: (event) => this.alone(event, () => this.keys()) },
      el("label", {}, "Keys", this.digits), el("button", { type: "submit", className: "quiet" }, "Press"));
    const again = el("form", { className: "group", onsubmit: (event) => this.again(event) },
      el("label", {}, "Call again at (your time)", this.wished), el("button", { type: "submit", className: "quiet" }, "End and call again"));
    const transfer = el("form", { onsubmit: (event) => this.transfer(event) }, this.transferring, this.nobody);
    this.listener = null;
    this.listening = el("button", { type: "button", className: "quiet", "aria-pressed": "false", onclick: () => this.listen() }, "Listen");
    this.levels = ["Callee", "Agent"].map((name) => el("meter", { min: 0, max: 1, value: 0, "aria-label": `Loudness: ${name.toLowerCase()}` }));
    this.sound = el("span", { className: "soft", role: "status" });
    this.lanes = el("span", { className: "lanes", hidden: true }, "Callee ", this.levels[0], " Agent ", this.levels[1]);
    this.mic = null;
    this.taking = el("button", { type: "button", onclick: () => this.takeOver() }, "Take over");
    this.giving = el("button", { type: "button", hidden: true, onclick: () => this.handBack() }, "Hand back to the agent");
    this.own = el("meter", { min: 0, max: 1, value: 0, "aria-label": "Loudness: you", hidden: true });
    this.spoken = el("span", { className: "soft", role: "status" });
    this.extra = el("div", {},
      el("div", { className: "group" }, this.listening, this.lanes, this.sound),
      el("div", { className: "group" }, this.taking, this.giving, this.own, this.spoken));
    this.ends = el("div", { className: "group" },
      el("button", { type: "button", className: "danger", onclick: () => this.end(true) }, "Say goodbye and hang up"),
      el("button", { type: "button", className: "danger", onclick: () => this.end(false) }, "Hang up at once"));
    this.talk = el("fieldset", { className: "plain" }, words, el("div", { className: "group" }, this.mute, this.hold), keys, transfer, again);
    this.all = el("div", {}, this.extra, this.talk, this.ends);
    this.slot.classList.add("steer");
    this.slot.replaceChildren(el("h3", {}, "Steer this call"), this.where, this.trouble, this.all, this.list);
  }

  get line() {
    return this.known?.line ?? "open";
  }

  show(callId) {
    if (callId === this.callId) return;
    this.listener?.stop();
    this.mic?.stop();
    this.callId = callId;
    this.known = null;
    this.list.replaceChildren();
    this.trouble.hidden = true;
    this.slot.hidden = true;
    clearTimeout(this.timer);
    this.look();
  }

  async look() {
    const callId = this.callId;
    clearTimeout(this.timer);
    if (callId === "") return; // an order was settled after the call had gone from the page
    try {
      const known = await asked(`/calls/${encodeURIComponent(callId)}/steering`);
      if (callId !== this.callId) return;
      this.take(known);
      if (!known.alive) return;
    } catch (problem) {
      if (callId !== this.callId || problem.status === 403 || problem.status === 404) return; // no panel for them
    }
    const pause = this.line === "taken" ? LOOK_MS / 4 : LOOK_MS;
    if (this.slot.isConnected) this.timer = setTimeout(() => this.look(), document.hidden ? LOOK_MS * 4 : pause);
  }

  take(known) {
    const before = this.known;
    this.known = known;
    this.slot.hidden = false;
    const where = !known.alive ? "The call has ended." : known.talking ? LINE_WORDS[known.line] ?? "" : "Callee and agent are not connected yet; only hanging up is possible.";
    if (this.where.textContent !== where) this.where.textContent = where;
    this.all.hidden = !known.alive;
    this.talk.disabled = !known.talking || known.line === "taken";
    this.taking.hidden = known.line === "taken";
    this.taking.disabled = !known.talking || this.mic !== null;
    this.giving.hidden = known.line !== "taken";
    if (before?.line === "taken" && known.line !== "taken" && this.mic !== null) this.mic.end("The agent has the call again.");
    this.mute.textContent = known.line === "muted" ? "Unmute the agent" : "Mute the agent";
    this.hold.textContent = known.line === "held" ? "End the hold" : "Hold";
    this.mute.disabled = known.line === "held";
    this.hold.disabled = known.line === "muted";
    if (before === null || before.transfer.join("\n") !== known.transfer.join("\n")) {
      this.target.replaceChildren(...known.transfer.map((name) => el("option", { value: name }, name)));
    }
    this.transferring.hidden = known.transfer.length === 0;
    this.nobody.hidden = known.transfer.length > 0;
    this.list.replaceChildren(...known.orders.map(row));
    this.slot.dispatchEvent(new CustomEvent("steering", { detail: known }));
  }

  // --- the sound of the call ---
  listen() {
    if (this.listener !== null) {
      this.listener.stop();
      return;
    }
    this.sound.textContent = "Connecting…";
    const listener = new Listener(this.callId, (state) => this.heard(listener, state));
    this.listener = listener;
    if (this.mic !== null) listener.deafTo = 1; // who speaks here need not hear themselves
    listener.start().catch((problem) => listener.end(`Your browser cannot play the call: ${problem.message}`));
    this.heard(listener, { on: true, loudest: [0, 0], lost: 0 });
  }

  heard(listener, state) {
    if (listener !== this.listener) return;
    if (!state.on) this.listener = null;
    this.listening.setAttribute("aria-pressed", String(state.on));
    this.listening.textContent = state.on ? "Stop listening" : "Listen";
    this.lanes.hidden = !state.on;
    const lost = state.lost > 0 ? ` ${(state.lost / 50).toFixed(1)} s were lost on the way to you.` : "";
    const whom = this.mic === null ? "You hear both sides; nobody hears you." : "You hear the callee.";
    const text = state.on ? `${whom}${lost}` : state.why;
    if (this.sound.textContent !== text) this.sound.textContent = text;
    if (state.on) this.levels.forEach((meter, at) => { meter.value = Math.sqrt(state.loudest[at]); });
  }

  // --- speaking ---
  async takeOver() {
    if (this.mic !== null) return;
    const callId = this.callId;
    const mic = new Microphone(`/calls/${encodeURIComponent(callId)}/microphone`, (state) => this.spoke(mic, state));
    this.mic = mic;
    this.taking.disabled = true;
    this.spoken.textContent = "Asking for the microphone…";
    try {
      const hello = await mic.start();
      if (callId !== this.callId || mic.over) return; // another call was chosen while the browser asked
      this.spoken.textContent = "Taking over…";
      const done = await this.order("take_over", { mic: hello.mic }, callId);
      if (done?.state !== "done") {
        mic.end(done?.result ?? "The call was not taken over.");
        return;
      }
    } catch (problem) {
      mic.end(problem.message);
      return;
    }
    if (callId !== this.callId || mic.over) return;
    this.spoken.textContent = "The callee hears you. The agent listens and goes on when you hand back.";
    if (this.listener === null) this.listen();
    this.listener.deafTo = 1;
    this.giving.focus();
  }

  async handBack() {
    const mic = this.mic;
    const done = await this.order("hand_back");
    if (done?.state === "done") mic?.end("The agent has the call again.");
  }

  spoke(mic, state) {
    if (mic !== this.mic) return;
    this.own.hidden = !state.on;
    if (state.on) {
      this.own.value = Math.sqrt(state.loudest);
      return;
    }
    this.mic = null;
    this.spoken.textContent = state.why;
    if (this.listener !== null) this.listener.deafTo = null;
    this.taking.disabled = !(this.known?.talking ?? false);
  }

  // --- orders ---
  // `callId`: the call that was shown when the operator decided; another one may be chosen before they confirm.
  async order(kind, payload = {}, callId = this.callId) {
    this.trouble.hidden = true;
    const body = JSON.stringify({ id: fresh(), kind, payload });
    const path = `/calls/${encodeURIComponent(callId)}/commands`;
    try {
      let order = await asked(path, { method: "POST", headers: { "content-type": "application/json" }, body });
      await this.look();
      while (!order.settled && callId === this.callId) {
        await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
        order = await asked(`${path}/${encodeURIComponent(order.id)}`);
      }
      await this.look();
      return order;
    } catch (problem) {
      this.trouble.textContent = problem.message;
      this.trouble.hidden = false;
      return null;
    }
  }

  // What stands in a form is sent once: its next order waits until this one has been answered.
  async alone(event, send) {
    event.preventDefault();
    const [form, focused] = [event.currentTarget, document.activeElement];
    if (this.busy.has(form)) return;
    this.busy.add(form);
    const buttons = [...form.querySelectorAll("button")];
    for (const button of buttons) button.disabled = true;
    await send();
    this.busy.delete(form);
    for (const button of buttons) button.disabled = false;
    if (buttons.includes(focused) && document.activeElement === document.body) focused.focus();
  }

  async words(submitter) {
    const text = this.text.value.trim();
    if (text === "") return this.text.focus();
    const say = submitter?.value === "say";
    const done = await this.order(say ? "say" : "whisper", say ? { text } : { text, respond: this.respond.checked });
    if (done?.state === "done" && this.text.value.trim() === text) this.text.value = "";
    return undefined;
  }

  async keys() {
    const digits = this.digits.value.trim();
    if (digits !== "" && (await this.order("send_dtmf", { digits }))?.state === "done") this.digits.value = "";
  }

  async transfer(event) {
    event.preventDefault();
    const callId = this.callId;
    const target = this.target.value;
    if (target !== "" && (await sure(`Hand the callee over to ${target}?`, "Transfer"))) await this.order("transfer", { target }, callId);
  }

  async again(event) {
    event.preventDefault();
    const callId = this.callId;
    const wished = this.wished.value === "" ? null : new Date(this.wished.value).getTime();
    if (await sure("The agent says that it will call again, and hangs up.", "End and call again")) await this.order("reschedule_call_trigger_analysis", { wished_ms: wished }, callId);
  }

  async end(polite) {
    const callId = this.callId;
    const question = polite ? "The agent says goodbye and hangs up." : "The line is cut at once, without a goodbye.";
    if (await sure(question, "Hang up")) await this.order("end_call", { polite }, callId);
  }
}

function row(order) {
  const who = order.mine ? "you" : "somebody else";
  return el("li", { "data-state": order.state, "data-order": order.id },
    el("span", { className: "kind" }, order.kind_label), order.words === "" ? "" : ` “${order.words}”`,
    el("span", { className: "soft" }, ` by ${who} `),
    el("span", { className: "state" }, order.state_label), order.result === "" ? "" : `: ${order.result}`);
}

// --- slots ---------------------------------------------------------------------------------------------------
function fill() {
  for (const slot of document.querySelectorAll("#steer")) {
    if (!panels.has(slot)) panels.set(slot, new Panel(slot));
    panels.get(slot).show(slot.dataset.call ?? "");
  }
  for (const [slot, panel] of panels) {
    if (!slot.isConnected) {
      panel.show("");
      panels.delete(slot);
    }
  }
}

if (document.querySelector('link[href="/static/steer.css"]') === null) {
  document.head.append(el("link", { rel: "stylesheet", href: "/static/steer.css" }));
}
new MutationObserver(fill).observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ["data-call"] });
fill();
