// One modality's card: what is given above, what is rebuilt below, and the tools to give something.

import { makePen } from "./pen.js";
import { WORDS, paint, theme } from "./paint.js";
import { decode, play, record } from "./microphone.js";

const ABOUT = {
  farsi: ["Draw with mouse, finger or stylus, or trace a numeral. As in the data, the ink is cut out and stretched to 28 × 28 pixels, black or white.", "12_hear_draw_say"],
  kannada: ["Draw with mouse, finger or stylus, or trace a numeral. As in the data, the ink is made 20 pixels long, with grey edges, its centre of mass in the middle.", "12_hear_draw_say"],
  speech: ["Say one digit in English. The page cuts the word out of what it hears; the picture shows loudness by pitch (upward) and time (to the right, 0.65 s). Its 13 numbers a frame hold no pitch, so what is rebuilt whispers.", "12_hear_draw_say"],
};
const KINDS = { test: "a test digit", numeral: "a numeral of ours", drawing: "your drawing", sound: "your recording" };

function button(words, label, act) {
  const made = Object.assign(document.createElement("button"), { type: "button", textContent: words });
  if (label) made.setAttribute("aria-label", label);
  made.addEventListener("click", act);
  return made;
}

// `actions`: give(content or null), toggle(given), hear(), said(samples), heard(). -> the card, and show(view).
export function makeCard(name, title, numerals, actions) {
  const card = document.getElementById("card").content.cloneNode(true).firstElementChild;
  const part = (selector) => card.querySelector(selector);
  card.style.setProperty("--own", `var(--${name})`);
  card.dataset.modality = name;
  part(".name").textContent = title;
  part(".help summary").setAttribute("aria-label", `About ${title}`);
  part(".help p").innerHTML = `${ABOUT[name][0]} <a href="../notebooks/${ABOUT[name][1]}.ipynb">Notebook 12</a>`;
  const [box, tools, problem] = [part("input"), part(".tools"), part(".problem")];
  box.setAttribute("aria-label", `${title} is given`);
  box.addEventListener("change", () => actions.toggle(box.checked));
  const [given, rebuilt] = card.querySelectorAll("canvas");
  const still = document.createElement("canvas");
  let [content, faint, before] = [null, [], []];

  async function tried(act) {
    problem.textContent = "";
    try {
      await act();
    } catch (error) {
      problem.textContent = error.message;
    }
  }

  function drawing() {
    const own = () => (content?.kind === "drawing" ? content.strokes : []);
    const give = (strokes) => actions.give(strokes.length ? { kind: "drawing", strokes } : null);
    const erase = (all) => give(all ? [] : own().slice(0, -1));
    given.className = "pen";
    given.tabIndex = 0;
    given.setAttribute("role", "application");
    const pen = makePen(given, { begin: own, end: give, erase });
    const trace = document.createElement("select");
    trace.setAttribute("aria-label", `A ${title} numeral to trace`);
    trace.append(new Option("trace", -1), ...numerals.map((_, digit) => new Option(digit, digit)));
    trace.addEventListener("change", () => {
      faint = numerals[trace.value] ?? [];
      fill.disabled = !faint.length;
      actions.give(faint.length ? null : content);
    });
    const fill = button("Fill", `Give the ${title} numeral that is chosen`, () => actions.give({ kind: "numeral", digit: Number(trace.value) }));
    fill.disabled = true;
    tools.append(trace, fill, button("↶", `Take back the last ${title} stroke`, () => erase(false)), button("✕", `Clear ${title}`, () => erase(true)));
    return (image) => pen(content?.kind === "numeral" ? numerals[content.digit] : own(), faint, image);
  }

  function speaking() {
    given.setAttribute("role", "img");
    const file = Object.assign(document.createElement("input"), { type: "file", accept: "audio/*", hidden: true });
    file.setAttribute("aria-label", "Sound file");
    file.addEventListener("change", () => file.files.length && tried(async () => actions.said(await decode(await file.files[0].arrayBuffer()))));
    let stop = null;
    const say = button("● Say it", "Record a spoken digit", () => {
      if (stop) return stop();
      tried(async () => {
        const listening = (end) => ([stop, say.textContent] = [end, "■ listening …"]);
        try {
          actions.said(await record(listening));
        } finally {
          [stop, say.textContent] = [null, "● Say it"];
        }
      });
    });
    const load = button("File", "Take a sound file", () => ((file.value = ""), file.click()));
    const replay = button("▶ Hear it", "Hear what is given", () => play(actions.heard()));
    const hear = button("▶ Hear it", "Hear what is rebuilt", () => play(actions.hear()));
    replay.className = hear.className = "play";
    given.after(replay);
    rebuilt.after(hear);
    tools.append(say, load, file, button("✕", "Clear speech", () => actions.give(null)));
    return () => (replay.hidden = !content);
  }
  const show = numerals ? drawing() : speaking();

  // `view`: content, missing, from (titles of what is given), given and rebuilt as { ink, width } (given may be null), reads.
  return {
    card,
    fail: (words) => (problem.textContent = words),
    show(view) {
      content = view.content;
      card.classList.toggle("missing", view.missing);
      box.checked = !view.missing;
      box.disabled = !content;
      const empty = !content && !faint.length;
      part(".given .frame").toggleAttribute("data-hint", empty);
      if (empty) part(".given .frame").dataset.hint = numerals ? `draw a ${title} digit here` : "say a digit in English";
      part(".given .frame").classList.toggle("kept", view.missing && Boolean(content));
      const what = !content ? "nothing" : KINDS[content.kind];
      part(".given figcaption").textContent = view.missing ? "○ not given" : `● given: ${what}`;
      part(".rebuilt figcaption").textContent = view.missing ? `◆ from ${view.from || "nothing"}` : "◆ rebuilt";
      rebuilt.setAttribute("aria-label", `${title}, rebuilt${view.missing && view.from ? ` from ${view.from} alone` : ""}; the label decoder reads ${WORDS[view.reads]}`);
      given.setAttribute("aria-label", numerals ? `Draw a ${title} digit here. Given: ${what}. Ctrl+Z takes the last stroke back, Delete all.` : `${title}, given: ${what}`);
      paint(rebuilt, view.rebuilt.ink, view.rebuilt.width);
      const now = [content, faint, view.given, theme()];
      if (now.every((each, i) => each === before[i])) return; // what is given stands as it stood
      before = now;
      const shown = view.given ?? { ink: new Float32Array(1), width: 1 };
      if (!numerals || content?.kind === "test") paint(numerals ? still : given, shown.ink, shown.width);
      show(content?.kind === "test" ? still : null);
    },
  };
}
