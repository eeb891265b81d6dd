// The level strip of a tile: the last seconds of a call, the callee above the line and the agent below it. Levels come
// about once a second, so each strip is drawn once a second, in the colours of the page.

const SECONDS = 48;
const FLOOR_DBOV = -60;
const FRESH_TICKS = 2; // a level older than this is silence

const history = new Map(); // canvas -> { points, level, age }
let colours = null;

function readColours() {
  const style = getComputedStyle(document.documentElement);
  // light-dark() is resolved only on a real property
  const probe = document.createElement("span");
  document.body.append(probe);
  const resolve = (name) => {
    probe.style.color = style.getPropertyValue(name);
    return getComputedStyle(probe).color;
  };
  colours = { callee: resolve("--callee"), agent: resolve("--agent"), line: resolve("--line") };
  probe.remove();
}

const height = (dbov) => Math.min(1, Math.max(0, 1 - dbov / FLOOR_DBOV));

export function loud(canvas, calleeDbov, agentDbov) {
  const known = history.get(canvas) ?? { points: [], level: null, age: 0 };
  known.level = [height(calleeDbov), height(agentDbov)];
  known.age = 0;
  history.set(canvas, known);
}

// Every second: what was heard last moves into the strip.
export function tick() {
  if (colours === null) readColours();
  for (const [canvas, known] of history) {
    if (!canvas.isConnected) {
      history.delete(canvas);
      continue;
    }
    known.age += 1;
    known.points.push(known.age <= FRESH_TICKS && known.level !== null ? known.level : [0, 0]);
    if (known.points.length > SECONDS) known.points.shift();
    draw(canvas, known.points);
  }
}

function draw(canvas, points) {
  const scale = globalThis.devicePixelRatio || 1;
  const [width, tall] = [canvas.clientWidth * scale, canvas.clientHeight * scale];
  if (width === 0) return;
  if (canvas.width !== Math.round(width)) canvas.width = Math.round(width);
  if (canvas.height !== Math.round(tall)) canvas.height = Math.round(tall);
  const brush = canvas.getContext("2d");
  const [step, middle] = [canvas.width / SECONDS, canvas.height / 2];
  brush.clearRect(0, 0, canvas.width, canvas.height);
  brush.fillStyle = colours.line;
  brush.fillRect(0, middle - scale / 2, canvas.width, scale);
  for (const [at, colour, sign] of [[0, colours.callee, -1], [1, colours.agent, 1]]) {
    brush.fillStyle = colour;
    points.forEach((point, index) => {
      const high = point[at] * (middle - scale);
      const left = canvas.width - (points.length - index) * step;
      if (high > 0) brush.fillRect(left, sign < 0 ? middle - high : middle, Math.max(1, step - scale), high);
    });
  }
}

addEventListener("theme", () => (colours = null));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => (colours = null));
