// A line over the last minutes, a value a second.

import { colour } from "./colour.js";

const KEPT = 300; // seconds

export class Chart {
  // most is the top of the scale at least; format writes a value.
  constructor(canvas, tone, most, format) {
    Object.assign(this, { canvas, tone, most, format, values: [] });
    this.pen = canvas.getContext("2d");
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  // add takes the value of a second; null for none.
  add(value) {
    this.values.push(value);
    if (this.values.length > KEPT) this.values.shift();
    this.draw();
  }

  clear() {
    this.values = [];
    this.draw();
  }

  draw() {
    const { canvas, pen, values } = this;
    const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width) return;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    const top = Math.max(this.most, ...values.map((v) => v ?? 0));
    const left = 40, right = width - 4, ceiling = 8, floor = height - 20;
    const x = (i) => right - ((values.length - 1 - i) * (right - left)) / (KEPT - 1);
    const y = (v) => floor - (v / top) * (floor - ceiling);
    pen.font = "10px system-ui, sans-serif";
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    for (const part of [0, 0.5, 1]) {
      pen.strokeStyle = colour("--line").css;
      pen.beginPath();
      pen.moveTo(left, Math.round(y(part * top)) + 0.5);
      pen.lineTo(right, Math.round(y(part * top)) + 0.5);
      pen.stroke();
      pen.fillStyle = colour("--quiet").css;
      pen.fillText(this.format(part * top), left - 6, y(part * top));
    }
    for (const [minutes, align] of [[5, "left"], [2.5, "center"], [0, "right"]]) {
      pen.textAlign = align;
      const text = minutes ? `${minutes} min ago` : "now";
      pen.fillText(text, right - (minutes / 5) * (right - left), height - 6);
    }
    // One line for each stretch of values without a hole.
    const tone = colour(this.tone).css;
    for (let i = 0; i < values.length; ) {
      let end = i;
      while (end < values.length && values[end] !== null) end++;
      if (end > i) this.stretch(i, end, x, y, floor, tone);
      i = end + 1;
    }
  }

  stretch(from, to, x, y, floor, tone) {
    const { pen, values } = this;
    const line = () => {
      pen.beginPath();
      for (let i = from; i < to; i++) pen.lineTo(x(i), y(values[i]));
    };
    pen.fillStyle = tone;
    pen.globalAlpha = 0.14;
    line();
    pen.lineTo(x(to - 1), floor);
    pen.lineTo(x(from), floor);
    pen.fill();
    pen.globalAlpha = 1;
    pen.strokeStyle = tone;
    pen.lineWidth = 1.75;
    pen.lineJoin = "round";
    line();
    pen.stroke();
    pen.beginPath();
    pen.arc(x(to - 1), y(values[to - 1]), 2.2, 0, 7);
    pen.fill();
    pen.lineWidth = 1;
  }
}
