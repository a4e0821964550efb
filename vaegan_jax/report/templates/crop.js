'use strict';

// A picture of the user's, cropped by hand to the shape of the model's images.

const CROP = {view: 320, step: 8, zoom: 1.1};  // CSS pixels; factor of a key

/**
 * Opens the dialog of a picture.
 *
 * @param file the picture.
 * @param shape height, width and channels of the result.
 * @returns the pixels of the crop, 0..255; null if the dialog is cancelled.
 */
async function crop(file, shape) {
  const picture = await createImageBitmap(file).catch(() => {
    throw new Error(`${file.name || 'The picture'} is no image that this ` +
      'browser reads: take a PNG or a JPEG.');
  });
  const [dialog, frame, zoom] = ['crop', 'frame', 'zoom'].map($);
  const [height, width] = shape;
  const scale = CROP.view * devicePixelRatio / Math.max(height, width);
  frame.width = Math.round(width * scale);
  frame.height = Math.round(height * scale);
  frame.style.aspectRatio = `${width} / ${height}`;
  // The centre of the crop, in pixels of the picture.
  const place = {x: picture.width / 2, y: picture.height / 2, zoom: 1};

  /** Returns the crop in pixels of the picture; it lies inside. */
  function region() {
    const least = Math.min(picture.width / width, picture.height / height);
    const [w, h] = [width, height].map((side) => side * least / place.zoom);
    place.x = Math.min(Math.max(place.x, w / 2), picture.width - w / 2);
    place.y = Math.min(Math.max(place.y, h / 2), picture.height - h / 2);
    return [place.x - w / 2, place.y - h / 2, w, h];
  }

  function drawTo(canvas) {
    const context = canvas.getContext('2d', {willReadFrequently: true});
    context.imageSmoothingQuality = 'high';
    context.fillStyle = '#fff';  // behind transparent pixels
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(picture, ...region(), 0, 0, canvas.width, canvas.height);
    return context;
  }

  function show() {
    drawTo(frame);
    zoom.value = place.zoom;
    paintSlider(zoom, 1, `${place.zoom.toFixed(1)}×`);
  }

  /** Moves the picture in its frame, in CSS pixels. */
  function move(x, y) {
    const scale = region()[2] / frame.clientWidth;
    place.x -= x * scale;
    place.y -= y * scale;
    show();
  }

  function enlarge(factor) {
    const [least, most] = [Number(zoom.min), Number(zoom.max)];
    place.zoom = Math.min(Math.max(place.zoom * factor, least), most);
    show();
  }

  const fingers = new Map();
  const apart = () => {
    const [a, b] = [...fingers.values()];
    return b && Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
  };
  frame.onpointerdown = (event) => {
    frame.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, event);
  };
  frame.onpointerup = frame.onpointercancel = (event) =>
    fingers.delete(event.pointerId);
  frame.onpointermove = (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const distance = apart();
    fingers.set(event.pointerId, event);
    if (distance) enlarge(apart() / distance);
    move((event.clientX - before.clientX) / fingers.size,
      (event.clientY - before.clientY) / fingers.size);
  };
  frame.onwheel = (event) => {
    event.preventDefault();
    enlarge(CROP.zoom ** (-event.deltaY / 100));
  };
  const keys = {
    ArrowLeft: () => move(-CROP.step, 0),
    ArrowRight: () => move(CROP.step, 0),
    ArrowUp: () => move(0, -CROP.step),
    ArrowDown: () => move(0, CROP.step),
    '+': () => enlarge(CROP.zoom),
    '=': () => enlarge(CROP.zoom),
    '-': () => enlarge(1 / CROP.zoom),
  };
  frame.onkeydown = (event) => {
    if (!(event.key in keys)) return;
    event.preventDefault();
    keys[event.key]();
  };
  zoom.oninput = () => {
    place.zoom = Number(zoom.value);
    show();
  };

  // Not a button of the form: the Enter key in a field presses its first one.
  $('cancel').onclick = () => dialog.close();
  dialog.returnValue = '';
  dialog.showModal();
  show();
  frame.focus();
  await new Promise((resolve) => {
    dialog.onclose = resolve;
  });
  if (dialog.returnValue !== 'use') return null;
  const canvas = document.createElement('canvas');
  Object.assign(canvas, {width, height});
  const {data} = drawTo(canvas).getImageData(0, 0, width, height);
  return channelsOf(data, shape[2]);
}

/** Returns the channels of RGBA pixels: 3, or 1 of luminance, as Pillow's. */
function channelsOf(rgba, channels) {
  const to = new Uint8Array(rgba.length / 4 * channels);
  for (let i = 0; i < rgba.length / 4; i++) {
    const [r, g, b] = rgba.subarray(4 * i, 4 * i + 3);
    if (channels === 3) to.set([r, g, b], 3 * i);
    else to[i] = (19595 * r + 38470 * g + 7471 * b + 32768) >> 16;
  }
  return to;
}
