// A digit drawn by hand -> an image in the form of its script's data: what study/app/drawing.py does with Pillow.

export const PEN = 0.04; // width of the line on the paper, in parts of its side
const LINE = { farsi: 0.12, kannada: 0.0625 }; // and of the ink's longer side: the median stroke width of the data
const [SIDE, BOX, FINE] = [28, 20, 32]; // pixels of an image, of Kannada's ink; of the canvas to one of the image

// Strokes, each a list of points [x, y] in parts of the paper's side -> [784] in [0, 1], ink 1.
export function drawn(strokes, script) {
  const points = strokes.flat();
  const [xs, ys] = [0, 1].map((axis) => points.map((point) => point[axis]));
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  const extent = Math.max(Math.max(...xs) - left, Math.max(...ys) - top);
  const side = FINE * BOX;
  const pen = Math.floor(side * Math.max(LINE[script], PEN / (extent + PEN))) | 1;
  const scale = extent ? (side - pen) / extent : 0;
  const place = ([x, y]) => [(x - left) * scale, (y - top) * scale].map((v) => Math.round(v + (pen - 1) / 2 + 1));
  const ink = crop(lines(strokes.map((stroke) => stroke.map(place)), side + 4, pen));
  const image = new Float32Array(SIDE * SIDE);
  if (script === "farsi") {
    for (let y = 0; y < SIDE; y++)
      for (let x = 0; x < SIDE; x++) {
        const [row, column] = [Math.floor(((y + 0.5) * ink.height) / SIDE), Math.floor(((x + 0.5) * ink.width) / SIDE)];
        image[y * SIDE + x] = ink.pixels[row * ink.width + column] / 255;
      }
    return image;
  }
  const [width, height] = [ink.width, ink.height].map((length) => Math.max(1, roundHalfEven((BOX * length) / Math.max(ink.width, ink.height))));
  const small = shrink(ink, width, height);
  const [dy, dx] = [start(small, width, height, 1), start(small, width, height, 0)];
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) image[(y + dy) * SIDE + x + dx] = small[y * width + x] / 255;
  return image;
}

function roundHalfEven(v) {
  const down = Math.floor(v);
  return v - down === 0.5 ? down + (down % 2) : Math.round(v);
}

// Broken lines with round ends and joints, `pen` pixels wide -> 0 or 255 a pixel, [size * size].
function lines(strokes, size, pen) {
  const pixels = new Uint8Array(size * size);
  const reach = pen / 2;
  for (const stroke of strokes)
    for (let i = 0; i < stroke.length; i++) {
      const [[ax, ay], [bx, by]] = [stroke[Math.max(0, i - 1)], stroke[i]];
      const length2 = (bx - ax) ** 2 + (by - ay) ** 2;
      const [x0, x1] = [Math.min(ax, bx) - reach, Math.max(ax, bx) + reach];
      const [y0, y1] = [Math.min(ay, by) - reach, Math.max(ay, by) + reach];
      for (let y = Math.max(0, Math.floor(y0)); y <= Math.min(size - 1, Math.ceil(y1)); y++)
        for (let x = Math.max(0, Math.floor(x0)); x <= Math.min(size - 1, Math.ceil(x1)); x++) {
          const along = length2 ? Math.min(1, Math.max(0, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length2)) : 0;
          const away = (x - ax - along * (bx - ax)) ** 2 + (y - ay - along * (by - ay)) ** 2;
          if (away <= reach * reach) pixels[y * size + x] = 255;
        }
    }
  return { pixels, width: size, height: size };
}

// The smallest box that holds all ink.
function crop({ pixels, width, height }) {
  let [left, right, top, bottom] = [width, 0, height, 0];
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      if (pixels[y * width + x]) [left, right, top, bottom] = [Math.min(left, x), Math.max(right, x), Math.min(top, y), Math.max(bottom, y)];
  const [w, h] = [right - left + 1, bottom - top + 1];
  const cut = new Uint8Array(w * h);
  for (let y = 0; y < h; y++) cut.set(pixels.subarray((y + top) * width + left, (y + top) * width + right + 1), y * w);
  return { pixels: cut, width: w, height: h };
}

// Pillow's box filter: whole pixels, averaged across and then down, rounded each time.
function shrink({ pixels, width, height }, toWidth, toHeight) {
  const across = new Uint8Array(toWidth * height);
  averages(width, toWidth).forEach(([from, to], x) => {
    for (let y = 0; y < height; y++) {
      let sum = 0;
      for (let k = from; k < to; k++) sum += pixels[y * width + k];
      across[y * toWidth + x] = Math.floor(sum / (to - from) + 0.5);
    }
  });
  const down = new Uint8Array(toWidth * toHeight);
  averages(height, toHeight).forEach(([from, to], y) => {
    for (let x = 0; x < toWidth; x++) {
      let sum = 0;
      for (let k = from; k < to; k++) sum += across[k * toWidth + x];
      down[y * toWidth + x] = Math.floor(sum / (to - from) + 0.5);
    }
  });
  return down;
}

// Which pixels of `length` each of `count` averages: those whose centres lie in its part.
function averages(length, count) {
  const part = length / count;
  return Array.from({ length: count }, (_, i) => [Math.ceil(i * part - 0.5), Math.min(length, Math.ceil((i + 1) * part - 0.5))]);
}

// Where the ink begins on an axis (0 across, 1 down) so that its centre of mass lies in the middle of pixel 14, or near it.
function start(small, width, height, axis) {
  let [sum, moment] = [0, 0];
  small.forEach((value, i) => {
    sum += value;
    moment += value * ((axis ? Math.floor(i / width) : i % width) + 0.5);
  });
  return Math.min(Math.max(0, roundHalfEven(SIDE / 2 + 0.5 - moment / sum)), SIDE - (axis ? height : width));
}
