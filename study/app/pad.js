// A square over two sliders, which keep the values: it sets theirs and follows them. Also the explorer's way to the clipboard.

const AXES = ["across", "up"];
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };
const FAST = 10; // steps of the slider, with Shift

function add(parent, style) {
  const part = document.createElement("div");
  part.style.cssText = `position: absolute; pointer-events: none; ${style}`;
  parent.append(part);
  return part;
}

async function render({ model, el }) {
  const line = "1px solid var(--jp-border-color1)";
  const pad = document.createElement("div");
  pad.className = "mvae-pad";
  pad.tabIndex = 0;
  pad.setAttribute("role", "application");
  pad.style.cssText = `position: relative; width: 100%; height: 100%; box-sizing: border-box; border: ${line};
    background: var(--jp-layout-color2); cursor: crosshair; touch-action: none; user-select: none; font-size: 11px;
    color: var(--jp-ui-font-color1)`;
  add(pad, `left: 50%; top: 0; bottom: 0; border-left: ${line}`);
  add(pad, `top: 50%; left: 0; right: 0; border-top: ${line}`);
  const names = [add(pad, "right: 4px; bottom: 2px"), add(pad, "left: 4px; top: 2px")];
  const dot = add(pad, `width: 12px; height: 12px; margin: 0 0 -6px -6px; border-radius: 50%;
    background: var(--jp-brand-color1); border: 2px solid var(--jp-layout-color1); box-sizing: border-box`);
  el.style.overflow = "visible";
  el.append(pad);

  let sliders = [];

  function follow() {
    const [left, bottom] = sliders.map((s) => (100 * (s.get("value") - s.get("min"))) / (s.get("max") - s.get("min")));
    dot.style.left = `${left}%`;
    dot.style.bottom = `${bottom}%`;
  }

  function set(slider, value) {
    const { min, max, step } = slider.attributes;
    const held = Math.min(max, Math.max(min, min + step * Math.round((value - min) / step)));
    if (Math.abs(held - slider.get("value")) < step / 2) return;
    slider.set("value", Number(held.toFixed(6)));
    slider.save_changes();
  }

  function drag(event) {
    const box = pad.getBoundingClientRect();
    const part = [(event.clientX - box.left) / box.width, (box.bottom - event.clientY) / box.height];
    sliders.forEach((s, i) => set(s, s.get("min") + part[i] * (s.get("max") - s.get("min"))));
  }

  pad.addEventListener("pointerdown", (event) => {
    pad.setPointerCapture(event.pointerId);
    pad.focus();
    drag(event);
  });
  pad.addEventListener("pointermove", (event) => pad.hasPointerCapture(event.pointerId) && drag(event));
  pad.addEventListener("keydown", (event) => {
    if (!(event.key in KEYS)) return;
    event.preventDefault();
    event.stopPropagation(); // or the notebook would take them
    const by = event.shiftKey ? FAST : 1;
    sliders.forEach((s, i) => set(s, s.get("value") + by * KEYS[event.key][i] * s.get("step")));
  });

  async function connect() {
    const ids = AXES.map((axis) => model.get(axis).slice("IPY_MODEL_".length));
    const found = await Promise.all(ids.map((id) => model.widget_manager.get_model(id)));
    leave();
    sliders = found;
    sliders.forEach((s) => s.on("change", follow));
    follow();
  }

  function label() {
    const [across, up] = model.get("names");
    names[0].textContent = `${across} →`;
    names[1].textContent = `↑ ${up}`;
    pad.setAttribute("aria-label", `Pad: ${across} across, ${up} up; arrow keys move it`);
  }

  function leave() {
    sliders.forEach((s) => s.off("change", follow));
  }

  function copy(message) {
    const written = navigator.clipboard ? navigator.clipboard.writeText(message.copy) : Promise.reject(new Error("no clipboard"));
    written.then(() => model.send({ copied: true }), () => model.send({ copied: false }));
  }

  AXES.forEach((axis) => model.on(`change:${axis}`, connect));
  model.on("change:names", label);
  model.on("msg:custom", copy);
  label();
  await connect();
  return leave;
}

export default { render };
