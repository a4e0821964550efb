'use strict';

// The encoder and the decoder of a page, in a worker, so that sliders never
// wait: the layers, then the commands of the page.

const BORDER = 2;  // zeros around a map that is convolved

const product = (shape) => shape.reduce((a, b) => a * b, 1);
const blocks = (layer) => Math.ceil(layer.output[2] / BLOCK);
const border = (layer) => (layer.size > 1 ? BORDER : 0);
const padded = (layer) => layer.input[2] *
  (layer.input[0] + 2 * border(layer)) * (layer.input[1] + 2 * border(layer));

/**
 * Returns the taps of a kernel along one axis, in the order of the input, and
 * where the first of them lies beside the input pixel of an output pixel.
 *
 * A layer that goes up by 2 has a phase for even and one for odd output pixels:
 * it is the transpose of y[i] = sum over k of x[2 i + k - before] w[k], so
 * x[j] = sum over k of y[(j + before - k) / 2] w[k].
 */
function axis({up, size, stride}, phase) {
  const before = (size - stride) >> 1;
  const taps = [...Array(size).keys()];
  if (!up) return {taps, start: -before};
  const meets = (k) => (phase + before - k) % stride === 0;
  const some = taps.reverse().filter(meets);
  return {taps: some, start: (phase + before - some[0]) / stride};
}

/** A network: layers with their weights in the memory of a machine. */
class Network {
  /**
   * @param layers each with `input` and `output` [height, width, channels],
   *   `size` and `stride` of the kernel, `up`, `relu`, and where its kernel,
   *   scale and shift begin. A dense layer has a kernel of size 1.
   * @param weights the kernels, in 16 bits.
   * @param numbers scales and shifts: batch normalisation and bias.
   */
  constructor(machine, layers, weights, numbers) {
    this.machine = machine;
    this.layers = layers.map((layer) => ({
      ...layer,
      bias: this.pack(blocks(layer) * BLOCK, (to) => to.set(
        numbers.subarray(layer.shift, layer.shift + layer.output[2]))),
      phases: this.phases(layer, weights, numbers),
    }));
    this.from = machine.allocate(Math.max(...layers.map(padded)));
    this.to = machine.allocate(Math.max(...layers.map((layer) =>
      layer.output[0] * layer.output[1] * blocks(layer) * BLOCK)));
  }

  pack(count, fill) {
    const address = this.machine.allocate(count);
    fill(this.machine.floats(address, count));
    return address;
  }

  phases(layer, weights, numbers) {
    const some = [...Array(layer.up ? layer.stride : 1).keys()];
    return some.flatMap((y) => some.map((x) => {
      const [rows, columns] = [axis(layer, y), axis(layer, x)];
      const terms = columns.taps.length * layer.input[2];
      const count = blocks(layer) * rows.taps.length * terms * BLOCK;
      const address = this.pack(count, (to) => {
        fold(to, layer, rows.taps, columns.taps, weights, numbers);
      });
      return {y, x, rows, columns, terms, weights: address};
    }));
  }

  /** Returns the output for an input and, if the model has one, a condition. */
  run(input, condition) {
    let x = input;
    for (const layer of this.layers) {
      if (x.length < product(layer.input)) x = join(x, condition);
      this.enter(layer, x);
      for (const phase of layer.phases) this.apply(layer, phase);
      x = this.leave(layer);
    }
    return x.slice();
  }

  /** Copies an input to the first map, with a border of zeros. */
  enter(layer, x) {
    const [height, width, channels] = layer.input;
    const edge = border(layer);
    const to = this.machine.floats(this.from, padded(layer)).fill(0);
    const row = width * channels;
    for (let y = 0; y < height; y++) {
      const start = ((y + edge) * (width + 2 * edge) + edge) * channels;
      to.set(x.subarray(y * row, (y + 1) * row), start);
    }
  }

  /** Returns the second map, without the channels that fill a block. */
  leave(layer) {
    const [height, width, channels] = layer.output;
    const pitch = blocks(layer) * BLOCK;
    const map = this.machine.floats(this.to, height * width * pitch);
    if (pitch === channels) return map;
    return Float32Array.from({length: height * width * channels}, (_, i) =>
      map[Math.floor(i / channels) * pitch + i % channels]);
  }

  /** Computes the pixels of one phase. */
  apply(layer, {y: top, x: left, rows, columns, terms, weights}) {
    const {tile1, tile4} = this.machine;
    const [height, width, channels] = layer.output;
    const [apart, stride] = layer.up ? [layer.stride, 1] : [1, layer.stride];
    const edge = border(layer);
    const pixel = layer.input[2] * FLOAT;
    const pitch = (layer.input[1] + 2 * edge) * pixel;
    const outPixel = blocks(layer) * BLOCK * FLOAT;
    const kernel = rows.taps.length * terms * BLOCK * FLOAT;
    const floor = layer.relu ? 0 : -Infinity;
    for (let block = 0; block < blocks(layer); block++) {
      const bias = layer.bias + block * BLOCK * FLOAT;
      for (let y = 0; y < height / apart; y++) {
        const from = this.from + (y * stride + rows.start + edge) * pitch +
          (columns.start + edge) * pixel;
        const to = this.to + block * BLOCK * FLOAT +
          ((y * apart + top) * width + left) * outPixel;
        for (let x = 0, n; x < width / apart; x += n) {
          n = x + 4 <= width / apart ? 4 : 1;
          (n === 4 ? tile4 : tile1)(
            from + x * stride * pixel, stride * pixel, rows.taps.length, terms,
            pitch - terms * FLOAT, weights + block * kernel, bias,
            to + x * apart * outPixel, apart * outPixel, floor);
        }
      }
    }
  }
}

/** Fills blocks of weights [rows, columns, channels, 8], scaled. */
function fold(to, layer, rows, columns, weights, numbers) {
  const [inputs, outputs] = [layer.input[2], layer.output[2]];
  // Kernels are [size, size, channels of the large map, of the small map].
  const [inStep, outStep] = layer.up ? [1, inputs] : [outputs, 1];
  let i = 0;
  for (let first = 0; first < outputs; first += BLOCK) {
    for (const row of rows) for (const column of columns) {
      const start = layer.kernel +
        (row * layer.size + column) * inputs * outputs;
      for (let input = 0; input < inputs; input++, i += BLOCK) {
        for (let c = 0; c < BLOCK && first + c < outputs; c++) {
          const at = start + input * inStep + (first + c) * outStep;
          to[i + c] = HALF[weights[at]] * numbers[layer.scale + first + c];
        }
      }
    }
  }
}

function join(x, condition) {
  const joined = new Float32Array(x.length + condition.length);
  joined.set(x);
  joined.set(condition, x.length);
  return joined;
}

// The value of each pattern of 16 bits.
const HALF = Float32Array.from({length: 65536}, (_, bits) => {
  const [exponent, fraction] = [bits >> 10 & 31, bits & 1023];
  const size = exponent
    ? (1 + fraction / 1024) * 2 ** (exponent - 15)
    : fraction * 2 ** -24;
  return bits >> 15 ? -size : size;
});

// -------------------------------------------------------------- the commands

const networks = {};

const commands = {
  load({layers, weights, numbers}) {
    const machine = new Machine();
    const halves = new Uint16Array(weights);
    const floats = new Float32Array(numbers);
    for (const name of Object.keys(layers)) {
      networks[name] = new Network(machine, layers[name], halves, floats);
    }
  },

  /** Returns the mean code of pixels. */
  encode({pixels, condition}) {
    const images = Float32Array.from(pixels, (level) => level / 127.5 - 1);
    return finite(networks.encoder.run(images, condition));
  },

  /** Returns the pixels of a code. */
  decode({code, condition}) {
    const images = finite(networks.decoder.run(code, condition));
    return Uint8ClampedArray.from(images, (value) =>
      Math.round((Math.tanh(value) + 1) * 127.5));
  },
};

const OLD_BROWSER = 'This browser has no WebAssembly with SIMD: take one of ' +
  '2023 or later.';

function finite(values) {
  if (values.every(Number.isFinite)) return values;
  throw new Error('A network computes a NaN or infinity: move sliders back.');
}

self.onmessage = ({data: {command, ...given}}) => {
  try {
    self.postMessage({result: commands[command](given)});
  } catch (error) {
    const old = error instanceof WebAssembly.CompileError;
    self.postMessage({error: old ? OLD_BROWSER : error.message});
  }
};
