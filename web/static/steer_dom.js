// What the panel of a living call is made of: elements whose words are always text, requests that are sent again as
// they were, and a question before what cannot be taken back.

export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made && name !== "list") made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// An id for one order.
export const fresh = () => (crypto.randomUUID ? crypto.randomUUID() : [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join(""));

// A request that got no answer is sent again as it was: orders carry an id, so it stays one order.
async function sent(path, options) {
  for (let again = 0; ; again += 1) {
    try {
      return await fetch(path, options);
    } catch {
      if (again === 3) throw new Error("OpenDeep does not answer. Whether the order was taken is not known: see the list below once the connection is back.");
      await new Promise((resolve) => setTimeout(resolve, 400 * 2 ** again));
    }
  }
}

// The answer's JSON. Throws an Error with the server's sentence and its `status`.
export async function asked(path, options) {
  const answer = await sent(path, options);
  if (answer.status === 401) location.assign(`/sign-in?following=${encodeURIComponent(location.pathname + location.search)}`);
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error(body.detail ?? body.message ?? `The server answered ${answer.status}.`), { status: answer.status });
  return body;
}

// Ask once before what cannot be taken back. Resolves to true or false.
export function sure(question, yes) {
  return new Promise((resolve) => {
    const dialog = el("dialog", { className: "ask" });
    const close = (answer) => { dialog.close(); dialog.remove(); resolve(answer); };
    const no = el("button", { type: "button", className: "quiet", onclick: () => close(false) }, "Back");
    dialog.append(el("p", {}, question), el("p", { className: "choices" }, no, el("button", { type: "button", onclick: () => close(true) }, yes)));
    dialog.addEventListener("cancel", () => close(false));
    document.body.append(dialog);
    dialog.showModal();
    no.focus();
  });
}
