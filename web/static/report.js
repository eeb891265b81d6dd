// The report is saved as PDF by the browser's own printing; the page has a style for paper.

const live = document.querySelector('[data-live="report"]');

function show() {
  const button = document.getElementById("print");
  if (button !== null) button.hidden = false;
}

live.addEventListener("click", (event) => {
  if (event.target.closest("#print") !== null) print();
});
new MutationObserver(show).observe(live, { childList: true });
show();
