// The page "Doctor": each check as it is done. Everything enters as text.

const button = document.getElementById("examine");
const progress = document.getElementById("progress");
const found = document.getElementById("found");
const rows = found.querySelector("tbody");
const MARKS = { ok: "✓ in order", warn: "! could be better", fail: "✗ does not work" };

function show(check) {
  const row = document.createElement("tr");
  row.dataset.severity = check.severity;
  for (const [label, text] of [["Result", MARKS[check.severity] ?? check.severity], ["What", check.name], ["What is, and what to do", check.message]]) {
    const cell = document.createElement("td");
    cell.dataset.label = label;
    cell.textContent = text;
    row.append(cell);
  }
  rows.append(row);
}

function summary(counts) {
  if (counts.fail) return `Over: ${counts.fail} of these do not work. Begin with the first.`;
  if (counts.warn) return `Over: everything works; ${counts.warn} could be better.`;
  return "Over: everything is in order.";
}

async function examine() {
  const counts = { ok: 0, warn: 0, fail: 0 };
  let over = false;
  const response = await fetch("/doctor/examination", { method: "POST" });
  if (!response.ok) {
    const told = await response.json().catch(() => ({}));
    throw new Error(told.message ?? `The console answered ${response.status}.`);
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      const told = JSON.parse(line);
      if (told.over) {
        over = true;
      } else {
        counts[told.severity] += 1;
        show(told);
        progress.textContent = `${counts.ok + counts.warn + counts.fail} looked at, going on …`;
      }
    }
  }
  if (!over) throw new Error("The connection ended before all was looked at. Try again.");
  return summary(counts);
}

button.addEventListener("click", async () => {
  button.disabled = true;
  rows.replaceChildren();
  document.getElementById("untried").hidden = true;
  found.hidden = false;
  progress.textContent = "Looking …";
  try {
    progress.textContent = await examine();
  } catch (problem) {
    progress.textContent = problem.message;
  } finally {
    button.disabled = false;
  }
});
