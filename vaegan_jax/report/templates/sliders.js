'use strict';

// Sliders that show how far they are from where they start.

/** A slider: a row of the page, a value, and a vector if it moves codes. */
class Slider {
  constructor(key, name, {least = -3, most = 3, start = 0, vector, note = ''}) {
    Object.assign(this, {key, name, least, most, start, vector});
    const step = (most - least) / 120 || 1;
    this.digits = Math.min(Math.max(Math.ceil(-Math.log10(step)), 0), 20);
    const id = `slider-${key}`;
    const label = document.createElement('label');
    label.htmlFor = id;
    label.append(name);
    if (note) {
      const small = document.createElement('small');
      small.append(note);
      label.append(' ', small);
    }
    this.input = Object.assign(document.createElement('input'), {
      type: 'range', id, min: least, max: most, step,
    });
    this.row = document.createElement('div');
    this.row.className = 'slider';
    this.row.append(label, document.createElement('output'), this.input);
    this.set(start);
  }

  /** Calls a function whenever the user moves the slider. */
  listen(moved) {
    const move = (value) => {
      this.set(value);
      moved();
    };
    this.input.oninput = () => move(Number(this.input.value));
    this.input.ondblclick = () => move(this.start);
    this.input.onkeydown = ({key}) => {
      if (key === 'Delete' || key === 'Backspace') move(this.start);
    };
  }

  set(value) {
    this.value = value;
    this.input.value = value;
    this.row.classList.toggle('moved', this.isMoved());
    paintSlider(this.input, this.start, this.text());
  }

  text() {
    return this.value.toFixed(this.digits);
  }

  isMoved() {
    return this.value !== this.start;
  }
}

/** Fills the track from a value to the thumb, and writes the value. */
function paintSlider(input, from, text) {
  const [least, most] = [Number(input.min), Number(input.max)];
  const share = (value) => 100 * (value - least) / (most - least);
  const [a, b] = [share(from), share(input.value)].sort((x, y) => x - y);
  input.style.setProperty('--from', `${a}%`);
  input.style.setProperty('--to', `${b}%`);
  input.parentElement.querySelector('output').textContent = text;
}
