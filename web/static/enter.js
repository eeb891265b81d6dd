// A one-time link: the secret stands behind the #, which browsers send to nobody. It is spent by this one request.

const said = document.getElementById("entering");
const secret = location.hash.slice(1);
history.replaceState(null, "", location.pathname);

async function enter() {
  if (secret === "") return "This address is not complete. Open the link as it was printed.";
  try {
    const answer = await fetch("/enter", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ secret }),
    });
    if (answer.ok) {
      location.replace("/");
      return "You are in.";
    }
    return (await answer.json()).message;
  } catch {
    return "OpenDeep does not answer. Is it running?";
  }
}

said.textContent = await enter();
