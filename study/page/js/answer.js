// What the label decoder answers, in words: which digit, how surely, and why one should doubt it.

import { NUMERALS, WORDS } from "./paint.js";

export const percent = (p) => (p > 0.995 && p < 1 ? "over 99\u00a0%" : `${Math.round(100 * p)}\u00a0%`);
const named = (digit) => `${digit} · ${NUMERALS.farsi[digit]} · ${NUMERALS.kannada[digit]} · “${WORDS[digit]}”`;
export const listed = (parts) => (parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`);

// The digits, the likeliest first.
export const ranked = (p) => [...p.keys()].sort((a, b) => p[b] - p[a]);

// `p`: class probabilities. `given`: of each modality that is given, { title, kind, alone (its own probabilities), strange }.
// `known`: what stored.json has of this combination, or nothing. -> sure, head, choices (digit, words), sentence, notes.
export function inWords({ p, given, moved, known, bound }) {
  const [first, second] = ranked(p);
  const titles = listed(given.map(({ title }) => title));
  const strange = given.filter((each) => each.strange);
  const tops = given.map(({ title, alone }) => ({ title, digit: ranked(alone)[0], p: Math.max(...alone) }));
  const surely = tops.filter((top) => top.p >= bound);
  const disagree = new Set(surely.map(({ digit }) => digit)).size > 1;
  const sure = given.length > 0 && p[first] >= bound && !strange.length && !disagree;
  const likeliest = [first, second].map((digit) => ({ digit, words: percent(p[digit]) }));
  const each = surely.map(({ title, digit, p }) => ({ digit, words: `${title} alone, ${percent(p)}` }));
  const choices = sure ? likeliest.slice(0, 1) : disagree ? each : likeliest;
  const sentence = `${sure ? "reads" : "not sure:"} ${choices.map(({ digit, words }) => `${named(digit)}, ${words}`).join(", or ")}`;
  const notes = [];
  for (const { title, kind } of strange)
    notes.push(`The ${title} ${kind} is stranger to it than 98 of 100 held-out digits. It answers with one of ten digits, whatever it is given.`);
  if (disagree) notes.push(`What is rebuilt leans to ${WORDS[first]} (${percent(p[first])}): the product of the experts follows the surer one.`);
  if (moved) notes.push(`Moved by hand: ${listed(moved)}.`);
  else if (known && sure)
    notes.push(`Of the test digits that it is as sure of from ${titles}, ${known.right_sure === 1 ? "all" : `${(100 * known.right_sure).toFixed(1)} %`} are read right.`);
  else if (known && !strange.length && !disagree)
    notes.push(`Of the test digits that it is as unsure of, ${Math.round(100 * known.right_unsure)} % are read right.`);
  if (given.length || moved) return { sure, head: sure ? "" : disagree ? "Not sure: they disagree." : "Not sure. The two likeliest:", choices, sentence, notes };
  notes.push("What is rebuilt is the mean of the prior, an average of all digits.");
  return { sure, head: "Nothing is given.", choices: [], sentence: "nothing is given", notes };
}
