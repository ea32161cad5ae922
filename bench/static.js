// Times the static page from inside it, in milliseconds.

// What a frame takes in which something is done: from its beginning to its having been painted.
const frame = (act) =>
  new Promise((done) =>
    requestAnimationFrame(() => {
      const start = performance.now();
      act();
      const channel = new MessageChannel(); // a message posted now is answered after the frame
      channel.port1.onmessage = () => done(performance.now() - start);
      channel.port2.postMessage(0);
    }),
  );

const sliders = () => [...document.querySelectorAll("#sliders input")];

function drag(slider, value) {
  slider.value = value;
  slider.dispatchEvent(new Event("input", { bubbles: true }));
}

async function moves(n) {
  const found = [];
  for (let k = 0; k < n; k++) found.push(await frame(() => drag(sliders()[k % 8], ((37 * (k + 1)) % 80) / 10 - 4)));
  return found;
}

// From the page's opening to the frame in which its first slider has been moved.
async function first() {
  while (!sliders().length) await new Promise(requestAnimationFrame);
  await frame(() => drag(sliders()[0], 2));
  return performance.now();
}

// A drawing's way through the page: its recipe, its expert, all that follows; and a rebuilt word's to sound.
async function strokes(n) {
  const found = [];
  const box = [...document.querySelectorAll("[data-modality=kannada] .tools select")][0];
  const fill = box.nextElementSibling;
  for (let k = 0; k < n; k++) {
    box.value = k % 10;
    box.dispatchEvent(new Event("change"));
    found.push(await frame(() => fill.click()));
  }
  return found;
}

function sounds(n) {
  const { audible, sound } = window.study;
  return Array.from({ length: n }, (_, k) => {
    const start = performance.now();
    audible(Array.from({ length: 64 }, (_, t) => Float64Array.from({ length: 13 }, (_, c) => (c ? Math.sin(t + k) * 10 : -200))), sound.mels);
    return performance.now() - start;
  });
}
