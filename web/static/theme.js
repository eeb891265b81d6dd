// Runs before the first paint, so a chosen theme never flashes the other one. Without a choice the system decides.
{
  let chosen = null;
  try {
    chosen = localStorage.getItem("opendeep-theme");
  } catch {
    // no storage: the system decides
  }
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
}
