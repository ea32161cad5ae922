// Numbers -> pixels, in the paper and the ink of the page's colours.

import { levelsOf } from "./sound.js";

export const WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
export const NUMERALS = { farsi: "۰۱۲۳۴۵۶۷۸۹", kannada: "೦೧೨೩೪೫೬೭೮೯" };
const [QUIETEST, LOUDEST] = [-75, 5]; // decibels of a mel band: paper and ink

// "#rrggbb" of a variable of page.css -> [r, g, b].
export function colour(name, element = document.documentElement) {
  const hex = getComputedStyle(element).getPropertyValue(name).trim();
  return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
}

// The page's colours as they are now: read once, and again when the reader's preference is another.
const dark = matchMedia("(prefers-color-scheme: dark)");
let [kept, of] = [{}, null];
export function theme() {
  if (of !== dark.matches) {
    const style = getComputedStyle(document.documentElement);
    const words = Object.fromEntries(["--text", "--line", "--ink", "--map"].map((name) => [name.slice(2), style.getPropertyValue(name).trim()]));
    [kept, of] = [{ ...words, levels: [colour("--paper"), colour("--ink")] }, dark.matches];
  }
  return kept;
}

// Shares of ink [height * width] in [0, 1] -> a canvas of as many pixels.
export function paint(canvas, ink, width, [paper, black] = theme().levels) {
  const height = ink.length / width;
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  ink.forEach((part, i) => {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = paper[c] + (black[c] - paper[c]) * part;
    image.data[4 * i + 3] = 255;
  });
  context.putImageData(image, 0, 0);
}

// What is shown of a modality: an image as it is; speech as loudness by pitch (upward) and time (to the right).
export function inkOf(modality, values, scaler) {
  const [, width] = modality.shape;
  if (modality.likelihood === "bernoulli") return { ink: values, width };
  const columns = unscaled(values, modality, scaler).map(levelsOf);
  const [rows, ink] = [columns[0].length, new Float32Array(columns[0].length * width)];
  columns.forEach((levels, t) =>
    levels.forEach((level, m) => {
      ink[(rows - 1 - m) * width + t] = Math.min(1, Math.max(0, (level - QUIETEST) / (LOUDEST - QUIETEST)));
    }),
  );
  return { ink, width };
}

// Speech in the model's units [13 * 64] -> MFCCs [64][13], and back.
export function unscaled(values, { shape: [rows, columns] }, { offset, scale }) {
  return Array.from({ length: columns }, (_, t) =>
    Float64Array.from({ length: rows }, (_, k) => values[k * columns + t] * scale[k] + offset[k]),
  );
}
export function scaled(frames, { shape: [rows, columns] }, { offset, scale }) {
  return Float32Array.from({ length: rows * columns }, (_, i) => {
    const k = Math.floor(i / columns);
    return (frames[i % columns][k] - offset[k]) / scale[k];
  });
}

// A numeral of a script, drawn from its strokes: no font needs to have it.
export function numeral(strokes, name) {
  const points = strokes.flat();
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  const [x, y] = [Math.min(...xs) - 0.08, Math.min(...ys) - 0.08];
  const box = [x, y, Math.max(...xs) + 0.08 - x, Math.max(...ys) + 0.08 - y].map((value) => value.toFixed(3)).join(" ");
  const paths = strokes.map((stroke) => {
    const twice = stroke.length === 1 ? [...stroke, stroke[0]] : stroke;
    return `<polyline points="${twice.map((point) => point.join(",")).join(" ")}"/>`;
  });
  return `<svg viewBox="${box}" role="img" aria-label="${name}">${paths.join("")}</svg>`;
}

// Both rows and the answer as one picture, on white paper whatever the page's colours are -> a PNG as a blob.
export function picture(columns, words) {
  const [side, gap, head, foot] = [280, 24, 40, 60];
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [columns.length * (side + gap) + gap, head + 2 * (side + head) + foot];
  const context = canvas.getContext("2d");
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingEnabled = false;
  columns.forEach(({ title, shade, given, rebuilt, missing }, i) => {
    const left = gap + i * (side + gap);
    [[given, `${title}: ${missing ? "not given" : "given"}`], [rebuilt, "rebuilt"]].forEach(([shown, words], row) => {
      const top = head + row * (side + head);
      context.fillStyle = "#1c1d1f";
      context.font = "16px sans-serif";
      context.fillText(words, left, top - 10);
      if (shown) {
        const small = document.createElement("canvas");
        paint(small, shown.ink, shown.width, [[255, 255, 255], [0, 0, 0]]);
        context.drawImage(small, left, top, side, side);
      }
      context.strokeStyle = shown ? shade : "#cccccc";
      context.setLineDash(missing ? [8, 6] : []);
      context.lineWidth = 3;
      context.strokeRect(left, top, side, side);
    });
  });
  context.font = "bold 22px sans-serif";
  context.fillText(words, gap, canvas.height - 24, canvas.width - 2 * gap);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}
