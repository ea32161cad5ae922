// Test digits in a plane of the latent space, and where what is given lies among them.

import { theme } from "./paint.js";

const NEAR = 24; // pixels from a digit within which a click chooses it

// `points`: { label, x, y } each. `choose(i)`: called when one is clicked, or reached by the arrow keys.
export function makeMap(canvas, points, axes, choose) {
  const context = canvas.getContext("2d");
  const reach = ["x", "y"].map((axis) => points.map((point) => point[axis])).map((values) => [Math.min(...values), Math.max(...values)]);
  let here = { x: 0, y: 0, spread: [1, 0, 1], row: null };

  const place = ({ x, y }) => {
    const part = [x, y].map((value, i) => 0.06 + (0.88 * (value - reach[i][0])) / (reach[i][1] - reach[i][0]));
    return [Math.min(1, Math.max(0, part[0])) * canvas.width, (1 - Math.min(1, Math.max(0, part[1]))) * canvas.height];
  };

  const still = document.createElement("canvas"); // the digits, which seldom change
  let drawn = "";
  function digits() {
    const [fine, light] = [window.devicePixelRatio, theme().map];
    if (drawn === [canvas.width, canvas.height, light, here.row].join()) return;
    drawn = [canvas.width, canvas.height, light, here.row].join();
    [still.width, still.height] = [canvas.width, canvas.height];
    const context = still.getContext("2d");
    context.textAlign = "center";
    context.textBaseline = "middle";
    points.forEach((point, i) => {
      const chosen = i === here.row;
      context.font = `${chosen ? "bold " : ""}${(chosen ? 20 : 13) * fine}px system-ui, sans-serif`;
      context.fillStyle = `hsl(${(36 * 7 * point.label) % 360} 60% ${light})`; // neighbours far apart
      context.fillText(point.label, ...place(point));
    });
  }

  function draw() {
    digits();
    const fine = window.devicePixelRatio;
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (still.width && still.height) context.drawImage(still, 0, 0);
    const [x, y] = place(here);
    const unit = reach.map(([low, high], i) => (0.88 * [canvas.width, canvas.height][i]) / (high - low));
    const [across, both, up] = here.spread; // variances and covariance in the plane
    const [a, b, c] = [across * unit[0] ** 2, -both * unit[0] * unit[1], up * unit[1] ** 2];
    const [middle, half] = [(a + c) / 2, Math.hypot((a - c) / 2, b)];
    const [long, short] = [Math.sqrt(middle + half), Math.sqrt(Math.max(0, middle - half))];
    context.beginPath();
    context.ellipse(x, y, Math.max(long, 7 * fine), Math.max(short, 7 * fine), 0.5 * Math.atan2(2 * b, a - c), 0, 2 * Math.PI);
    context.lineWidth = 2.5 * fine;
    context.strokeStyle = theme().text;
    context.stroke();
    context.beginPath();
    context.arc(x, y, 3.5 * fine, 0, 2 * Math.PI);
    context.fillStyle = context.strokeStyle;
    context.fill();
  }

  function fit() {
    const fine = window.devicePixelRatio;
    [canvas.width, canvas.height] = [canvas.clientWidth * fine, canvas.clientHeight * fine].map(Math.round);
    draw();
  }

  // The nearest point to pixels [x, y] of those that pass, and how far it is.
  function nearest([x, y], passes = () => true) {
    let [best, least] = [null, Infinity];
    points.forEach((point, i) => {
      const [px, py] = place(point);
      const away = Math.hypot(px - x, py - y);
      if (away < least && passes(px - x, py - y)) [best, least] = [i, away];
    });
    return [best, least];
  }

  canvas.addEventListener("click", (event) => {
    const box = canvas.getBoundingClientRect();
    const fine = canvas.width / box.width;
    const [row, away] = nearest([(event.clientX - box.left) * fine, (event.clientY - box.top) * fine]);
    if (away < NEAR * fine) choose(row);
  });
  canvas.addEventListener("keydown", (event) => {
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
    if (!dx && !dy) return;
    event.preventDefault();
    const from = here.row === null ? here : points[here.row];
    const [row] = nearest(place(from), (x, y) => x * dx + y * dy > 1 && Math.abs(x * dy) + Math.abs(y * dx) <= 2 * (x * dx + y * dy));
    if (row !== null) choose(row);
  });
  new ResizeObserver(fit).observe(canvas);

  // A posterior: its mean in the plane, its spread there, and which test digit it is of (or null).
  return (x, y, spread, row) => {
    here = { x, y, spread, row };
    draw();
  };
}
