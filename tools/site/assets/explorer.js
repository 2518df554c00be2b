// Two decoders in the browser: plain JavaScript, no library, no request but for three files beside it.
// Codes u are in standard deviations from the mean code of the world.
"use strict";

const TOLERANCE = 0.05; // helpers/generation.py: valid if at most this share is left unexplained
const CELLS = 15; // the map's cells to a side
const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7"]; // as in helpers/plotting.py
const byId = (id) => document.getElementById(id);
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

// ---------------------------------------------------------------- the world (helpers/shapes.py)

const box = (dx, dy, w, h) => Math.max(Math.abs(dx) - w, Math.abs(dy) - h);
const DISTANCES = {
  square: (dx, dy, s) => box(dx, dy, (Math.sqrt(Math.PI) / 2) * s, (Math.sqrt(Math.PI) / 2) * s),
  circle: (dx, dy, s) => Math.sqrt(dx * dx + dy * dy + 1e-12) - s,
  triangle: (dx, dy, s) => Math.max(dy, (Math.sqrt(3) / 2) * Math.abs(dx) - dy / 2) - s / 2,
  cross: (dx, dy, s) => Math.min(box(dx, dy, s, s / 3), box(dx, dy, s / 3, s)),
};

class World {
  constructor(about) {
    Object.assign(this, about); // side, shapes, positions, sizes
    this.low = [this.positions[0], this.positions[0], this.sizes[0]];
    this.high = [this.positions.at(-1), this.positions.at(-1), this.sizes.at(-1)];
  }

  pixel(shape, column, row, x, y, size) {
    return clamp(0.5 - DISTANCES[this.shapes[shape]](column - x, row - y, size), 0, 1);
  }

  render(shape, x, y, size) {
    const { side } = this;
    return Float32Array.from({ length: side * side }, (_, i) =>
      this.pixel(shape, i % side, Math.floor(i / side), x, y, size));
  }

  // Every half-pixel position in every size, as in generation.py, kept as its non-black window.
  makeTemplates() {
    this.templates = this.shapes.map((_, shape) => {
      const found = [];
      for (let x = this.low[0]; x <= this.high[0]; x += 0.5)
        for (let y = this.low[1]; y <= this.high[1]; y += 0.5)
          for (const size of this.sizes) found.push(this.window(shape, x, y, size));
      return found;
    });
  }

  bounds(x, y, size) {
    const last = this.side - 1;
    return {
      left: Math.max(Math.floor(x - size - 1), 0), right: Math.min(Math.ceil(x + size + 1), last),
      top: Math.max(Math.floor(y - size - 1), 0), bottom: Math.min(Math.ceil(y + size + 1), last),
    };
  }

  window(shape, x, y, size) {
    const { left, right, top, bottom } = this.bounds(x, y, size);
    const width = right - left + 1, pixels = new Float32Array(width * (bottom - top + 1));
    let energy = 0;
    for (let i = 0; i < pixels.length; i++) {
      const row = top + Math.floor(i / width);
      pixels[i] = this.pixel(shape, left + (i % width), row, x, y, size);
      energy += pixels[i] ** 2;
    }
    return { parameters: [x, y, size], start: top * this.side + left, width, pixels, energy };
  }

  nearestTemplate(shape, image) {
    let best = null, least = Infinity;
    for (const template of this.templates[shape]) {
      const { pixels, width, start } = template;
      let product = 0, at = start;
      for (let i = 0; i < pixels.length; at += this.side)
        for (let j = 0; j < width; j++, i++) product += pixels[i] * image[at + j];
      const score = template.energy / 2 - product;
      if (score < least) [best, least] = [template, score];
    }
    return best.parameters;
  }

  // The squared error of a shape to an image, and what a Gauss-Newton step takes: only pixels
  // near the shape are looked at; all others add the energy that they hold.
  compare(shape, p, image, energy) {
    const { left, right, top, bottom } = this.bounds(...p);
    const distance = DISTANCES[this.shapes[shape]], h = 1e-3;
    const bright = (dx, dy, size) => clamp(0.5 - distance(dx, dy, size), 0, 1);
    const normal = [[0, 0, 0], [0, 0, 0], [0, 0, 0]], gradient = [0, 0, 0], slope = [0, 0, 0];
    const size = p[2];
    let error = energy;
    for (let row = top; row <= bottom; row++)
      for (let column = left; column <= right; column++) {
        const dx = column - p[0], dy = row - p[1], target = image[row * this.side + column];
        const residual = bright(dx, dy, size) - target;
        error += residual * residual - target * target;
        // Symmetric differences: half-way where a distance has a kink, as JAX's slopes are.
        slope[0] = (bright(dx - h, dy, size) - bright(dx + h, dy, size)) / (2 * h);
        slope[1] = (bright(dx, dy - h, size) - bright(dx, dy + h, size)) / (2 * h);
        slope[2] = (bright(dx, dy, size + h) - bright(dx, dy, size - h)) / (2 * h);
        for (let i = 0; i < 3; i++) {
          gradient[i] += slope[i] * residual;
          for (let j = 0; j < 3; j++) normal[i][j] += slope[i] * slope[j];
        }
      }
    return { error, normal, gradient };
  }

  // Twelve damped Gauss-Newton steps on (x, y, size) inside the world's ranges, as generation.py's.
  refine(shape, start, image, energy) {
    let p = start, here = this.compare(shape, p, image, energy), damping = 1;
    for (let count = 0; count < 12; count++) {
      const damped = here.normal.map((row, i) => row.map((value, j) => value + (i === j) * damping));
      const step = solve3(damped, here.gradient);
      const trial = p.map((value, k) => clamp(value - step[k], this.low[k], this.high[k]));
      const there = this.compare(shape, trial, image, energy);
      const better = there.error < here.error;
      damping = better ? damping / 4 : damping * 4;
      if (better) [p, here] = [trial, there];
    }
    return { p, error: here.error };
  }

  // The nearest shape of all: its index, x, y, size, and the share of energy it leaves unexplained.
  nearest(image) {
    const energy = image.reduce((sum, value) => sum + value * value, 0);
    const fits = this.shapes.map((_, shape) =>
      this.refine(shape, this.nearestTemplate(shape, image), image, energy));
    const shape = fits.reduce((best, fit, i) => (fit.error < fits[best].error ? i : best), 0);
    const [x, y, size] = fits[shape].p;
    return { share: energy > 0 ? fits[shape].error / energy : Infinity, shape, x, y, size };
  }
}

function solve3(m, b) {
  const det = (a, c, d) => a[0] * (c[1] * d[2] - c[2] * d[1]) - a[1] * (c[0] * d[2] - c[2] * d[0])
    + a[2] * (c[0] * d[1] - c[1] * d[0]);
  const whole = det(...m);
  const replaced = (k) => m.map((row, i) => row.map((value, j) => (j === k ? b[i] : value)));
  return [0, 1, 2].map((k) => det(...replaced(k)) / whole);
}

// ---------------------------------------------------------------- the decoders

const gelu = (x) => 0.5 * x * (1 + Math.tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));

// As in helpers/models.py: a perceptron, then the outer products of its row and column profiles.
function decode({ mean, std, layers, bias, side }, u) {
  let h = Float32Array.from(u, (value, k) => mean[k] + std[k] * value);
  layers.forEach((layer, depth) => {
    const inputs = depth ? h.map(gelu) : h;
    h = Float32Array.from(layer.bias);
    for (let i = 0, at = 0; i < inputs.length; i++)
      for (let j = 0; j < h.length; j++, at++) h[j] += inputs[i] * layer.kernel[at];
  });
  const logits = Float32Array.from(bias), columns = h.length / 2;
  for (let rows = 0; rows < columns; rows += side)
    for (let i = 0, at = 0; i < side; i++)
      for (let j = 0; j < side; j++, at++) logits[at] += h[rows + i] * h[columns + rows + j];
  return logits.map((logit) => 1 / (1 + Math.exp(-logit)));
}

// Gives the models their weights, in the order of _weights in tools/site/__init__.py.
function unpack({ side, models }, weights) {
  let at = 0;
  const take = (n) => weights.subarray(at, at += n);
  for (const model of Object.values(models)) {
    const layer = (n, i) => ({ kernel: take(model.sizes[i] * n), bias: take(n) });
    Object.assign(model, { side, layers: model.sizes.slice(1).map(layer), bias: take(side * side) });
  }
}

async function fetched(name) {
  const response = await fetch(name);
  if (!response.ok) throw new Error(`${name}: ${response.status} ${response.statusText}`);
  return response;
}

async function load() {
  const [about, weights, codes] = await Promise.all([
    fetched("explorer.json").then((r) => r.json()),
    fetched("decoders.bin").then((r) => r.arrayBuffer()),
    fetched("codes.bin").then((r) => r.arrayBuffer()),
  ]);
  unpack(about, new Float32Array(weights));
  return { about, codes: new Int8Array(codes) };
}

// ---------------------------------------------------------------- one model on the page

class Panel {
  constructor(explorer, name, model, dots) {
    Object.assign(this, { explorer, name, model, dots });
    this.u = model.mean.map(() => 0);
    this.cells = [];
    this.root = byId("model").content.firstElementChild.cloneNode(true);
    const part = (selector) => this.root.querySelector(selector);
    this.picture = part(".picture");
    this.verdict = part(".verdict");
    this.pad = part(".pad");
    this.share = part(".share");
    part("h2").textContent = { AE: "Autoencoder (AE)", VAE: "Variational autoencoder (VAE)" }[name];
    this.root.dataset.model = name;
    this.sliders = this.u.map((_, k) => this.makeSlider(part(".sliders"), k));
    this.listen();
    byId("models").append(this.root);
  }

  makeSlider(parent, k) {
    const label = document.createElement("label"), slider = document.createElement("input");
    const { furthest } = this.explorer;
    label.innerHTML = `<span>z<sub>${k + 1}</sub></span>`;
    Object.assign(slider, { type: "range", min: -furthest, max: furthest, step: 0.05, value: 0 });
    slider.setAttribute("aria-label", `${this.name}, dimension ${k + 1}, in standard deviations`);
    const output = document.createElement("output");
    slider.addEventListener("input", () => {
      this.explorer.move(this, this.u.map((value, i) => (i === k ? Number(slider.value) : value)));
    });
    label.append(slider, output);
    parent.append(label);
    return { slider, output };
  }

  listen() {
    const { pad } = this;
    const drag = (event) => {
      const edge = pad.getBoundingClientRect(), { furthest } = this.explorer;
      const across = ((event.clientX - edge.left) / edge.width) * 2 - 1;
      const up = 1 - ((event.clientY - edge.top) / edge.height) * 2;
      this.moveInPlane(across * furthest, up * furthest);
    };
    pad.addEventListener("pointerdown", (event) => {
      pad.setPointerCapture(event.pointerId);
      drag(event);
    });
    pad.addEventListener("pointermove", (event) => {
      if (pad.hasPointerCapture(event.pointerId)) drag(event);
    });
    pad.addEventListener("keydown", (event) => {
      if (event.key === "Home") this.explorer.centre();
      const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
      const direction = by[event.key];
      if (direction) {
        const [across, up] = this.explorer.plane, far = event.shiftKey ? 0.5 : 0.1;
        this.moveInPlane(this.u[across] + far * direction[0], this.u[up] + far * direction[1]);
      }
      if (direction || event.key === "Home") event.preventDefault(); // or the page would scroll
    });
  }

  moveInPlane(a, b) {
    const [across, up] = this.explorer.plane, u = [...this.u];
    [u[across], u[up]] = [a, b];
    this.explorer.move(this, u);
  }

  set(u) {
    const { furthest, plane } = this.explorer;
    const before = this.u;
    this.u = u.map((value) => clamp(value, -furthest, furthest));
    if (this.u.some((value, k) => !plane.includes(k) && value !== before[k])) this.forgetMap();
  }

  forgetMap() {
    this.cells = [];
    this.share.innerHTML = "&nbsp;";
  }

  draw() {
    this.pixels = decode(this.model, this.u);
    paint(this.picture, this.pixels, this.explorer.world.side);
    this.drawPad();
    this.sliders.forEach(({ slider, output }, k) => {
      slider.value = this.u[k];
      output.textContent = this.u[k].toFixed(2);
    });
    const [across, up] = this.explorer.plane;
    this.pad.setAttribute("aria-label", `Map of the ${this.name}: z${across + 1} across is `
      + `${this.u[across].toFixed(1)}, z${up + 1} up is ${this.u[up].toFixed(1)}`);
  }

  judge() {
    const { world } = this.explorer, found = world.nearest(this.pixels);
    const valid = found.share <= TOLERANCE, left = found.share > 1 ? "100\u00a0% or more unexplained"
      : `${(found.share * 100).toFixed(1)}\u00a0% unexplained`;
    this.picture.className = `picture ${valid ? "valid" : "invalid"}`;
    const place = `at (${found.x.toFixed(1)}, ${found.y.toFixed(1)}), size ${found.size.toFixed(1)}`;
    const text = valid ? `valid: ${world.shapes[found.shape]} ${place}; ${left}`
      : `not a shape: ${left} by the nearest, a ${world.shapes[found.shape]}`;
    if (this.verdict.textContent !== text) this.verdict.textContent = text;
    this.picture.setAttribute("aria-label", `Picture decoded by the ${this.name}, ${text}`);
  }

  // One more cell of the map; false when it is complete.
  mapCell() {
    if (this.cells.length === CELLS * CELLS) return false;
    const { furthest, plane: [across, up], world } = this.explorer, u = [...this.u];
    const row = Math.floor(this.cells.length / CELLS), column = this.cells.length % CELLS;
    u[across] = ((column + 0.5) / CELLS * 2 - 1) * furthest;
    u[up] = (1 - (row + 0.5) / CELLS * 2) * furthest;
    this.cells.push(world.nearest(decode(this.model, u)).share <= TOLERANCE);
    if (this.cells.length === CELLS * CELLS) {
      const valid = this.cells.filter(Boolean).length / this.cells.length;
      this.share.textContent = `${Math.round(valid * 100)} % of this plane is valid`;
    }
    return true;
  }

  drawPad() {
    const { pad } = this, { furthest, plane: [across, up], about } = this.explorer;
    const side = Math.round(pad.clientWidth * Math.min(devicePixelRatio, 2)) || 300;
    if (pad.width !== side) pad.width = pad.height = side;
    const pen = pad.getContext("2d"), unit = side / 300, cell = side / CELLS;
    const place = (a, b) => [(a / furthest + 1) * side / 2, (1 - b / furthest) * side / 2];
    pen.clearRect(0, 0, side, side);
    pen.lineWidth = unit;
    pen.strokeStyle = "#f0b58a"; // stripes: not told by colour alone
    this.cells.forEach((valid, i) => {
      const x = (i % CELLS) * cell, y = Math.floor(i / CELLS) * cell;
      pen.fillStyle = valid ? "#cfe6f5" : "#fdf0e6";
      pen.fillRect(x, y, cell + 0.5, cell + 0.5);
      pen.beginPath();
      pen.moveTo(x, y + cell);
      pen.lineTo(x + cell, y);
      if (!valid) pen.stroke();
    });
    const latents = this.u.length, dot = 2.2 * unit;
    about.dots.forEach((shape, i) => {
      pen.fillStyle = COLOURS[shape] + "a0";
      const [x, y] = place(this.dots[i * latents + across] / 25, this.dots[i * latents + up] / 25);
      pen.fillRect(x - dot / 2, y - dot / 2, dot, dot);
    });
    pen.strokeStyle = "#00000055";
    pen.lineWidth = unit;
    pen.beginPath();
    pen.moveTo(side / 2, 0);
    pen.lineTo(side / 2, side);
    pen.moveTo(0, side / 2);
    pen.lineTo(side, side / 2);
    pen.stroke();
    const [x, y] = place(this.u[across], this.u[up]);
    for (const [colour, width] of [["#fff", 6], ["#000", 3]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = width * unit;
      pen.beginPath();
      pen.arc(x, y, 8 * unit, 0, 2 * Math.PI);
      pen.stroke();
    }
  }
}

function paint(canvas, pixels, side) {
  canvas.width = canvas.height = side;
  const pen = canvas.getContext("2d"), picture = pen.createImageData(side, side);
  pixels.forEach((value, i) => picture.data.set([255 * value, 255 * value, 255 * value, 255], 4 * i));
  pen.putImageData(picture, 0, 0);
}

// ---------------------------------------------------------------- the page

class Explorer {
  constructor({ about, codes }) {
    this.about = about;
    this.furthest = about.furthest;
    this.world = new World(about);
    this.plane = [0, 1];
    const models = Object.entries(about.models), length = codes.length / models.length;
    this.panels = models.map(([name, model], i) =>
      new Panel(this, name, model, codes.subarray(i * length, (i + 1) * length)));
    this.makeSettings();
    this.makeStarts();
    byId("legend").innerHTML += about.shapes.map((shape, i) =>
      `<span style="--dot: ${COLOURS[i]}">${shape}</span>`).join("");
    addEventListener("resize", () => this.panels.forEach((panel) => panel.drawPad()));
    this.starts[Math.min(2, this.starts.length - 1)].click(); // the mean code decodes to no shape
    setTimeout(() => { // the first picture first
      this.world.makeTemplates();
      this.judge();
    });
  }

  makeSettings() {
    const selects = [byId("across"), byId("up")];
    selects.forEach((select, axis) => {
      select.innerHTML = this.panels[0].u.map((_, k) => `<option value="${k}">z${k + 1}</option>`).join("");
      select.value = this.plane[axis];
      select.addEventListener("change", () => {
        const other = this.plane[1 - axis], chosen = Number(select.value);
        if (chosen === other) this.plane[1 - axis] = this.plane[axis]; // they change places
        this.plane[axis] = chosen;
        selects.forEach((each, i) => { each.value = this.plane[i]; });
        this.panels.forEach((panel) => panel.forgetMap());
        this.show();
      });
    });
    byId("centre").addEventListener("click", () => this.centre());
    byId("random").addEventListener("click", () => {
      const normal = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
      const u = this.panels[0].u.map(normal);
      this.go(() => u);
    });
  }

  makeStarts() {
    this.starts = this.about.starts.map(([shape, x, y, size], i) => {
      const button = document.createElement("button"), canvas = document.createElement("canvas");
      paint(canvas, this.world.render(shape, x, y, size), this.world.side);
      button.type = "button";
      button.setAttribute("aria-label", `${this.world.shapes[shape]} at (${x}, ${y}), size ${size}`);
      button.append(canvas);
      button.addEventListener("click", () =>
        this.go((panel) => panel.model.starts[i], button));
      byId("starts").append(button);
      return button;
    });
  }

  centre() {
    this.go((panel) => panel.u.map(() => 0));
  }

  go(codeOf, start) {
    this.panels.forEach((panel) => panel.set(codeOf(panel)));
    this.moved(start);
  }

  // A panel goes to u; with "move both together" the other one by as many standard deviations.
  move(panel, u) {
    const before = panel.u;
    panel.set(u);
    const by = panel.u.map((value, k) => value - before[k]);
    if (byId("together").checked)
      for (const other of this.panels)
        if (other !== panel) other.set(other.u.map((value, k) => value + by[k]));
    this.moved();
  }

  // start: the button whose codes these are, if they are those of one.
  moved(start) {
    this.starts.forEach((button) => button.setAttribute("aria-pressed", button === start));
    this.show();
  }

  show() {
    if (this.drawing) return;
    this.drawing = requestAnimationFrame(() => {
      this.drawing = null;
      this.panels.forEach((panel) => panel.draw());
      if (this.world.templates) this.judge();
    });
  }

  judge() {
    clearTimeout(this.judging);
    this.judging = setTimeout(() => { // after the picture is on the screen
      this.panels.forEach((panel) => panel.judge());
      this.map();
    });
  }

  map() {
    clearTimeout(this.mapping);
    this.mapping = setTimeout(() => { // a few milliseconds at a time, so that a drag stays smooth
      const end = performance.now() + 12;
      let more = true;
      while (more && performance.now() < end)
        more = this.panels.map((panel) => panel.mapCell()).some(Boolean);
      this.panels.forEach((panel) => panel.drawPad());
      if (more) this.map();
    }, 5);
  }
}

window.latentBits = {
  ready: load().then((loaded) => {
    const explorer = new Explorer(loaded);
    Object.assign(window.latentBits, {
      explorer,
      decode: (name, u) => decode(loaded.about.models[name], u),
      render: (...parameters) => explorer.world.render(...parameters),
      nearest: (pixels) => explorer.world.nearest(pixels),
      code: (name) => explorer.panels.find((panel) => panel.name === name).u,
    });
  }).catch((error) => {
    byId("problem").hidden = false;
    byId("problem").textContent = `The explorer could not start (${error.message}). Opened as a file? `
      + "Browsers load its weights only from a server: python -m http.server -d site";
    throw error;
  }),
};
