// A sound from the microphone or from a file -> samples in [-1, 1] at 8 kHz, mono.

import { RATE } from "./sound.js";

export const [LISTEN, MOST] = [2500, 8e6]; // milliseconds of a recording; bytes of a file

// What the browser can decode: wav, mp3, ogg, m4a, webm and others, by the browser.
export async function decode(bytes) {
  if (bytes.byteLength > MOST) throw new Error(`The file has ${(bytes.byteLength / 1e6).toFixed(1)} MB; at most 8 are taken. Cut it to one word.`);
  let sound;
  try {
    sound = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(bytes); // resampled to the context's rate
  } catch {
    throw new Error("This is no sound file that this browser can read. Take WAV, MP3, OGG or M4A.");
  }
  const mono = new Float64Array(sound.length);
  for (let c = 0; c < sound.numberOfChannels; c++)
    sound.getChannelData(c).forEach((value, n) => (mono[n] += value / sound.numberOfChannels));
  return mono;
}

// Listens for 2.5 s, or until `stop` is called on what `started` is given.
export async function record(started) {
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
  } catch {
    throw new Error("The browser gives this page no microphone. Allow it, or take a sound file.");
  }
  const recorder = new MediaRecorder(stream);
  const parts = [];
  recorder.addEventListener("dataavailable", ({ data }) => parts.push(data));
  const stopped = new Promise((done) => recorder.addEventListener("stop", done));
  recorder.start();
  const stop = () => recorder.state === "recording" && recorder.stop();
  started(stop);
  setTimeout(stop, LISTEN);
  await stopped;
  stream.getTracks().forEach((track) => track.stop());
  return decode(await new Blob(parts).arrayBuffer());
}

let playing = null;

// Plays samples at 8 kHz, as loud each time; what was playing ends.
export function play(samples) {
  playing?.close();
  playing = new AudioContext();
  const buffer = playing.createBuffer(1, samples.length, RATE);
  const loudest = samples.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9);
  buffer.copyToChannel(Float32Array.from(samples, (value) => (0.7 * value) / loudest), 0);
  const source = new AudioBufferSourceNode(playing, { buffer });
  source.connect(playing.destination);
  source.start();
}
