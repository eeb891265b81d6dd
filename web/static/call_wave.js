// Draws a call: two lanes of sound (callee above, agent below) with the turns behind them, and marks between.

const LANE = 44; // css px
const GUTTER = 16;
export const HEIGHT = 2 * LANE + GUTTER;
const MARKS = { tool: "▲", dtmf: "#", question: "?", order: "◆", transfer: "◆", note: "·" };

// A colour of the style sheet as it is now: its value may depend on the theme, so an element has to wear it.
const probe = document.createElement("span");
probe.hidden = true;
document.body.append(probe);
export function colour(name) {
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color;
}

function bars(context, part, side, scale, middle) {
  const { peaks } = part;
  const values = peaks[side];
  let loudest = 1;
  for (const value of values) if (value > loudest) loudest = value;
  const step = peaks.bucket_ms * scale;
  const from = part.part.offset_ms * scale;
  context.beginPath();
  for (let n = 0; n < values.length; n += 1) {
    const half = Math.max(0.5, (values[n] / loudest) * (LANE / 2 - 3));
    context.rect(from + n * step, middle - half, Math.max(0.6, step * 0.85), 2 * half);
  }
  context.fill();
}

function hatch(context, x, width, top) {
  context.save();
  context.beginPath();
  context.rect(x, top, width, LANE);
  context.clip();
  context.beginPath();
  for (let at = x - LANE; at < x + width; at += 5) {
    context.moveTo(at, top + LANE);
    context.lineTo(at + LANE, top);
  }
  context.stroke();
  context.restore();
}

function turnBehind(context, turn, scale, colours) {
  const top = turn.side === "callee" ? 0 : LANE + GUTTER;
  const x = turn.at * scale;
  const width = Math.max(1, (turn.end - turn.at) * scale);
  context.globalAlpha = 0.16;
  context.fillStyle = colours[turn.side === "callee" ? "accent" : "agent"];
  context.fillRect(x, top + 1, width, LANE - 2);
  context.globalAlpha = 1;
  if (turn.delay > 0) {
    context.strokeStyle = colours.soft;
    context.lineWidth = 1;
    hatch(context, x - turn.delay * scale, turn.delay * scale, top);
  }
  if (turn.cut) {
    context.fillStyle = colours["bad-ink"];
    context.font = "12px system-ui, sans-serif";
    context.fillText("✂", Math.max(0, x + width - 6), top + 12);
  }
}

// `size` css px wide, `length` ms long; `parts` as of /peaks, `marks` the entries of the page.
export function draw(canvas, size, length, parts, marks) {
  const dense = globalThis.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(size * dense));
  canvas.height = HEIGHT * dense;
  const context = canvas.getContext("2d");
  context.scale(dense, dense);
  const scale = size / Math.max(1, length);
  const colours = Object.fromEntries(
    ["panel", "accent", "agent", "soft", "line", "ink", "bad-ink"].map((name) => [name, colour(`--${name}`)]),
  );
  context.fillStyle = colours.panel;
  context.fillRect(0, 0, size, HEIGHT);
  for (const one of marks) if (one.kind === "turn") turnBehind(context, one, scale, colours);
  for (const part of parts) {
    context.fillStyle = colours.accent;
    bars(context, part, "callee", scale, LANE / 2);
    context.fillStyle = colours.agent;
    bars(context, part, "agent", scale, LANE + GUTTER + LANE / 2);
  }
  context.strokeStyle = colours.line;
  context.beginPath();
  context.moveTo(0, LANE + GUTTER / 2);
  context.lineTo(size, LANE + GUTTER / 2);
  context.stroke();
  context.font = "11px system-ui, sans-serif";
  context.textAlign = "center";
  for (const one of marks) {
    if (one.kind === "turn") continue;
    context.fillStyle = colours[one.refused ? "bad-ink" : "ink"];
    context.fillText(MARKS[one.kind] ?? "·", Math.min(size - 6, Math.max(6, one.at * scale)), LANE + GUTTER - 4);
  }
}
