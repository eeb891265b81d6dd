// What the server answers the page "Chat": a stream of events while a reply is written, or a sentence why not.

export const LINES = "application/x-ndjson";

// Why a request was refused: status, sentence, and what is wrong with which field.
export async function detailOf(answer) {
  if (answer.status === 401) location.assign(`/sign-in?following=${encodeURIComponent(location.pathname + location.search)}`);
  try {
    const body = await answer.json();
    return { status: answer.status, detail: body.detail ?? body.message ?? "That did not work.", fields: body.fields ?? null };
  } catch {
    return { status: answer.status, detail: `OpenDeep answered with an error (${answer.status}). Try again.`, fields: null };
  }
}

// What is being looked up, out of a function's arguments.
export function queryOf(text) {
  try {
    return Object.entries(JSON.parse(text)).filter(([key, value]) => key !== "language" && value).map(([, value]) => String(value)).join(", ");
  } catch {
    return "";
  }
}

// Answers the last event of a stream of lines; "cut" when it broke off, "idle" when nothing is written here. `take` gets every event.
export async function read(answer, take) {
  let last = "cut";
  try {
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        const event = JSON.parse(line);
        take(event);
        last = event.event;
      }
    }
  } catch {
    return "cut";
  }
  return ["reply", "problem", "idle"].includes(last) ? last : "cut";
}
