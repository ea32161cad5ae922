// What is given and what was moved, in the page's address, behind the "#": k=t12&f=-n7&z=201:1.5
// By a modality's first letter: t, a test triplet; n, a numeral of ours; d, a drawing; "-" before it: there, but not given.

const FINE = 63; // a drawing's points lie on a grid of 64 x 64; each coordinate is a letter
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

const written = (strokes) => strokes.map((stroke) => stroke.flat().map((part) => LETTERS[Math.round(part * FINE)]).join("")).join(".");

function read(text) {
  const strokes = text.split(".").map((letters) => {
    const parts = [...letters].map((letter) => LETTERS.indexOf(letter) / FINE);
    return Array.from({ length: Math.floor(parts.length / 2) }, (_, i) => [parts[2 * i], parts[2 * i + 1]]);
  });
  return strokes.filter((stroke) => stroke.length && stroke.flat().every((part) => part >= 0));
}

// A sound has too many numbers for an address.
export function addressOf({ content, off, moves }) {
  const parts = Object.entries(content).flatMap(([name, what]) => {
    const kind = { test: () => `t${what.row}`, numeral: () => `n${what.digit}`, drawing: () => `d${written(what.strokes)}` }[what?.kind];
    return kind ? [`${name[0]}=${off[name] ? "-" : ""}${kind()}`] : [];
  });
  const moved = Object.entries(moves).filter(([, amount]) => amount);
  if (moved.length) parts.push(`z=${moved.map(([dimension, amount]) => `${dimension}:${amount}`).join(",")}`);
  return `#${parts.join("&") || "nothing"}`;
}

// The inverse; what is not understood, or points nowhere, is left out.
export function stateOf(address, { names, rows, scripts, dimensions }) {
  const fields = new URLSearchParams(address.replace(/^#/, ""));
  const [content, off, moves] = [{}, {}, {}];
  for (const name of names) {
    const [, missing, kind, rest] = /^(-?)([tnd])(.*)$/.exec(fields.get(name[0]) ?? "") ?? [];
    const number = /^\d+$/.test(rest ?? "") ? Number(rest) : -1;
    if (kind === "t" && number >= 0 && number < rows) content[name] = { kind: "test", row: number };
    if (kind === "n" && scripts.includes(name) && number >= 0 && number < 10) content[name] = { kind: "numeral", digit: number };
    if (kind === "d" && scripts.includes(name) && read(rest).length) content[name] = { kind: "drawing", strokes: read(rest) };
    off[name] = missing === "-";
  }
  for (const part of (fields.get("z") ?? "").split(",")) {
    const [dimension, amount] = part.split(":").map(Number);
    if (dimensions.includes(dimension) && Math.abs(amount) <= 4) moves[dimension] = amount;
  }
  return { content, off, moves };
}
