// Between sound at 8 kHz and MFCC frames, both ways, as mvae_lib/data/speech.py and study/app/sound.py have it with librosa.

export const [RATE, FRAME, HOP, FRAMES] = [8000, 200, 80, 64];
export const SPAN = (FRAMES - 1) * HOP + FRAME; // samples that the model hears
const [BINS, MELS, COEFFICIENTS, FLOOR, LOUDEST] = [FRAME / 2 + 1, 40, 13, 1e-10, 1e4];
const [SEARCH, MOMENTUM, FIT] = [32, 0.99, 60]; // rounds of Griffin and Lim's search, its momentum; rounds of the fit of a spectrum

const turns = (f) => Float64Array.from({ length: BINS * BINS }, (_, i) => f((2 * Math.PI * Math.floor(i / BINS) * (i % BINS)) / FRAME));
const [COS, SIN] = [turns(Math.cos), turns(Math.sin)]; // [bin, sample] of half a frame: the other half mirrors it
const HANN = Float64Array.from({ length: FRAME }, (_, n) => (1 - Math.cos((2 * Math.PI * n) / FRAME)) / 2);
const DCT = Array.from({ length: COEFFICIENTS }, (_, k) =>
  Float64Array.from({ length: MELS }, (_, m) => Math.sqrt((k ? 2 : 1) / MELS) * Math.cos((Math.PI * k * (2 * m + 1)) / (2 * MELS))),
);

// The sum over n of values[n] * table[row, n].
function product(table, row, values) {
  let sum = 0;
  for (let n = 0, at = row * BINS; n < BINS; n++, at++) sum += table[at] * values[n];
  return sum;
}

// A windowed frame at a place of a signal -> its spectrum, real and imaginary [101]; what lies outside the signal is 0.
export function spectrum(signal, from) {
  const value = (n) => (from + n >= 0 && from + n < signal.length ? HANN[n] * signal[from + n] : 0);
  const [even, odd] = [new Float64Array(BINS), new Float64Array(BINS)];
  [even[0], even[BINS - 1]] = [value(0), value(BINS - 1)];
  for (let n = 1; n < BINS - 1; n++) {
    even[n] = value(n) + value(FRAME - n);
    odd[n] = value(n) - value(FRAME - n);
  }
  const [re, im] = [new Float64Array(BINS), new Float64Array(BINS)];
  for (let k = 0; k < BINS; k++) {
    re[k] = product(COS, k, even);
    im[k] = -product(SIN, k, odd);
  }
  return [re, im];
}

// Spectra of centred frames -> the signal that is nearest to having them (overlap and add).
export function resynthesise(spectra, length) {
  const padded = new Float64Array(spectra.length * HOP + FRAME);
  const weight = new Float64Array(padded.length);
  const add = (at, n, value) => {
    padded[at + n] += (HANN[n] * value) / FRAME;
    weight[at + n] += HANN[n] ** 2;
  };
  spectra.forEach(([re, im], t) => {
    const [a, b] = [re, im].map((part) => part.map((value, k) => (k && k < BINS - 1 ? 2 * value : value)));
    for (let n = 0; n < BINS; n++) {
      const [even, odd] = [product(COS, n, a), -product(SIN, n, b)];
      add(t * HOP, n, even + odd);
      if (n && n < BINS - 1) add(t * HOP, FRAME - n, even - odd);
    }
  });
  return Float64Array.from({ length }, (_, n) => padded[n + FRAME / 2] / Math.max(weight[n + FRAME / 2], 1e-9));
}

// Samples in [-1, 1] -> MFCCs, frame by frame, [64][13]: cut, or filled with silence.
export function mfcc(samples, filters) {
  const count = Math.min(FRAMES, 1 + Math.max(0, Math.floor((samples.length - FRAME) / HOP)));
  return Array.from({ length: FRAMES }, (_, t) => {
    const [re, im] = spectrum(samples, t < count ? t * HOP : samples.length);
    const levels = filters.map((row) => {
      let power = 0;
      row.values.forEach((value, i) => (power += value * (re[row.from + i] ** 2 + im[row.from + i] ** 2)));
      return 10 * Math.log10(Math.max(FLOOR, power));
    });
    return DCT.map((row) => row.reduce((sum, value, m) => sum + value * levels[m], 0));
  });
}

// The MFCCs of one frame -> its mel levels in decibels [40].
export const levelsOf = (frame) => Float64Array.from({ length: MELS }, (_, m) => DCT.reduce((sum, row, k) => sum + row[m] * frame[k], 0));

// Mel powers [40] -> a spectrum of magnitudes [101] that has them, none below 0 (Lee & Seung's rule).
function magnitudes(mels, filters) {
  let power = new Float64Array(BINS).fill(1e-6);
  filters.forEach((row, m) => row.values.forEach((value, i) => (power[row.from + i] += value * mels[m])));
  for (let round = 0; round < FIT; round++) {
    const [up, down] = [new Float64Array(BINS), new Float64Array(BINS).fill(1e-30)];
    filters.forEach((row, m) => {
      const has = row.values.reduce((sum, value, i) => sum + value * power[row.from + i], 0);
      row.values.forEach((value, i) => {
        up[row.from + i] += value * mels[m];
        down[row.from + i] += value * has;
      });
    });
    power = power.map((value, k) => (value * up[k]) / down[k]);
  }
  return power.map(Math.sqrt);
}

// MFCCs [64][13] -> samples in [-1, 1]; Griffin & Lim, IEEE Transactions on Acoustics, Speech and Signal Processing 32(2), 1984.
export function audible(frames, filters) {
  const silent = new Float64Array(BINS); // two silent frames on each side: nothing blows up at the edges
  const power = frames.map((frame) => levelsOf(frame).map((level) => Math.min(LOUDEST, Math.max(FLOOR, 10 ** (level / 10))) - FLOOR));
  const wanted = [silent, silent, ...power.map((mels) => magnitudes(mels, filters)), silent, silent];
  const length = (wanted.length - 1) * HOP;
  const turn = phases();
  let angles = wanted.map((size) => {
    const angle = size.map(() => 2 * Math.PI * turn());
    return [angle.map(Math.cos), angle.map(Math.sin)];
  });
  const sized = () => angles.map(([re, im], t) => [re.map((v, k) => v * wanted[t][k]), im.map((v, k) => v * wanted[t][k])]);
  let before = null;
  for (let round = 0; round < SEARCH; round++) {
    const signal = resynthesise(sized(), length);
    const found = wanted.map((_, t) => spectrum(signal, t * HOP - FRAME / 2));
    const share = before ? MOMENTUM / (1 + MOMENTUM) : 0;
    angles = found.map(([re, im], t) => {
      const [a, b] = [re, im].map((part, i) => (before ? part.map((v, k) => v - share * before[t][i][k]) : part));
      const size = a.map((v, k) => Math.hypot(v, b[k]) + 1e-30);
      return [a.map((v, k) => v / size[k]), b.map((v, k) => v / size[k])];
    });
    before = found;
  }
  const from = 2 * HOP - FRAME / 2;
  const sound = resynthesise(sized(), length).slice(from, from + SPAN);
  const loudest = sound.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  return sound.map((value) => value / loudest);
}

// The same pseudo-random numbers in [0, 1) each time (a linear congruential generator).
function phases(state = 1) {
  return () => (state = (1664525 * state + 1013904223) % 2 ** 32) / 2 ** 32;
}
