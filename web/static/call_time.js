// Times of calls as people read them.

// m:ss, with hours when there are any.
export function clockFace(ms) {
  const all = Math.max(0, Math.floor(ms / 1000));
  const seconds = String(all % 60).padStart(2, "0");
  const minutes = Math.floor(all / 60) % 60;
  const hours = Math.floor(all / 3600);
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${seconds}` : `${minutes}:${seconds}`;
}
