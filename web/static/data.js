// The page "Data": while somebody is being forgotten, how far it has come. The server renders; only that part is replaced.

const EVERY_MS = 2000;

async function again() {
  const live = document.getElementById("live");
  if (!live?.dataset.running) return;
  try {
    const response = await fetch("/data", { headers: { accept: "text/html" } });
    if (response.ok) {
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const fresh = page.getElementById("live");
      if (fresh) live.replaceWith(fresh);
    }
  } catch {
    // the server is away: the next look comes by itself
  }
  setTimeout(again, EVERY_MS);
}

setTimeout(again, EVERY_MS);
