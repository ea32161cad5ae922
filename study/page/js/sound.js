// Between sound at 8 kHz and MFCC frames, both ways, as mvae_lib/data/speech.py and study/app/sound.py have it with librosa.

export const [RATE, FRAME, HOP, FRAMES] = [8000, 200, 80, 64];
export const SPAN = (FRAMES - 1) * HOP + FRAME; // samples that the model hears
const [BINS, MELS, COEFFICIENTS, FLOOR, LOUDEST] = [FRAME / 2 + 1, 40, 13, 1e-10, 1e4];
const [SEARCH, MOMENTUM, FIT] = [32, 0.99, 60]; // rounds of Griffin and Lim's search, its momentum; rounds of the fit of a spectrum

const [COS, SIN] = [Math.cos, Math.sin].map((f) => Float64Array.from({ length: FRAME }, (_, n) => f((2 * Math.PI * n) / FRAME)));
const HANN = COS.map((c) => (1 - c) / 2);
const DCT = Array.from({ length: COEFFICIENTS }, (_, k) =>
  Float64Array.from({ length: MELS }, (_, m) => Math.sqrt((k ? 2 : 1) / MELS) * Math.cos((Math.PI * k * (2 * m + 1)) / (2 * MELS))),
);

// A windowed frame at a place of a signal -> its spectrum, real and imaginary [101]; what lies outside the signal is 0.
export function spectrum(signal, from) {
  const framed = HANN.map((weight, n) => weight * (signal[from + n] ?? 0));
  const [re, im] = [new Float64Array(BINS), new Float64Array(BINS)];
  for (let k = 0; k < BINS; k++)
    for (let n = 0, turn = 0; n < FRAME; n++, turn = (turn + k) % FRAME) {
      re[k] += framed[n] * COS[turn];
      im[k] -= framed[n] * SIN[turn];
    }
  return [re, im];
}

// Spectra of centred frames -> the signal that is nearest to having them (overlap and add).
export function resynthesise(spectra, length) {
  const padded = new Float64Array(length + FRAME);
  const weight = new Float64Array(length + FRAME);
  spectra.forEach(([re, im], t) => {
    for (let n = 0; n < FRAME; n++) {
      let value = re[0] + re[BINS - 1] * (n % 2 ? -1 : 1);
      for (let k = 1, turn = n; k < BINS - 1; k++, turn = (turn + n) % FRAME) value += 2 * (re[k] * COS[turn] - im[k] * SIN[turn]);
      if (t * HOP + n >= padded.length) break;
      padded[t * HOP + n] += (HANN[n] * value) / FRAME;
      weight[t * HOP + n] += HANN[n] ** 2;
    }
  });
  return padded.map((value, n) => (weight[n] > 1e-9 ? value / weight[n] : value)).slice(FRAME / 2, FRAME / 2 + length);
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
