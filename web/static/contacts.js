// The pages of imports: the file on its way, and how far an import is. What the list says enters by the server only.

const form = document.querySelector("form[data-upload]");
form?.addEventListener("submit", () => {
  form.querySelector("[data-sending]").hidden = false;
  form.querySelector("button").disabled = true;
});
window.addEventListener("pageshow", () => {
  if (form === null) return;
  form.querySelector("[data-sending]").hidden = true;
  form.querySelector("button").disabled = false;
});

const box = document.querySelector("[data-progress]");
const LOOK_MS = 700;

async function look() {
  let pause = LOOK_MS;
  try {
    const answer = await fetch(box.dataset.progress, { headers: { accept: "application/json" } });
    if (!answer.ok) throw new Error(String(answer.status));
    const now = await answer.json();
    if (!now.running && now.state !== "receiving") {
      location.reload();
      return;
    }
    box.querySelector("[data-field='told']").textContent = `The list is ${now.told}.`;
    const bar = box.querySelector("progress");
    if (now.percent === null) bar.removeAttribute("value");
    else bar.value = now.percent;
  } catch {
    pause = LOOK_MS * 5; // the banner tells what is not connected
  }
  setTimeout(look, pause);
}

if (box !== null) setTimeout(look, LOOK_MS);
