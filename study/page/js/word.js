// The word in a sound at 8 kHz, without the noise of its room: what study/app/sound.py does with scipy and librosa.

import { FRAME, FRAMES, HOP, RATE, SPAN, resynthesise, spectrum } from "./sound.js";

const [LONGEST, SHORTEST, ISLAND] = [10, 800, 7]; // seconds of a sound; samples of a word; frames, of which a word has as many
const [FAINT, QUIET, ABOVE, LOUD] = [-60, -40, 6, 10]; // dB: of full scale; of the loudest frame; above the noise, begin and peak
const [ROOM, OVER, LEFT] = [50, 2, 0.03]; // frames of a room's noise; how much of its power is taken, what share is left at least

// Samples in [-1, 1] -> { samples, cut }: the word, at most 0.65 s, and whether it was longer. Error, in one line: there is none.
export function word(sound, high) {
  if (sound.length > LONGEST * RATE) throw new Error(`The sound is longer than ${LONGEST} s; one digit takes less than 3 s. Cut it.`);
  if (sound.length < SHORTEST) throw new Error(`The sound lasts ${((1000 * sound.length) / RATE).toFixed(0)} ms; a digit takes 100 ms or more.`);
  const mean = sound.reduce((a, b) => a + b, 0) / sound.length;
  sound = Float64Array.from(sound, (value) => value - mean);
  const filtered = highpass(sound, high);
  const count = 1 + Math.ceil(Math.max(0, filtered.length - FRAME) / HOP);
  const level = Array.from({ length: count }, (_, t) => {
    let sum = 0;
    for (let n = 0; n < FRAME; n++) sum += (filtered[t * HOP + n] ?? 0) ** 2;
    return 10 * Math.log10(sum / FRAME + 1e-10);
  });
  const loudest = Math.max(...level);
  const bound = percentile(level, 0.1) + ABOVE;
  const quiet = level.map((each) => each < bound);
  const still = level.filter((_, t) => quiet[t]).map((each) => 10 ** (each / 10));
  const noise = still.length >= ROOM ? 10 * Math.log10(still.reduce((a, b) => a + b) / still.length) : -Infinity;
  if (loudest < FAINT) throw new Error("The sound is silent, or nearly. Is the microphone muted, or far away?");
  if (loudest < noise + LOUD) throw new Error("Nothing in the sound is louder than its noise. Say one digit, nearer to the microphone.");
  const energy = words(level, Math.max(noise + ABOVE, loudest + QUIET));
  if (!energy.some((each) => each > 0)) throw new Error("Nothing in the sound lasts longer than a click. Say one digit.");
  const first = richest(energy);
  const inside = [...energy.keys()].slice(first, first + FRAMES).filter((t) => energy[t] > 0);
  const heard = noise > -Infinity ? without(sound, quiet) : sound;
  const samples = heard.slice(inside[0] * HOP, inside.at(-1) * HOP + FRAME);
  const all = [...energy.keys()].filter((t) => energy[t] > 0);
  return { samples: samples.slice(0, SPAN), cut: all.at(-1) - all[0] > inside.at(-1) - inside[0] };
}

// Each frame's energy where words are, 0 elsewhere.
function words(level, bound) {
  const energy = new Float64Array(level.length);
  for (let begin = 0; begin < level.length; begin++) {
    let end = begin;
    while (end < level.length && level[end] > bound) end++;
    if (end - begin >= ISLAND) for (let t = begin; t < end; t++) energy[t] = 10 ** (level[t] / 10);
    begin = Math.max(begin, end);
  }
  return energy;
}

// Where the 64 frames with most energy begin.
function richest(energy) {
  let [best, most] = [0, -1];
  for (let t = 0; t < energy.length; t++) {
    const sum = energy.subarray(t, t + FRAMES).reduce((a, b) => a + b, 0);
    if (sum > most * (1 + 1e-12)) [best, most] = [t, sum];
  }
  return best;
}

function percentile(values, part) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = part * (sorted.length - 1);
  const below = Math.floor(at);
  return sorted[below] + (at - below) * ((sorted[below + 1] ?? sorted[below]) - sorted[below]);
}

// A high-pass filter, forward and backward, so that nothing is delayed: second-order sections and their first states.
function highpass(sound, { sections, states, pad }) {
  const edge = (from, sign) => Array.from({ length: pad }, (_, i) => 2 * sound[from] - (sound[from + sign * (i + 1)] ?? sound[from]));
  let signal = Float64Array.from([...edge(0, 1).reverse(), ...sound, ...edge(sound.length - 1, -1)]);
  for (let way = 0; way < 2; way++) {
    const first = signal[0];
    sections.forEach(([b0, b1, b2, , a1, a2], s) => {
      let [z1, z2] = states[s].map((state) => state * first);
      signal = signal.map((x) => {
        const y = b0 * x + z1;
        [z1, z2] = [b1 * x - a1 * y + z2, b2 * x - a2 * y];
        return y;
      });
    });
    signal.reverse();
  }
  return signal.slice(pad, pad + sound.length);
}

// A sound with the noise of its quiet frames taken from all: spectral subtraction (Berouti, Schwartz & Makhoul, ICASSP 1979).
function without(sound, quiet) {
  const count = 1 + Math.floor(sound.length / HOP);
  const spectra = Array.from({ length: count }, (_, t) => spectrum(sound, t * HOP - FRAME / 2));
  const power = spectra.map(([re, im]) => re.map((value, k) => value ** 2 + im[k] ** 2));
  const near = power.map((_, t) => Math.trunc(Math.min(quiet.length - 1, Math.max(0, t - FRAME / 2 / HOP))));
  const still = power.filter((_, t) => quiet[near[t]]);
  const noise = power[0].map((_, k) => still.reduce((sum, each) => sum + each[k], 0) / still.length);
  const cleaned = spectra.map(([re, im], t) => {
    const gain = noise.map((each, k) => Math.sqrt(Math.max(1 - (OVER * each) / Math.max(power[t][k], 1e-300), LEFT)));
    return [re.map((value, k) => value * gain[k]), im.map((value, k) => value * gain[k])];
  });
  return resynthesise(cleaned, sound.length);
}
