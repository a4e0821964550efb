'use strict';

// The Explore page: starting points, sliders, the picture, the link. The
// networks are computed in a worker (networks.js).
//
// The code of the picture is
//   (1 - way) * code of `from` + way * code of `to` + sum of slider * vector,
// and where it starts is one of
//   {kind: 'image', index}, {kind: 'sample', seed}, {kind: 'code', code}.

const $ = (id) => document.getElementById(id);
const model = JSON.parse($('model').textContent);
const [HEIGHT, WIDTH, CHANNELS] = model.shape;
const SIZE = HEIGHT * WIDTH * CHANNELS;
const numbers = new Float32Array(bytes(model.numbers));
const shown = model.images ?? {count: 0, pixels: ''};
const images = new Uint8Array(bytes(shown.pixels));
const row = (start, count = model.latent) => numbers.subarray(start, start + count);

const state = {from: null, to: null, way: 0, filled: 'from'};
const turns = {from: 0, to: 0};
const sliders = new Map();  // key of a link -> slider
const conditions = [];  // the sliders that the networks take as inputs

function bytes(base64) {
  return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)).buffer;
}

// ------------------------------------------------------------ the worker

const source = new Blob([$('networks').textContent], {type: 'text/javascript'});
const worker = new Worker(URL.createObjectURL(source));
const waiting = new Map();

worker.onmessage = ({data: {id, result, error}}) => {
  const {resolve, reject} = waiting.get(id);
  waiting.delete(id);
  if (error) reject(new Error(error)); else resolve(result);
};
worker.onerror = (event) => fail(new Error(event.message));

function ask(command, given, transfer = []) {
  return new Promise((resolve, reject) => {
    const id = ask.count = (ask.count ?? 0) + 1;
    waiting.set(id, {resolve, reject});
    worker.postMessage({id, command, ...given}, transfer);
  });
}

const encode = (pixels, condition = conditionNow()) =>
  ask('encode', {pixels, condition});
const decode = (code, condition = conditionNow()) =>
  ask('decode', {code, condition});

function fail(error) {
  $('problem').textContent = error.message;
  $('problem').hidden = false;
}

// ------------------------------------------------------- starting points

/** Returns n standard normal numbers, always the same for a seed. */
function normals(seed, n) {
  let state = seed >>> 0;
  const uniform = () => {  // mulberry32
    state = state + 0x6d2b79f5 >>> 0;
    let t = Math.imul(state ^ state >>> 15, state | 1);
    t ^= t + Math.imul(t ^ t >>> 7, t | 61);
    return ((t ^ t >>> 14) >>> 0) / 2 ** 32;
  };
  return Float32Array.from({length: n}, () => Math.cos(2 * Math.PI * uniform()) *
    Math.sqrt(-2 * Math.log(1 - uniform())));
}

/** Returns a code of the fitted prior, or of N(0, I) if there is none. */
function sampleCode(seed) {
  const draws = normals(seed, model.latent);
  if (!model.prior) return draws;
  const code = Float32Array.from(row(model.prior.mean));
  draws.forEach((draw, i) => shift(code, draw, row(axisAt(i))));
  return code;
}

const axisAt = (i) => model.prior.axes + i * model.latent;

function shift(code, multiple, vector) {
  for (let i = 0; i < code.length; i++) code[i] += multiple * vector[i];
}

const pixelsOf = (index) => images.slice(index * SIZE, (index + 1) * SIZE);

const conditionOf = (index) => Float32Array.from(row(
  shown.conditions + index * conditions.length, conditions.length));

const conditionNow = () => Float32Array.from(conditions, (s) => s.value);

/** Returns a starting point with its code and, if there is one, its original. */
async function begin(start) {
  if (start.kind === 'sample') return {...start, code: sampleCode(start.seed)};
  if (start.kind === 'code') return start;
  const pixels = pixelsOf(start.index);
  return {...start, pixels, code: await encode(pixels, conditionOf(start.index))};
}

const nameOf = (start) => ({
  image: () => `Held-out image ${start.index + 1}`,
  sample: () => `Sample ${start.seed}`,
  code: () => (start.pixels ? 'Your picture' : 'A code from a link'),
})[start.kind]();

/** Takes a starting point for one end, and shows it. */
async function take(end, start) {
  const turn = turns[end] = turns[end] + 1;
  const begun = await begin(start);
  if (turn !== turns[end]) return;  // another one was taken in the meantime
  state[end] = begun;
  if (end === 'from' && start.kind === 'image') {
    conditionOf(start.index).forEach((value, i) => conditions[i].start = value);
    conditions.forEach((slider) => slider.set(slider.start, false));
  }
  if (end === 'to' && !state.way) setWay(0.5);
  show();
}

function setWay(way) {
  state.way = way;
  $('way').value = way;
  paintSlider($('way'), 0, percent(way));
}

const percent = (share) => `${Math.round(100 * share)} %`;

// --------------------------------------------------------- the picture

function code() {
  const {from, to} = state;
  const way = to ? state.way : 0;
  const sum = from.code.map((x, i) => x + way * ((to ?? from).code[i] - x));
  for (const slider of sliders.values()) {
    if (slider.vector && slider.value) shift(sum, slider.value, slider.vector);
  }
  return sum;
}

let busy = false, stale = false;

/** Draws the picture of the sliders as they are when the last one is done. */
async function draw() {
  if (!state.from) return;
  stale = true;
  if (busy) return;
  busy = true;
  try {
    while (stale) {
      stale = false;
      const start = performance.now();
      paint($('picture'), await decode(code()));
      const spent = performance.now() - start;
      $('status').textContent = `${spent.toFixed(0)} ms a picture`;
      $('problem').hidden = true;
    }
  } catch (error) {
    fail(error);
  } finally {
    busy = false;
  }
}

/** Paints pixels one to one; the style enlarges the canvas. */
function paint(canvas, pixels) {
  canvas.width = WIDTH;
  canvas.height = HEIGHT;
  const to = new ImageData(WIDTH, HEIGHT);
  for (let i = 0; i < HEIGHT * WIDTH; i++) {
    for (let c = 0; c < 3; c++) {
      to.data[4 * i + c] = pixels[CHANNELS * i + (CHANNELS === 3 ? c : 0)];
    }
    to.data[4 * i + 3] = 255;
  }
  canvas.getContext('2d').putImageData(to, 0, 0);
}

/** Shows the state everywhere: picture, ends, gallery, link. */
function show() {
  draw();
  for (const end of ['from', 'to']) showEnd(end, state[end]);
  $('way-row').hidden = !state.to;
  for (const button of $('gallery').children) {
    const chosen = state[state.filled];
    const pressed = chosen?.kind === 'image' && chosen.index === +button.dataset.index;
    button.setAttribute('aria-pressed', pressed);
  }
  $('picture').setAttribute('aria-label', describe());
  remember();
}

function describe() {
  const {from, to, way} = state;
  const start = to
    ? `${percent(way)} of the way from ${nameOf(from)} to ${nameOf(to)}`
    : nameOf(from);
  const moved = [...sliders.values()].filter((s) => s.value !== s.start)
    .map((s) => `${s.name} ${s.value.toFixed(2)}`);
  return [start, ...moved].join(', ');
}

function showEnd(end, start) {
  const card = $(`${end}-card`);
  card.querySelector('.name').textContent = start ? nameOf(start) : 'None yet';
  card.classList.toggle('empty', !start);
  card.querySelector('input').checked = state.filled === end;
  const clear = card.querySelector('button');
  if (clear) clear.hidden = !start;
  const canvas = card.querySelector('canvas');
  if (!start) return;
  if (start.pixels) paint(canvas, start.pixels);
  else decode(start.code).then((pixels) => paint(canvas, pixels), fail);
}

// --------------------------------------------------------------- sliders

/** A slider: its value, its vector if it has one, and its row in the page. */
class Slider {
  constructor(key, name, {least = -3, most = 3, start = 0, vector, note = ''}) {
    Object.assign(this, {key, name, least, most, start, vector, value: start});
    const id = `slider-${key}`;
    this.row = document.createElement('div');
    this.row.className = 'slider';
    const label = Object.assign(document.createElement('label'), {htmlFor: id});
    label.append(name);
    if (note) {
      const small = Object.assign(document.createElement('small'), {textContent: note});
      label.append(' ', small);
    }
    this.input = Object.assign(document.createElement('input'), {
      type: 'range', id, min: least, max: most, step: 0.05, value: start,
    });
    this.row.append(label, document.createElement('output'), this.input);
    this.input.oninput = () => this.set(Number(this.input.value));
    this.input.ondblclick = () => this.set(this.start);
    this.input.onkeydown = (event) => {
      if (event.key === 'Delete' || event.key === 'Backspace') this.set(this.start);
    };
    this.set(start, false);
    sliders.set(key, this);
  }

  set(value, shows = true) {
    this.value = value;
    this.input.value = value;
    this.row.classList.toggle('moved', value !== this.start);
    paintSlider(this.input, this.start, value.toFixed(2));
    if (shows) show();
  }
}

/** Fills the track from a value to the thumb, and writes the value. */
function paintSlider(input, from, text) {
  const share = (x) => 100 * (x - input.min) / (input.max - input.min);
  const [a, b] = [share(from), share(input.value)].sort((x, y) => x - y);
  input.style.setProperty('--from', `${a}%`);
  input.style.setProperty('--to', `${b}%`);
  input.parentElement.querySelector('output').textContent = text;
}

function fillSliders() {
  const add = (id, some) => {
    if (some.length) $(id).hidden = false;
    $(id).querySelector('.sliders').append(...some.map((slider) => slider.row));
  };
  const plain = (name) => name.replaceAll('_', ' ');
  conditions.push(...model.conditions.map(({name, least, most}) =>
    new Slider(`c.${name}`, plain(name), {least, most, start: Math.max(least, 0)})));
  add('conditions', conditions);
  add('attributes', model.vectors.map(({name, at}) =>
    new Slider(`a.${name}`, plain(name), {vector: row(at)})));
  add('directions', (model.prior?.shares ?? []).map((share, i) =>
    new Slider(`d.${i + 1}`, `Direction ${i + 1}`, {
      vector: row(axisAt(i)), note: `${(100 * share).toFixed(1)} %`,
    })));
}

// ---------------------------------------------------------------- the link

const toText = (code) => btoa(String.fromCharCode(
  ...new Uint8Array(Float32Array.from(code).buffer)))
  .replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
const fromText = (text) => new Float32Array(
  bytes(text.replaceAll('-', '+').replaceAll('_', '/')));

const write = {
  image: (start) => `image.${start.index}`,
  sample: (start) => `sample.${start.seed}`,
  code: (start) => `code.${toText(start.code)}`,
};

/** Returns the starting point that a link names. */
function read(text) {
  const [, kind, value] = text.match(/^(image|sample|code)\.(.+)$/) ?? [];
  const whole = /^\d{1,9}$/.test(value);
  if (kind === 'image' && whole && Number(value) < shown.count) {
    return {kind, index: Number(value)};
  }
  if (kind === 'sample' && whole) return {kind, seed: Number(value)};
  if (kind === 'code' && value.length % 4 !== 1 && /^[\w-]+$/.test(value)) {
    const code = fromText(value);
    if (code.length === model.latent && code.every(Number.isFinite)) {
      return {kind, code};
    }
  }
  throw new Error(`The link starts from ${text.slice(0, 40)}, which this page ` +
    'does not have: it is shown from its first starting point.');
}

function link() {
  const {from, to, way} = state;
  const fields = new URLSearchParams({from: write[from.kind](from)});
  if (to) fields.set('to', write[to.kind](to));
  if (to) fields.set('way', way);
  for (const [key, slider] of sliders) {
    const given = conditions.includes(slider);
    if (given || slider.value !== slider.start) fields.set(key, slider.value);
  }
  return `#${fields}`;
}

/** Keeps the link in the address bar; browsers allow few changes a second. */
function remember() {
  clearTimeout(remember.timer);
  remember.timer = setTimeout(() => history.replaceState(null, '', link()), 200);
}

/** Restores what the address says, else the first starting point. */
async function restore() {
  const fields = new URLSearchParams(location.hash.slice(1));
  let starts = {};
  let problem;
  try {
    for (const end of ['from', 'to']) {
      if (fields.has(end)) starts[end] = read(fields.get(end));
    }
  } catch (error) {
    [starts, problem] = [{}, error];
  }
  const first = shown.count
    ? {kind: 'image', index: 0} : {kind: 'sample', seed: 1};
  setWay(number(fields.get('way'), 0, 0, 1));
  state.to = null;
  await take('from', starts.from ?? first);
  if (starts.to) await take('to', starts.to);
  if (fields.has('way')) setWay(number(fields.get('way'), 0, 0, 1));
  for (const [key, slider] of sliders) {
    slider.set(number(fields.get(key), slider.start, slider.least, slider.most), false);
  }
  show();
  if (problem) fail(problem);
}

function number(text, otherwise, least, most) {
  const value = text === null || text === '' ? NaN : Number(text);
  return Number.isFinite(value) ? Math.min(Math.max(value, least), most) : otherwise;
}

// --------------------------------------------------------------- the page

function fillEnds() {
  for (const [end, title] of [['from', 'From'], ['to', 'To']]) {
    const card = document.createElement('label');
    card.className = 'card';
    card.id = `${end}-card`;
    card.innerHTML = `<input type="radio" name="end" value="${end}">
      <canvas aria-hidden="true"></canvas>
      <span><b>${title}</b> <span class="name"></span></span>`;
    card.querySelector('input').onchange = () => {
      state.filled = end;
      show();
    };
    if (end === 'to') card.append(clearButton());
    $('ends').append(card);
  }
}

function clearButton() {
  const clear = Object.assign(document.createElement('button'), {
    type: 'button', textContent: 'Clear', hidden: true,
  });
  clear.onclick = (event) => {
    event.preventDefault();
    Object.assign(state, {to: null, filled: 'from'});
    turns.to++;
    setWay(0);
    show();
  };
  return clear;
}

function fillGallery() {
  for (let index = 0; index < shown.count; index++) {
    const button = Object.assign(document.createElement('button'), {
      type: 'button', ariaLabel: `Held-out image ${index + 1}`,
    });
    button.dataset.index = index;
    button.append(document.createElement('canvas'));
    paint(button.firstChild, pixelsOf(index));
    button.onclick = () => take(state.filled, {kind: 'image', index}).catch(fail);
    $('gallery').append(button);
  }
}

async function takePicture(file) {
  const end = state.filled;
  const pixels = await crop(file, model.shape);
  if (!pixels) return;
  await take(end, {kind: 'code', pixels, code: await encode(pixels)});
}

function listen() {
  $('way').oninput = () => {
    setWay(Number($('way').value));
    show();
  };
  $('sample').onclick = () => take(state.filled, {
    kind: 'sample', seed: Math.floor(Math.random() * 1e5),
  }).catch(fail);
  $('reset').onclick = () => {
    for (const slider of sliders.values()) slider.set(slider.start, false);
    if (state.to) setWay(0.5);
    show();
  };
  $('download').onclick = () => $('picture').toBlob((blob) => {
    const url = URL.createObjectURL(blob);
    Object.assign(document.createElement('a'), {
      href: url, download: 'explore.png',
    }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  });
  $('link').onclick = async () => {
    const address = new URL(link(), location.href).href;
    try {
      await navigator.clipboard.writeText(address);
      $('status').textContent = 'The link is copied.';
    } catch {
      prompt('The link of this picture:', address);
    }
  };
  addEventListener('hashchange', () => restore().catch(fail));
  if (model.layers.encoder) listenForPictures();
}

function listenForPictures() {
  const file = $('file');
  $('choose').onclick = () => file.click();
  file.onchange = () => {
    if (file.files.length) takePicture(file.files[0]).catch(fail);
    file.value = '';
  };
  addEventListener('dragover', (event) => event.preventDefault());
  addEventListener('drop', (event) => {
    event.preventDefault();
    const [dropped] = event.dataTransfer.files;
    if (dropped && !$('crop').open) takePicture(dropped).catch(fail);
  });
  $('zoom').addEventListener('shown', () => {
    const zoom = $('zoom');
    paintSlider(zoom, zoom.min, `${Number(zoom.value).toFixed(1)}×`);
  });
}

async function start() {
  const [weights, floats] = [model.weights, model.numbers].map(bytes);
  await ask('load', {layers: model.layers, weights, numbers: floats}, [weights, floats]);
  await restore();
}

$('picture').style.aspectRatio = `${WIDTH} / ${HEIGHT}`;
document.documentElement.style.setProperty('--shape', `${WIDTH} / ${HEIGHT}`);
fillSliders();
fillEnds();
fillGallery();
listen();
start().catch(fail);
