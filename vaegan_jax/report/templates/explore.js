'use strict';

// The page: what it shows, what the user does, and the link. The picture is
// that of the code
//   (1 - way) * code of `from` + way * code of `to` + sum of slider * vector.

const ENDS = ['from', 'to'];
const state = {from: null, to: null, way: 0, filled: 'from'};
const turns = {from: 0, to: 0};
const sliders = [];
const conditions = [];  // those of the sliders that the networks take as inputs

const conditionNow = () => Float32Array.from(conditions, (s) => s.value);
const percent = (share) => `${Math.round(100 * share)} %`;

function fail(error) {
  $('problem').textContent = error.message;
  $('problem').hidden = false;
}

// -------------------------------------------------------------- what it shows

function code() {
  const {from, to} = state;
  const way = to ? state.way : 0;
  const sum = from.code.map((x, i) => x + way * ((to ?? from).code[i] - x));
  for (const {vector, value} of sliders) {
    if (vector && value) shift(sum, value, vector);
  }
  return sum;
}

/** Draws pictures as fast as they come, and always the last state. */
async function draw() {
  draw.stale = true;
  if (draw.busy) return;
  draw.busy = true;
  try {
    while (draw.stale) {
      draw.stale = false;
      const start = performance.now();
      paint($('picture'), await decode(code(), conditionNow()));
      const spent = performance.now() - start;
      $('pace').textContent = `${spent.toFixed(0)} ms a picture`;
    }
  } catch (error) {
    fail(error);
  } finally {
    draw.busy = false;
  }
}

/** Paints pixels one to one; the style enlarges the canvas. */
function paint(canvas, pixels) {
  const image = new ImageData(WIDTH, HEIGHT);
  for (let i = 0; i < HEIGHT * WIDTH; i++) {
    for (let c = 0; c < 3; c++) {
      image.data[4 * i + c] = pixels[CHANNELS * i + Math.min(c, CHANNELS - 1)];
    }
    image.data[4 * i + 3] = 255;
  }
  Object.assign(canvas, {width: WIDTH, height: HEIGHT});
  canvas.getContext('2d').putImageData(image, 0, 0);
}

function show() {
  $('problem').hidden = true;
  draw();
  for (const end of ENDS) showEnd(end);
  $('way-row').hidden = !state.to;
  $('way').value = state.way;
  paintSlider($('way'), 0, percent(state.way));
  const {index} = state[state.filled] ?? {};
  [...$('gallery').children].forEach((button, i) => {
    button.setAttribute('aria-pressed', i === index);
  });
  $('picture').setAttribute('aria-label', describe());
  remember();
}

function showEnd(end) {
  const [card, start] = [$(end), state[end]];
  const filled = state.filled === end;
  card.querySelector('input').checked = filled;
  card.querySelector('.name').textContent = start
    ? nameOf(start) : filled ? 'Choose one below' : 'None';
  card.classList.toggle('empty', !start);
  if (start) paint(card.querySelector('canvas'), start.pixels);
  if (end === 'to') $('clear').hidden = !start;
}

function describe() {
  const {from, to, way} = state;
  const between = `${percent(way)} of the way from ${nameOf(from)} to `;
  const moved = sliders.filter((slider) => slider.isMoved());
  return [
    to ? between + nameOf(to) : nameOf(from),
    ...moved.map((slider) => `${slider.name} ${slider.text()}`),
  ].join(', ');
}

// ------------------------------------------------------------------- the link

function link() {
  const {from, to, way} = state;
  const fields = new URLSearchParams({from: toText(from)});
  if (to) {
    fields.set('to', toText(to));
    fields.set('way', way);
  }
  for (const slider of sliders) {
    const given = conditions.includes(slider);
    if (given || slider.isMoved()) fields.set(slider.key, slider.value);
  }
  return `#${fields}`;
}

/** Keeps the link in the address bar; browsers allow few changes a second. */
function remember() {
  clearTimeout(remember.timer);
  const keep = () => history.replaceState(null, '', link());
  remember.timer = setTimeout(keep, 200);
}

/** Shows what the address says, else the first start. */
async function restore() {
  const fields = new URLSearchParams(location.hash.slice(1));
  const first = heldOut.count
    ? {kind: 'image', index: 0} : {kind: 'sample', seed: 1};
  let [from, to, problem] = [first, null, null];
  try {
    if (fields.has('from')) from = fromText(fields.get('from'));
    if (fields.has('to')) to = fromText(fields.get('to'));
  } catch (error) {
    problem = error;
  }
  adopt(from);
  for (const slider of sliders) {
    const {key, start, least, most} = slider;
    slider.set(limited(fields.get(key), start, least, most));
  }
  await place('from', from);
  state.to = null;
  if (to) await place('to', to);
  state.way = to ? limited(fields.get('way'), 0.5, 0, 1) : 0;
  show();
  if (problem) fail(problem);
}

/** Returns a number of a link within limits. */
function limited(text, otherwise, least, most) {
  const value = text ? Number(text) : NaN;
  if (!Number.isFinite(value)) return otherwise;
  return Math.min(Math.max(value, least), most);
}

// ---------------------------------------------------------- what the user does

/** Puts a start at one end, unless another one has come in the meantime. */
async function place(end, start) {
  const turn = turns[end] += 1;
  const begun = await begin(start, conditionNow());
  if (turn === turns[end]) state[end] = begun;
}

/** Sets the conditions to those of a held-out image. */
function adopt(start) {
  if (start.kind !== 'image') return;
  conditionOf(start.index).forEach((value, i) => {
    conditions[i].start = value;
    conditions[i].set(value);
  });
}

async function take(start) {
  const end = state.filled;
  try {
    if (end === 'from') adopt(start);
    await place(end, start);
    if (end === 'to' && !state.way) state.way = 0.5;
    show();
  } catch (error) {
    fail(error);
  }
}

async function takePicture(file) {
  try {
    const pixels = await crop(file, model.shape);
    if (!pixels) return;
    const code = await encode(pixels, conditionNow());
    await take({kind: 'code', pixels, code});
  } catch (error) {
    fail(error);
  }
}

function reset() {
  for (const slider of sliders) slider.set(slider.start);
  if (state.to) state.way = 0.5;
  show();
}

function clear() {
  turns.to += 1;
  Object.assign(state, {to: null, way: 0, filled: 'from'});
  show();
}

function download() {
  $('picture').toBlob((blob) => {
    const href = URL.createObjectURL(blob);
    const a = Object.assign(document.createElement('a'), {href});
    a.download = 'explore.png';
    a.click();
    setTimeout(() => URL.revokeObjectURL(href), 1000);
  });
}

async function copyLink() {
  const address = new URL(link(), location.href).href;
  try {
    await navigator.clipboard.writeText(address);
    $('status').textContent = 'Link copied.';
    setTimeout(() => $('status').textContent = '', 3000);
  } catch {  // not allowed
    prompt('The link of this picture:', address);
  }
}

// ------------------------------------------------------------------ the start

function fillSliders() {
  const add = (id, some) => {
    $(id).hidden = !some.length;
    $(id).querySelector('.sliders').append(...some.map((s) => s.row));
    sliders.push(...some);
  };
  const plain = (name) => name.replaceAll('_', ' ');
  conditions.push(...model.conditions.map(({name, least, most}) =>
    new Slider(`c.${name}`, plain(name), {
      least, most, start: Math.max(least, 0),
    })));
  add('conditions', conditions);
  add('attributes', model.vectors.map(({name, at}) =>
    new Slider(`a.${name}`, plain(name), {vector: vector(at)})));
  add('directions', (model.prior?.shares ?? []).map((share, i) =>
    new Slider(`d.${i + 1}`, `Direction ${i + 1}`, {
      vector: axisOf(i), note: `${(100 * share).toFixed(1)} %`,
    })));
}

function fillGallery() {
  for (let index = 0; index < heldOut.count; index++) {
    const button = document.createElement('button');
    button.type = 'button';
    button.setAttribute('aria-label', `Held-out image ${index + 1}`);
    button.append(document.createElement('canvas'));
    paint(button.firstChild, pixelsOf(index));
    button.onclick = () => take({kind: 'image', index});
    $('gallery').append(button);
  }
}

function listen() {
  for (const slider of sliders) slider.listen(show);
  for (const end of ENDS) {
    $(end).querySelector('input').onchange = () => {
      state.filled = end;
      show();
    };
  }
  $('way').oninput = () => {
    state.way = Number($('way').value);
    show();
  };
  $('sample').onclick = () =>
    take({kind: 'sample', seed: Math.floor(Math.random() * 1e5)});
  const clicks = {reset, clear, download, link: copyLink};
  for (const id in clicks) $(id).onclick = clicks[id];
  addEventListener('hashchange', () => restore().catch(fail));
  if (model.layers.encoder) listenForPictures();
}

function listenForPictures() {
  const file = $('file');
  $('choose').onclick = () => file.click();
  file.onchange = () => {
    if (file.files.length) takePicture(file.files[0]);
    file.value = '';
  };
  addEventListener('dragover', (event) => event.preventDefault());
  addEventListener('drop', (event) => {
    event.preventDefault();
    const [dropped] = event.dataTransfer.files;
    if (dropped && !$('crop').open) takePicture(dropped);
  });
}

// Where there is room, pixels are enlarged by a whole number.
const times = Math.max(1, Math.floor(400 / Math.max(WIDTH, HEIGHT)));
document.body.style.setProperty('--picture', `${times * WIDTH}px`);
document.body.style.setProperty('--shape', `${WIDTH} / ${HEIGHT}`);
fillSliders();
fillGallery();
listen();
load().then(restore).catch(fail);
