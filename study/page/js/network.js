// The model: experts, their product, decoders and label decoder. The same sums as mvae_lib's, one sample at a time.

// A header and base64, as study/page/weights.py packs them -> layers by name: scale [rows], bias [rows], weight int8 [rows * columns].
export function unpack(header, base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const layers = {};
  let at = 0;
  for (const [name, [rows, columns]] of Object.entries(header.layers)) {
    const scale = new Float32Array(bytes.buffer, at, rows);
    const bias = new Float32Array(bytes.buffer, at + 4 * rows, rows);
    const weight = new Int8Array(bytes.buffer, at + 8 * rows, rows * columns);
    layers[name] = { rows, columns, scale, bias, weight };
    at += 8 * rows + 4 * Math.ceil((rows * columns) / 4);
  }
  return layers;
}

// Layers whose names begin so, in their order: a network's trunk.
function trunk(layers, prefix) {
  const names = Object.keys(layers).filter((name) => name.startsWith(`${prefix}.trunk.`));
  return names.map((name) => layers[name]);
}

export function linear({ rows, columns, scale, bias, weight }, x) {
  const out = new Float64Array(rows);
  let r = 0;
  for (; r + 3 < rows; r += 4) {
    let [a, b, c, d, at] = [0, 0, 0, 0, r * columns]; // four rows at once: each x[k] is read once for them
    for (let k = 0; k < columns; k++, at++) {
      a += weight[at] * x[k];
      b += weight[at + columns] * x[k];
      c += weight[at + 2 * columns] * x[k];
      d += weight[at + 3 * columns] * x[k];
    }
    [out[r], out[r + 1], out[r + 2], out[r + 3]] = [a, b, c, d];
  }
  for (; r < rows; r++) for (let k = 0; k < columns; k++) out[r] += weight[r * columns + k] * x[k];
  return out.map((sum, row) => sum * scale[row] + bias[row]);
}

const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const swish = (x) => x * sigmoid(x); // Ramachandran et al., arXiv:1710.05941

export function makeModel(header, base64, noise) {
  const layers = unpack(header, base64);
  const names = header.modalities.map((modality) => modality.name);
  const size = header.latent.dimensions.length;
  const hidden = (prefix, x) => trunk(layers, prefix).reduce((h, layer) => linear(layer, h).map(swish), x);

  // A sample [F] -> the expert's Gaussian: mu and logvar [D].
  function encode(name, x) {
    const h = hidden(`experts.${name}`, x);
    return { mu: linear(layers[`experts.${name}.mu`], h), logvar: linear(layers[`experts.${name}.logvar`], h) };
  }

  // Experts, any number of them -> the posterior: precisions add, the prior N(0, 1) among them (Wu & Goodman, arXiv:1802.05335).
  function fuse(experts) {
    const [mu, logvar] = [new Float64Array(size), new Float64Array(size)];
    for (let d = 0; d < size; d++) {
      let [total, sum] = [1, 0];
      for (const expert of experts) {
        const precision = Math.exp(-expert.logvar[d]);
        total += precision;
        sum += precision * expert.mu[d];
      }
      mu[d] = sum / total;
      logvar[d] = -Math.log(total);
    }
    return { mu, logvar };
  }

  // A latent [D] -> one modality [F], the mean of its distribution.
  function rebuild(name, z) {
    const out = linear(layers[`decoders.${name}.out`], hidden(`decoders.${name}`, z));
    const { likelihood } = header.modalities.find((modality) => modality.name === name);
    return likelihood === "bernoulli" ? out.map(sigmoid) : out;
  }

  // A latent [D] -> class probabilities.
  function classify(z) {
    const logits = linear(layers["label_decoder.out"], hidden("label_decoder", z));
    const most = Math.max(...logits);
    const shares = logits.map((logit) => Math.exp(logit - most));
    const total = shares.reduce((a, b) => a + b);
    return shares.map((share) => share / total);
  }

  // Class probabilities averaged over draws from a posterior: so they are as sure as they are right.
  function beliefs({ mu, logvar }) {
    const mean = new Float64Array(layers["label_decoder.out"].rows);
    for (const normal of noise) {
      classify(mu.map((m, d) => m + Math.exp(logvar[d] / 2) * normal[d])).forEach((p, digit) => (mean[digit] += p / noise.length));
    }
    return mean;
  }

  return { names, size, latent: header.latent, encode, fuse, rebuild, classify, beliefs };
}
