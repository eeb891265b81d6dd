// The pages of agents: the line that is wrong is selected, commands can be copied.

const text = document.getElementById("agent-text");

if (text && Number(text.dataset.line) > 0) {
  const lines = text.value.split("\n");
  const at = Math.min(Number(text.dataset.line), lines.length) - 1;
  const start = lines.slice(0, at).reduce((sum, line) => sum + line.length + 1, 0);
  text.focus();
  text.setSelectionRange(start, start + lines[at].length);
  text.scrollTop = Math.max(0, at - 4) * (text.scrollHeight / lines.length);
}

for (const place of document.querySelectorAll(".agent-command")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(place.querySelector("code").textContent);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select it and copy: the browser does not let a page";
    }
  });
  place.append(button);
}
