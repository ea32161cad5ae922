// Paper to draw on, by mouse, finger or stylus: strokes of points [x, y] in parts of the side.

import { PEN } from "./drawing.js";
import { theme } from "./paint.js";

const NEAR = 0.005; // of the side: a point no further from the last one adds nothing

// `begin()` is called when a pen goes down and gives the strokes that are there; `end(strokes)` when it has gone up; `erase(all)`
// when keys take back the last stroke, or all of them.
export function makePen(canvas, { begin, end, erase }) {
  const context = canvas.getContext("2d");
  let shown = { strokes: [], faint: [], image: null };
  let [open, pointer] = [null, null]; // the stroke under the pointer, and whose it is

  function trace(strokes, style) {
    const side = canvas.width;
    context.strokeStyle = context.fillStyle = style;
    context.lineWidth = PEN * side;
    context.lineCap = context.lineJoin = "round";
    for (const stroke of strokes) {
      context.beginPath();
      stroke.forEach(([x, y]) => context.lineTo(x * side, y * side));
      if (stroke.length === 1) context.arc(stroke[0][0] * side, stroke[0][1] * side, (PEN * side) / 2, 0, 2 * Math.PI);
      stroke.length === 1 ? context.fill() : context.stroke();
    }
  }

  function draw() {
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (shown.image && !open) {
      context.imageSmoothingEnabled = false;
      context.drawImage(shown.image, 0, 0, canvas.width, canvas.height);
    }
    trace(shown.faint, theme().line);
    trace(open ? [...shown.strokes, open] : shown.strokes, theme().ink);
  }

  function fit() {
    const side = Math.round(canvas.clientWidth * window.devicePixelRatio);
    if (side) canvas.width = canvas.height = side;
    draw();
  }

  function add(event) {
    const box = canvas.getBoundingClientRect();
    const place = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    const point = place.map((part) => Number(Math.min(1, Math.max(0, part)).toFixed(3)));
    const last = open.at(-1);
    if (!last || Math.hypot(point[0] - last[0], point[1] - last[1]) > NEAR) open.push(point);
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (pointer !== null || event.button !== 0) return; // one finger draws
    canvas.setPointerCapture(event.pointerId);
    [pointer, open] = [event.pointerId, []];
    shown = { ...shown, strokes: begin(), image: null };
    add(event);
    draw();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pointer) return;
    [...(event.getCoalescedEvents?.() ?? []), event].forEach(add);
    draw();
  });
  canvas.addEventListener("lostpointercapture", (event) => {
    if (event.pointerId !== pointer) return;
    const strokes = [...shown.strokes, open];
    pointer = open = null;
    end(strokes);
  });
  canvas.addEventListener("keydown", (event) => {
    const undo = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z";
    if (!undo && event.key !== "Delete" && event.key !== "Backspace") return;
    event.preventDefault();
    erase(!undo);
  });
  new ResizeObserver(fit).observe(canvas);
  window.addEventListener("resize", fit); // zoom changes devicePixelRatio alone

  // Strokes, a numeral to trace, or an image (a canvas) in their place.
  return (strokes, faint = [], image = null) => {
    shown = { strokes, faint, image };
    draw();
  };
}
