'use strict';

// The model of the page, its networks in a worker, and where a picture starts:
//   {kind: 'image', index}  a held-out image
//   {kind: 'sample', seed}  a sample
//   {kind: 'code', code}    the code of a picture of the user's

const $ = (id) => document.getElementById(id);

const model = JSON.parse($('model').textContent);
const [HEIGHT, WIDTH, CHANNELS] = model.shape;
const heldOut = model.images ?? {count: 0, pixels: ''};
const numbers = new Float32Array(bytes(model.numbers));
const heldOutPixels = new Uint8Array(bytes(heldOut.pixels));

function bytes(base64) {
  return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)).buffer;
}

/** Returns some of the model's numbers: by default, as many as a code has. */
function vector(start, count = model.latent) {
  return numbers.subarray(start, start + count);
}

const axisOf = (i) => vector(model.prior.axes + i * model.latent);

// -------------------------------------------------------------- the networks

const worker = new Worker(URL.createObjectURL(
  new Blob([$('networks').textContent], {type: 'text/javascript'})));
const waiting = [];  // answers come in the order of the questions

worker.onmessage = ({data: {result, error}}) => {
  const {resolve, reject} = waiting.shift();
  if (error) reject(new Error(error)); else resolve(result);
};

worker.onerror = ({message}) => fail(new Error(message));

function ask(command, given, transfer = []) {
  return new Promise((resolve, reject) => {
    waiting.push({resolve, reject});
    worker.postMessage({command, ...given}, transfer);
  });
}

function load() {
  const [weights, floats] = [model.weights, model.numbers].map(bytes);
  const given = {layers: model.layers, weights, numbers: floats};
  return ask('load', given, [weights, floats]);
}

/** Returns the mean code of pixels, 0..255. */
const encode = (pixels, condition) => ask('encode', {pixels, condition});

/** Returns the pixels of a code, 0..255. */
const decode = (code, condition) => ask('decode', {code, condition});

// ----------------------------------------------------------- where it starts

/** Returns n standard normal numbers, always the same for a seed. */
function normals(seed, n) {
  let state = seed >>> 0;
  const uniform = () => {  // mulberry32
    state = state + 0x6d2b79f5 >>> 0;
    let t = Math.imul(state ^ state >>> 15, state | 1);
    t ^= t + Math.imul(t ^ t >>> 7, t | 61);
    return ((t ^ t >>> 14) >>> 0) / 2 ** 32;
  };
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) *
    Math.cos(2 * Math.PI * uniform());
  return Float32Array.from({length: n}, normal);
}

/** Returns a code of the fitted prior, or of N(0, I) if there is none. */
function sampleCode(seed) {
  const draws = normals(seed, model.latent);
  if (!model.prior) return draws;
  const code = vector(model.prior.mean).slice();
  draws.forEach((draw, i) => shift(code, draw, axisOf(i)));
  return code;
}

/** Adds a multiple of a vector to a code. */
function shift(code, multiple, direction) {
  for (let i = 0; i < code.length; i++) code[i] += multiple * direction[i];
}

function pixelsOf(index) {
  const size = HEIGHT * WIDTH * CHANNELS;
  return heldOutPixels.slice(index * size, (index + 1) * size);
}

/** Returns the attributes of a held-out image that the networks take. */
function conditionOf(index) {
  const count = model.conditions.length;
  return vector(heldOut.conditions + index * count, count).slice();
}

/**
 * Returns a start with its code, and with pixels to show it by: the original
 * if there is one, else what the code is decoded to.
 */
async function begin(start, condition) {
  if (start.kind === 'image') {
    const pixels = pixelsOf(start.index);
    const code = await encode(pixels, conditionOf(start.index));
    return {...start, pixels, code};
  }
  const code = start.code ?? sampleCode(start.seed);
  const pixels = start.pixels ?? await decode(code, condition);
  return {...start, pixels, code};
}

function nameOf({kind, index, seed}) {
  if (kind === 'image') return `Held-out image ${index + 1}`;
  return kind === 'sample' ? `Sample ${seed}` : 'Your picture';
}

// ------------------------------------------------------------ starts in links

function toText({kind, index, seed, code}) {
  if (kind === 'image') return `image.${index}`;
  if (kind === 'sample') return `sample.${seed}`;
  const base64 = btoa(String.fromCharCode(...new Uint8Array(code.buffer)));
  return `code.${base64.replaceAll('+', '-').replaceAll('/', '_')}`;
}

/** Returns the start that a link names. */
function fromText(text) {
  const [, kind, value] = text.match(/^(image|sample|code)\.([\w=-]+)$/) ?? [];
  const whole = /^\d{1,9}$/.test(value) ? Number(value) : NaN;
  if (kind === 'image' && whole < heldOut.count) return {kind, index: whole};
  if (kind === 'sample' && whole >= 0) return {kind, seed: whole};
  if (kind === 'code') {
    const code = codeFromText(value);
    if (code?.length === model.latent && code.every(Number.isFinite)) {
      return {kind, code};
    }
  }
  throw new Error(`The link starts from ${text.slice(0, 40)}, which this ` +
    'model does not have: the first start is shown.');
}

function codeFromText(text) {
  try {
    const base64 = text.replaceAll('-', '+').replaceAll('_', '/');
    return new Float32Array(bytes(base64));
  } catch {
    return null;  // no base64, or no whole number of floats
  }
}
