// What the label decoder answers, in words: which digit, how surely, and why one should doubt it.

import { NUMERALS, WORDS } from "./paint.js";

export const percent = (p) => (p > 0.995 && p < 1 ? "over 99 %" : `${Math.round(100 * p)} %`);
const named = (digit) => `${digit} · ${NUMERALS.farsi[digit]} · ${NUMERALS.kannada[digit]} · “${WORDS[digit]}”`;
export const listed = (parts) => (parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`);

// The digits, the likeliest first.
export const ranked = (p) => [...p.keys()].sort((a, b) => p[b] - p[a]);

// `p`: class probabilities. `given`: of each modality that is given, { title, kind, alone (its own probabilities), strange }.
// `known`: what stored.json has of this combination, or nothing. -> sure, digits, sentence, notes.
export function inWords({ p, given, moved, known, bound }) {
  const [first, second] = ranked(p);
  const strange = given.filter((each) => each.strange);
  const tops = given.map(({ title, alone }) => ({ title, digit: ranked(alone)[0], p: Math.max(...alone) }));
  const disagree = new Set(tops.filter((top) => top.p >= bound).map(({ digit }) => digit)).size > 1;
  const sure = given.length > 0 && p[first] >= bound && !strange.length && !disagree;
  const both = `${named(first)}, ${percent(p[first])}, or ${named(second)}, ${percent(p[second])}`;
  const sentence = !given.length && !moved ? "nothing is given" : sure ? `reads ${named(first)}, ${percent(p[first])}` : `not sure: ${both}`;
  const notes = [];
  if (!given.length) notes.push("Nothing is given: what is rebuilt is the mean of the prior, an average of all digits.");
  for (const { title, kind } of strange)
    notes.push(`The ${title} ${kind} is stranger to it than 98 of 100 held-out digits. It answers with one of ten digits, whatever it is given.`);
  if (new Set(tops.map(({ digit }) => digit)).size > 1)
    notes.push(`They disagree: ${listed(tops.map(({ title, digit, p }) => `${title} alone reads ${digit} (${percent(p)})`))}.`);
  if (moved) notes.push(`${listed(moved)}: moved by hand.`);
  else if (known && !strange.length && !disagree)
    notes.push(
      sure
        ? `Where it is as sure of a test digit from ${listed(given.map(({ title }) => title))}, it is right in ${(100 * known.right_sure).toFixed(1)} % of cases.`
        : `Where it is unsure of a test digit, it is right in ${Math.round(100 * known.right_unsure)} % of cases.`,
    );
  return { sure, digits: sure ? [first] : [first, second], sentence, notes };
}
