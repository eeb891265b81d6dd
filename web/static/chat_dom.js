// Elements out of plain data. Whatever others wrote enters as text; nothing here reads markup.

// `el("a", { href, class: "x" }, "text", child)`; null children are left out, properties that are false too.
export function el(name, given = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(given)) {
    if (value === false || value === null || value === undefined) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : String(value));
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

// A source: a link when the server found its address harmless (`href`), else words.
export function source(text, href) {
  if (!href) return document.createTextNode(text);
  return el("a", { href, rel: "noopener noreferrer", target: "_blank" }, text);
}

export function list(words, given = {}) {
  return el("ul", given, ...words.map((word) => el("li", { dir: "auto" }, word)));
}

export function randomKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
