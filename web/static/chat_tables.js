// Tables that go with the message being written: attached as files, or pasted.

const at = (id) => document.getElementById(id);
let attached = [];

function showAttached() {
  at("attached").replaceChildren(...attached.map((one, place) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "quiet";
    button.textContent = "Remove";
    button.setAttribute("aria-label", `Remove ${one.name}`);
    button.addEventListener("click", () => {
      attached.splice(place, 1);
      showAttached();
    });
    item.append(`${one.name}, ${Math.max(0, one.text.trim().split("\n").length - 1)} rows `, button);
    return item;
  }));
}

// The tables, taken off the form.
export function takeTables() {
  const taken = attached;
  attached = [];
  showAttached();
  return taken;
}

// Back on the form: the message that they belong to was refused.
export function putBack(tables) {
  attached = tables;
  showAttached();
}

export const hasTables = () => attached.length > 0;

at("file").addEventListener("change", async (event) => {
  for (const file of event.target.files) attached.push({ name: file.name, text: await file.text() });
  event.target.value = "";
  showAttached();
});
at("paste").addEventListener("click", () => {
  at("pasting").hidden = !at("pasting").hidden;
  if (!at("pasting").hidden) at("pasted").focus();
});
at("take-pasted").addEventListener("click", () => {
  if (at("pasted").value.trim() !== "") attached.push({ name: "pasted table", text: at("pasted").value });
  at("pasted").value = "";
  at("pasting").hidden = true;
  showAttached();
  at("message").focus();
});
