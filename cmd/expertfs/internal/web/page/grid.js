// The grid of all experts, drawn on a canvas: a cell for each. Its hue tells where
// the expert is, its strength how hot it is, and it flashes when it is used.

import { colour } from "./colour.js";

const FADE = 450; // ms that a flash takes to fade
const LEVELS = 12; // of heat

export class Grid {
  // words(i) is what the tip says of an expert; turned(across) is called when it
  // is decided which way the layers run.
  constructor(box, tip, words, turned) {
    this.box = box;
    this.canvas = box.querySelector("canvas");
    this.pen = this.canvas.getContext("2d");
    this.tip = tip;
    this.words = words;
    this.turned = turned;
    this.flashes = new Map(); // cell -> time of its use
    this.layers = this.experts = 0;
    new ResizeObserver(() => this.layout()).observe(box);
    box.addEventListener("pointermove", (e) => this.point(e));
    box.addEventListener("pointerdown", (e) => this.point(e));
    box.addEventListener("pointerleave", () => (this.tip.hidden = true));
  }

  // reset shows a mount anew.
  reset(layers, experts, places, uses, heat) {
    Object.assign(this, { layers, experts, heat });
    this.places = [...places];
    this.uses = uses;
    this.flashes.clear();
    this.layout();
  }

  // change takes four numbers for each expert that has changed.
  change(list) {
    const now = performance.now();
    for (let at = 0; at < list.length; at += 4) {
      const i = list[at];
      this.places[i] = String.fromCharCode(list[at + 1]);
      if (list[at + 2] > this.uses[i]) this.flashes.set(i, now);
      this.uses[i] = list[at + 2];
      this.heat[i] = list[at + 3];
      this.paint(i, now);
    }
    this.animate();
  }

  reheat(heat) {
    this.heat = heat;
    this.draw();
  }

  // layout fits the cells to the width. Where that makes them too narrow to see,
  // layers run across and experts down.
  layout() {
    if (!this.layers) return;
    const width = this.box.clientWidth, ratio = window.devicePixelRatio || 1;
    this.label = width > 500 ? 30 : 24;
    const room = width - this.label;
    this.across = room / this.experts < 5 && this.experts > this.layers;
    const columns = this.across ? this.layers : this.experts, rows = this.across ? this.experts : this.layers;
    this.w = room / columns;
    this.h = this.across ? 5 : Math.max(9, Math.min(this.w, 30, Math.max(12, (0.42 * window.innerHeight) / rows)));
    this.head = 16;
    const height = Math.ceil(rows * this.h + this.head);
    this.canvas.style.height = height + "px";
    this.canvas.width = width * ratio;
    this.canvas.height = height * ratio;
    this.pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.tones();
    this.draw();
    this.turned(this.across);
  }

  // tones computes the colours of the present theme.
  tones() {
    const card = colour("--card");
    this.ground = card.css;
    this.flash = colour("--flash").css;
    this.quiet = colour("--quiet").css;
    this.tone = {};
    const scale = (name, least, most) =>
      Array.from({ length: LEVELS }, (_, i) => card.mix(colour(name), least + ((most - least) * i) / (LEVELS - 1)));
    this.tone.r = scale("--ram", 0.32, 1);
    this.tone.d = scale("--drive", 0.1, 0.75);
    this.tone.l = scale("--load", 1, 1);
    this.tone.a = scale("--ahead", 0.8, 1);
  }

  // level is how hot an expert is, beside one of its layer that is used as often
  // as any other.
  level(i) {
    if (!this.heat[i]) return 0;
    const row = i - (i % this.experts);
    if (this.even === undefined || this.evenRow !== row) {
      let sum = 0;
      for (let e = 0; e < this.experts; e++) sum += this.heat[row + e];
      this.even = sum / this.experts;
      this.evenRow = row;
    }
    const level = LEVELS / 2 + 2 * Math.log2(this.heat[i] / this.even);
    return Math.max(0, Math.min(LEVELS - 1, Math.round(level)));
  }

  place(i) {
    const layer = Math.floor(i / this.experts), expert = i % this.experts;
    const [column, row] = this.across ? [layer, expert] : [expert, layer];
    return [this.label + column * this.w, this.head + row * this.h];
  }

  paint(i, now) {
    const [x, y] = this.place(i);
    const gap = this.w > 7 ? 1.5 : 0.75;
    const w = this.w - gap, h = this.h - gap, round = Math.min(3, w / 4);
    this.pen.fillStyle = this.ground;
    this.pen.fillRect(x, y, this.w, this.h);
    const cell = (style) => {
      this.pen.fillStyle = style;
      this.pen.beginPath();
      this.pen.roundRect(x, y, w, h, round);
      this.pen.fill();
    };
    cell((this.tone[this.places[i]] || this.tone.d)[this.level(i)]);
    const used = this.flashes.get(i);
    if (used === undefined) return;
    const age = (now - used) / FADE;
    if (age >= 1) {
      this.flashes.delete(i);
      return;
    }
    this.pen.globalAlpha = Math.min(1, 1.15 * (1 - age));
    cell(this.flash);
    this.pen.globalAlpha = 1;
  }

  draw() {
    if (!this.layers) return;
    this.even = undefined;
    const now = performance.now(), pen = this.pen;
    pen.fillStyle = this.ground;
    pen.fillRect(0, 0, this.box.clientWidth, this.canvas.height);
    for (let i = 0; i < this.places.length; i++) this.paint(i, now);
    pen.fillStyle = this.quiet;
    pen.font = "10px system-ui, sans-serif";
    const [columns, rows] = this.across ? [this.layers, this.experts] : [this.experts, this.layers];
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    const step = [1, 2, 4, 8, 16].find((s) => s * this.h >= 11) || 16;
    for (let r = 0; r < rows; r += step) pen.fillText(r, this.label - 6, this.head + (r + 0.45) * this.h);
    pen.textAlign = "center";
    const wide = [1, 2, 4, 8, 16].find((s) => s * this.w >= 22) || 32;
    for (let c = 0; c < columns; c += wide) pen.fillText(c, this.label + (c + 0.45) * this.w, 6);
  }

  animate() {
    if (this.running || !this.flashes.size) return;
    this.running = true;
    const frame = (now) => {
      for (const i of [...this.flashes.keys()]) this.paint(i, Math.max(now, this.flashes.get(i)));
      this.running = this.flashes.size > 0;
      if (this.running) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  // at is the expert below a point of the box, -1 for none.
  at(x, y) {
    const column = Math.floor((x - this.label) / this.w), row = Math.floor((y - this.head) / this.h);
    const [layer, expert] = this.across ? [column, row] : [row, column];
    if (layer < 0 || expert < 0 || layer >= this.layers || expert >= this.experts) return -1;
    return layer * this.experts + expert;
  }

  point(e) {
    const box = this.box.getBoundingClientRect();
    const i = this.layers ? this.at(e.clientX - box.left, e.clientY - box.top) : -1;
    this.tip.hidden = i < 0;
    if (i < 0) return;
    this.tip.textContent = this.words(i);
    const [x, y] = this.place(i);
    this.tip.style.left = Math.min(Math.max(0, x - 40), box.width - this.tip.offsetWidth) + "px";
    this.tip.style.top = (y > 44 ? y - 34 : y + this.h + 8) + "px";
  }
}
