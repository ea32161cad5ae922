// The page: what is given and moved -> a posterior, its latent, all that is rebuilt from it, and the answer.

import { addressOf, stateOf } from "./address.js";
import { inWords, listed, percent, ranked } from "./answer.js";
import { makeCard } from "./card.js";
import { drawn } from "./drawing.js";
import { makeMap } from "./map.js";
import { makeModel } from "./network.js";
import { inkOf, numeral, NUMERALS, paint, picture, scaled, unscaled, WORDS, colour } from "./paint.js";
import { audible, mfcc } from "./sound.js";
import { word } from "./word.js";

const SLIDERS = 8;
const TITLES = { farsi: "Farsi", kannada: "Kannada", speech: "speech" };
const element = (id) => document.getElementById(id);
const { header, stored, numerals, sound } = JSON.parse(element("data").textContent);
const model = makeModel(header, element("weights").textContent, stored.noise);
const [{ examples, plane }, { dimensions }] = [stored, header.latent];
const modality = Object.fromEntries(header.modalities.map((each) => [each.name, each]));
const where = { names: model.names, rows: examples.label.length, scripts: Object.keys(numerals), dimensions };
const first = (digit) => examples.label.indexOf(digit); // the hardest of its digit; the next one is the test split's first
const all = (row) => model.names.map((name) => `${name[0]}=t${row}`).join("&");
const STARTS = [
  ["A drawn seven", "#f=n7"],
  ["Speech only", `#f=-t${first(7) + 1}&k=-t${first(7) + 1}&s=t${first(7) + 1}`],
  ["All three", `#${all(first(7) + 1)}`],
  ["The hardest 7", `#${all(first(7))}`],
  ["Two scripts that disagree", "#f=n7&k=n3"],
  ["Nothing at all", "#nothing"],
];

let state = stateOf(location.hash.length > 1 ? location.hash : STARTS[0][1], where);
const sources = {}; // by modality, what follows from its content
let now = {}; // what is shown

// A modality's content -> its expert, what it reads alone, what is shown of it, and whether the model knows the like.
function source(name) {
  const what = state.content[name];
  if (!what) return null;
  if (sources[name]?.of === what) return sources[name];
  const strokes = what.kind === "numeral" ? numerals[name][what.digit] : what.strokes;
  const x = what.kind === "test" ? null : (what.x ?? drawn(strokes, name));
  const expert = x ? model.encode(name, x) : { mu: examples.mu[name][what.row], logvar: examples.logvar[name][what.row] };
  const alone = model.fuse([expert]);
  const rebuilt = model.rebuild(name, alone.mu);
  const error = x ? Math.sqrt(rebuilt.reduce((sum, value, i) => sum + (value - x[i]) ** 2, 0) / x.length) : 0;
  const shown = x ?? rebuilt;
  return (sources[name] = { of: what, expert, shown, ink: inkOf(modality[name], shown, header.scaler), alone: model.beliefs(alone), strange: error > stored.strange[name] });
}

function update() {
  const given = model.names.filter((name) => state.content[name] && !state.off[name]);
  const posterior = model.fuse(given.map((name) => source(name).expert));
  const amount = (d) => (state.moves[dimensions[d]] ?? 0) * header.latent.sd[d];
  const z = posterior.mu.map((value, d) => value + amount(d));
  const p = given.length || Object.keys(state.moves).length ? model.beliefs({ mu: z, logvar: posterior.logvar }) : model.beliefs(posterior);
  const rebuilt = Object.fromEntries(model.names.map((name) => [name, model.rebuild(name, z)]));
  const moved = Object.entries(state.moves).filter(([, by]) => by).map(([dimension, by]) => `z${dimension} by ${by > 0 ? "+" : ""}${by} sd`);
  const told = inWords({
    p,
    given: given.map((name) => ({ title: TITLES[name], kind: name === "speech" ? "recording" : "drawing", ...sources[name] })),
    moved: moved.length ? moved : null,
    known: stored.answers[given.map((name) => `m${model.names.indexOf(name) + 1}`).join(",")],
    bound: stored.sure,
  });
  now = { given, posterior, z, p, rebuilt, told };
  show();
}

function show() {
  const { given, z, p, rebuilt, told, posterior } = now;
  for (const name of model.names) {
    const missing = !given.includes(name);
    const shown = inkOf(modality[name], rebuilt[name], header.scaler);
    const from = listed(given.map((each) => TITLES[each]));
    const content = state.content[name] ?? null;
    cards[name].show({ content, missing, from, given: source(name)?.ink, rebuilt: shown, reads: ranked(p)[0] });
    paint(strip[name], shown.ink, shown.width);
    strip[name].classList.toggle("missing", missing);
  }
  const glyphs = (digit) => where.scripts.map((script) => numeral(numerals[script][digit], NUMERALS[script][digit])).join("");
  const row = ({ digit, words }) => `<div class="digit"><span>${digit}</span>${glyphs(digit)}</div><p>“${WORDS[digit]}”${told.sure ? ", " : "<br>"}${words}</p>`;
  const answer = (told.head && `<p><b>${told.head}</b></p>`) + told.choices.map((each) => `<div class="choice">${row(each)}</div>`).join("");
  element("read").classList.toggle("unsure", !told.sure);
  if (answer !== show.answer) element("read").innerHTML = show.answer = answer;
  element("notes").replaceChildren(...told.notes.map((words) => Object.assign(document.createElement("li"), { textContent: words })));
  element("bars").setAttribute("aria-label", `Probabilities: ${ranked(p).slice(0, 3).map((digit) => `${digit}, ${percent(p[digit])}`).join("; ")}`);
  [...element("bars").children].forEach((bar, digit) => (bar.style.height = `${100 * p[digit]}%`));
  strip.words.textContent = told.sure ? told.choices.map(({ digit, words }) => `${digit} · “${WORDS[digit]}” · ${words}`)[0] : told.sentence.split(":")[0];
  const [centred, axes] = [Array.from(z, (value, d) => value - plane.centre[d]), plane.axes];
  const along = (axis, values) => values.reduce((sum, value, d) => sum + value * axis[d], 0);
  const spread = [[0, 0], [0, 1], [1, 1]].map(([i, j]) => along(axes[i], axes[j].map((value, d) => value * Math.exp(posterior.logvar[d]))));
  const rows = new Set(given.map((name) => state.content[name].row ?? null));
  onMap(...axes.map((axis) => along(axis, centred)), spread, rows.size === 1 ? [...rows][0] : null);
  follow();
}

// What need not be said or written at each move of a slider.
let waiting = 0;
function follow() {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    element("live").textContent = now.told.sentence;
    const address = addressOf(state);
    history.replaceState(null, "", address);
    [...element("starts").children].forEach((start) => start.setAttribute("aria-pressed", start.dataset.address === address));
    const row = Object.values(state.content).find((what) => what?.kind === "test")?.row;
    element("which").textContent = row === undefined ? "none chosen" : `number ${(row % first(1)) + 1} of ${first(1)}${row % first(1) ? "" : ", the hardest"}`;
    if (row !== undefined) element("digit").value = examples.label[row];
  }, 250);
}

function give(name, what) {
  state.content[name] = what;
  state.off[name] = false;
  update();
}

function choose(row) {
  for (const name of model.names) state.content[name] = { kind: "test", row };
  state.off = {};
  update();
}

function begin(address) {
  state = stateOf(address, where);
  sliders();
  update();
}

// A word said: its frames, as the model takes them; what it hears of it can be played.
function said(samples) {
  const found = word(samples, sound.high);
  const heard = found.samples.map((value) => Math.round(value * 32767) / 32768);
  give("speech", { kind: "sound", heard, x: scaled(mfcc(heard, sound.mels), modality.speech, header.scaler) });
  if (found.cut) cards.speech.fail("Longer than 0.65 s: it hears only the loudest 0.65 s of it.");
}

const toSound = (values) => audible(unscaled(values, modality.speech, header.scaler), sound.mels);
const heard = () => state.content.speech.heard ?? toSound(sources.speech.shown);

function sliders() {
  const order = [...dimensions.keys()].sort((a, b) => header.latent[element("rank").value][b] - header.latent[element("rank").value][a]);
  const made = order.slice(0, SLIDERS).map((d) => {
    const label = document.createElement("label");
    const amount = state.moves[dimensions[d]] ?? 0;
    label.innerHTML = `<span>z${dimensions[d]} <small>${header.latent[element("rank").value][d].toFixed(2)} nats</small></span><output></output>
      <input type="range" min="-4" max="4" step="0.1" value="${amount}" aria-label="Latent dimension ${dimensions[d]}, in standard deviations">`;
    const [output, input] = label.querySelectorAll("output, input");
    const say = () => (output.textContent = `${input.value > 0 ? "+" : ""}${input.value} sd`);
    say();
    input.addEventListener("input", () => {
      state.moves[dimensions[d]] = Number(input.value);
      say();
      update();
    });
    return label;
  });
  element("sliders").replaceChildren(...made);
}

const cards = {};
const strip = { words: document.createElement("p") };
for (const name of model.names) {
  const actions = { give: (what) => give(name, what), toggle: (on) => ((state.off[name] = !on), update()), said, heard, hear: () => toSound(now.rebuilt.speech) };
  cards[name] = makeCard(name, TITLES[name], numerals[name], actions);
  strip[name] = document.createElement("canvas");
  strip[name].style.setProperty("--own", `var(--${name})`);
  element("strip").append(strip[name]);
  element("bench").append(cards[name].card);
}
element("strip").append(strip.words);
element("bars").innerHTML = WORDS.map((_, digit) => `<span><b>${digit}</b></span>`).join("");
const places = examples.label.map((label, row) => {
  const { mu } = model.fuse(model.names.map((name) => ({ mu: examples.mu[name][row], logvar: examples.logvar[name][row] })));
  const [x, y] = plane.axes.map((axis) => axis.reduce((sum, value, d) => sum + value * (mu[d] - plane.centre[d]), 0));
  return { label, x, y };
});
element("map").setAttribute("aria-label", "Map of test digits: the arrow keys go to the next digit, which is then given");
const onMap = makeMap(element("map"), places, plane.axes, choose);
for (const [words, address] of STARTS) {
  const start = Object.assign(document.createElement("button"), { type: "button", textContent: words });
  start.dataset.address = address;
  start.addEventListener("click", () => begin(address));
  element("starts").append(start);
}
element("digit").append(...WORDS.map((_, digit) => new Option(digit, digit)));
element("digit").value = 7;
element("digit").addEventListener("change", ({ target }) => choose(first(Number(target.value)) + 1));
const step = (by) => {
  const [row, each] = [Object.values(state.content).find((what) => what?.kind === "test")?.row ?? first(Number(element("digit").value)), first(1)];
  choose(Math.floor(row / each) * each + ((row + by + each) % each));
};
element("previous").addEventListener("click", () => step(-1));
element("next").addEventListener("click", () => step(1));
element("rank").addEventListener("change", sliders);
element("reset").addEventListener("click", () => ((state.moves = {}), sliders(), update()));
element("save").addEventListener("click", async () => {
  const columns = model.names.map((name) => {
    const shade = `rgb(${colour(`--${name}`)})`;
    return { title: TITLES[name], shade, given: source(name)?.ink, rebuilt: inkOf(modality[name], now.rebuilt[name], header.scaler), missing: !now.given.includes(name) };
  });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await picture(columns, now.told.sentence));
  link.download = `rebuilt-${ranked(now.p)[0]}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
});
const remember = (act) => { try { return act(localStorage); } catch { return null; } }; // a browser may keep nothing
element("steps").hidden = remember((kept) => kept.getItem("mvae-steps")) === "seen";
element("understood").addEventListener("click", () => ((element("steps").hidden = true), remember((kept) => kept.setItem("mvae-steps", "seen"))));
element("help").addEventListener("click", () => ((element("steps").hidden = false), element("steps").scrollIntoView()));
window.addEventListener("hashchange", () => begin(location.hash));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
document.addEventListener("click", ({ target }) => document.querySelectorAll("details[open]").forEach((each) => each.contains(target) || (each.open = false)));
document.addEventListener("keydown", ({ key }) => key === "Escape" && document.querySelectorAll("details[open]").forEach((each) => (each.open = false)));
sliders();
update();
window.study = { model, drawn, mfcc, word, audible, said, header, stored, sound, numerals, update, now: () => now }; // for tests, and for who opens the console
performance.mark("ready");
