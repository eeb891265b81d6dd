// The page "People": what is shown once can be copied.

for (const place of document.querySelectorAll(".secret")) {
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
  place.append(" ", button);
}
