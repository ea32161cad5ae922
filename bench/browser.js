// Times the explorer from inside its page: from an input event to the frame with the new picture in it, in milliseconds.

const image = document.querySelector("img.widget-image");
const handle = document.querySelector(".widget-slider .noUi-touch-area");
const track = document.querySelector(".widget-slider .noUi-base").getBoundingClientRect();
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

function mouse(type, part) {
  const place = { clientX: track.left + part * track.width, clientY: track.top + track.height / 2 };
  const event = new MouseEvent(type, { ...place, bubbles: true, cancelable: true, buttons: type === "mouseup" ? 0 : 1 });
  (type === "mousedown" ? handle : document.documentElement).dispatchEvent(event);
}

// When a picture has come, the next frame shows it; a message posted from that frame's callback is answered after it.
let [waiting, last] = [() => {}, 0];
image.addEventListener("load", () =>
  requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => waiting((last = performance.now()));
    channel.port2.postMessage(0);
  }),
);

async function timed(act) {
  const shown = new Promise((done) => (waiting = done));
  const start = performance.now();
  act();
  const late = sleep(10000).then(() => Promise.reject(new Error("no new picture within 10 seconds")));
  const ms = (await Promise.race([shown, late])) - start;
  await sleep(100); // for what the page does afterwards
  return ms;
}

async function moves(n) {
  const found = [];
  mouse("mousedown", 0.5);
  for (let k = 0; k < n; k++) found.push(await timed(() => mouse("mousemove", 0.1 + 0.8 * (((k + 1) * 37) % 101) / 101)));
  mouse("mouseup", 0.5);
  return found;
}

// Moves as fast as pictures come -> how many pictures' addresses were made and not let go.
async function many(n) {
  const [make, drop] = [URL.createObjectURL, URL.revokeObjectURL];
  let kept = 0;
  URL.createObjectURL = (blob) => (kept++, make.call(URL, blob));
  URL.revokeObjectURL = (address) => (kept--, drop.call(URL, address));
  mouse("mousedown", 0.5);
  for (let k = 0; k < n; k++) {
    const shown = new Promise((done) => (waiting = done));
    mouse("mousemove", 0.1 + 0.8 * (((k + 1) * 37) % 101) / 101);
    await Promise.race([shown, sleep(1000)]); // a move that ends on the same step of the slider brings no picture
  }
  mouse("mouseup", 0.5);
  [URL.createObjectURL, URL.revokeObjectURL] = [make, drop];
  return kept;
}

async function ticks(n) {
  const box = document.querySelectorAll(".widget-checkbox input")[2];
  const found = [];
  for (let k = 0; k < n; k++) found.push(await timed(() => box.click()));
  return found;
}

// 120 events a second for some seconds -> how long after the last one the last new picture was painted.
async function drag(seconds) {
  mouse("mousedown", 0.5);
  const start = performance.now();
  for (let k = 0; performance.now() < start + 1000 * seconds; k++) {
    mouse("mousemove", 0.5 + 0.4 * Math.sin(k / 20));
    await sleep(start + (1000 * (k + 1)) / 120 - performance.now());
  }
  mouse("mousemove", 0.8);
  const end = performance.now();
  mouse("mouseup", 0.8);
  await sleep(2000);
  return Math.max(0, last - end);
}

// From here on, how long after the pointer went up a picture was painted, in the panel that has the pens: a real mouse draws.
function pens() {
  const found = (window.mvaePens = []);
  let up = 0;
  document.addEventListener("pointerup", (event) => (up = event.timeStamp), true);
  [...document.querySelectorAll("img.widget-image")].at(-1).addEventListener("load", () =>
    requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => up && found.push(performance.now() - up) && (up = 0);
      channel.port2.postMessage(0);
    }),
  );
}
