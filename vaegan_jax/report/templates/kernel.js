'use strict';

// The inner loops of all layers: two functions in WebAssembly, for 4
// neighbouring pixels of an output row and for 1, each for 8 channels:
//
//   out[p][c] = max(floor, bias[c] + sum over r, k of
//                          x[r * pitch + p * step + k] * weights[r, k][c])
//
// Channels are the last axis, so the terms k under one row r of a convolution
// kernel lie side by side, and no patches are copied. The functions take the
// distance from the end of one row of terms to the next, `jump`. Distances and
// addresses are bytes.

const BLOCK = 8;
const FLOAT = 4;
const TILES = [1, 4];

/** Returns the module: it imports a memory and exports tile1 and tile4. */
function assemble() {
  const [i32, f32, v128] = [0x7f, 0x7d, 0x7b];
  const unsigned = (n) =>
    (n < 128 ? [n] : [n % 128 + 128, ...unsigned(n >> 7)]);
  const sized = (bytes) => [...unsigned(bytes.length), ...bytes];
  const list = (items) => [...unsigned(items.length), ...items.flat()];
  const text = (string) => sized([...new TextEncoder().encode(string)]);
  const section = (id, items) => [id, ...sized(list(items))];
  const code = (pixels) => sized([
    ...list([[1 + pixels, i32], [2 * pixels + 3, v128]]), ...tile(pixels),
  ]);
  return new Uint8Array([
    0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(1, [[0x60, ...list([...Array(9).fill(i32), f32]), 0]]),
    ...section(2, [[...text('page'), ...text('memory'), 2, 0, 1]]),
    ...section(3, TILES.map(() => [0])),
    ...section(7, TILES.map((n, i) => [...text(`tile${n}`), 0, i])),
    ...section(10, TILES.map(code)),
  ]);
}

/** Returns the instructions for some neighbouring pixels. */
function tile(pixels) {
  const [x, step, rows, terms, jump, weights, bias, out, outStep, floor, k] =
    Array(11).keys();
  const at = (p) => 11 + p;
  const sum = (p, half) => 11 + pixels + 2 * p + half;
  const [low, high, value] = [0, 1, 2].map((i) => 11 + 3 * pixels + i);
  const each = (f) => Array.from({length: pixels}, (_, p) => f(p));

  const get = (i) => [0x20, i];
  const set = (i) => [0x21, i];
  const constant = (n) => [0x41, n];
  const plus = 0x6a;
  const move = (i, distance) => [get(i), distance, plus, set(i)];
  const load = (offset) => [0xfd, 0x00, 0, offset];
  const loadSpread = [0xfd, 0x09, 2, 0];
  const store = (offset) => [0xfd, 0x0b, 0, offset];
  const [add, multiply, max] = [0xe4, 0xe6, 0xe9].map((n) => [0xfd, n, 1]);
  const spread = [0xfd, 0x13];
  const repeat = (counter, body) => [
    0x03, 0x40, body, get(counter), constant(1), 0x6b, 0x22, counter, 0x0d, 0,
    0x0b,
  ];

  const accumulate = (p) => [
    get(at(p)), loadSpread, set(value),
    [low, high].map((w, half) => [
      get(sum(p, half)), get(value), get(w), multiply, add, set(sum(p, half)),
    ]),
    move(at(p), constant(FLOAT)),
  ];
  const term = [
    get(weights), load(0), set(low), get(weights), load(16), set(high),
    each(accumulate),
    move(weights, constant(BLOCK * FLOAT)),
  ];
  const row = [
    get(terms), set(k), repeat(k, term),
    each((p) => move(at(p), get(jump))),
  ];
  return [
    each((p) => [
      p ? [get(at(p - 1)), get(step), plus] : get(x), set(at(p)),
      [0, 1].map((half) => [get(bias), load(16 * half), set(sum(p, half))]),
    ]),
    repeat(rows, row),
    each((p) => [
      [0, 1].map((half) => [
        get(out), get(sum(p, half)), get(floor), spread, max, store(16 * half),
      ]),
      move(out, get(outStep)),
    ]),
    0x0b,
  ].flat(Infinity);
}

/** A memory that grows, and the kernel that works in it. */
class Machine {
  constructor() {
    this.memory = new WebAssembly.Memory({initial: 1});
    this.top = 0;
    const module = new WebAssembly.Module(assemble());
    const page = {memory: this.memory};
    const {tile1, tile4} = new WebAssembly.Instance(module, {page}).exports;
    Object.assign(this, {tile1, tile4});
  }

  /** Returns the address of new, zero floats. */
  allocate(count) {
    const address = this.top;
    this.top += Math.ceil(count / BLOCK) * BLOCK * FLOAT;
    const missing = this.top - this.memory.buffer.byteLength;
    if (missing > 0) this.memory.grow(Math.ceil(missing / 65536));
    return address;
  }

  /** Returns floats at an address: a view, until the next `allocate`. */
  floats(address, count) {
    return new Float32Array(this.memory.buffer, address, count);
  }
}
