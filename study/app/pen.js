// Paper to draw on. It shows its own line at once and sends all strokes when one ends; what the kernel sets is drawn again.

const NEAR = 0.005; // of the side: a point no further from the last one adds nothing

function render({ model, el }) {
  const paper = document.createElement("canvas");
  paper.className = "mvae-pen";
  paper.tabIndex = 0;
  paper.setAttribute("role", "application");
  paper.style.cssText = `display: block; width: 100%; aspect-ratio: 1; box-sizing: border-box;
    border: 1px solid var(--jp-border-color1); background: white; cursor: crosshair; touch-action: none`;
  el.append(paper);
  const context = paper.getContext("2d");

  let strokes = model.get("strokes");
  let open = null; // the stroke under the pointer
  let pointer = null; // and whose it is

  function draw() {
    const side = paper.width; // ink black on paper white in any theme, as in the data
    context.clearRect(0, 0, side, side);
    if (strokes.length === 0 && !open) {
      context.fillStyle = "#767676";
      context.textAlign = "center";
      context.font = `${side / 14}px sans-serif`;
      context.fillText(model.get("label"), side / 2, side / 2, 0.9 * side);
    }
    context.fillStyle = "black";
    context.lineWidth = model.get("width") * side;
    context.lineCap = context.lineJoin = "round";
    for (const stroke of open ? [...strokes, open] : strokes) {
      context.beginPath();
      if (stroke.length === 1) {
        // a tap: chromium draws no line from a point to itself
        context.arc(stroke[0][0] * side, stroke[0][1] * side, context.lineWidth / 2, 0, 2 * Math.PI);
        context.fill();
      } else {
        stroke.forEach(([x, y]) => context.lineTo(x * side, y * side));
        context.stroke();
      }
    }
  }

  function fit() {
    const side = Math.round(paper.clientWidth * window.devicePixelRatio);
    if (side === 0) return; // not shown
    paper.width = paper.height = side;
    draw();
  }

  function add(event) {
    const box = paper.getBoundingClientRect();
    const place = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    const point = place.map((part) => Number(Math.min(1, Math.max(0, part)).toFixed(4)));
    const last = open.at(-1);
    if (!last || Math.hypot(point[0] - last[0], point[1] - last[1]) > NEAR) open.push(point);
  }

  function send(changed) {
    strokes = changed;
    model.set("strokes", strokes);
    model.save_changes();
    draw();
  }

  function end(event) {
    if (event.pointerId !== pointer) return;
    const ended = open;
    pointer = open = null;
    send([...strokes, ended]);
  }

  paper.addEventListener("pointerdown", (event) => {
    if (pointer !== null || event.button !== 0) return; // one finger draws
    paper.setPointerCapture(event.pointerId);
    paper.focus();
    pointer = event.pointerId;
    open = [];
    add(event);
    draw();
  });
  paper.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pointer) return;
    const passed = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
    [...passed, event].forEach(add);
    draw();
  });
  paper.addEventListener("lostpointercapture", end); // after pointerup, and after pointercancel
  paper.addEventListener("keydown", (event) => {
    const undo = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z";
    if (!undo && event.key !== "Delete" && event.key !== "Backspace") return;
    event.preventDefault();
    event.stopPropagation(); // or the notebook would take them
    if (strokes.length > 0 && !open) send(undo ? strokes.slice(0, -1) : []);
  });

  function follow() {
    strokes = model.get("strokes");
    draw();
  }

  function label() {
    paper.setAttribute("aria-label", `${model.get("label")}; Ctrl+Z takes the last stroke back, Delete all of them`);
    draw();
  }

  model.on("change:strokes", follow);
  model.on("change:width", draw);
  model.on("change:label", label);
  label();
  const sizes = new ResizeObserver(fit);
  sizes.observe(paper);
  window.addEventListener("resize", fit); // zoom changes devicePixelRatio alone
  return () => {
    sizes.disconnect();
    window.removeEventListener("resize", fit);
    model.off("change:strokes", follow);
    model.off("change:width", draw);
    model.off("change:label", label);
  };
}

export default { render };
