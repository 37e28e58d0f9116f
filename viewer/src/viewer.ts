// One turnable view: choose a shape, look at its parts, or at the distances to a point.
import { byDistance, byPart, rgb } from "./colour";
import { featureDistances, spaceDistances } from "./data";
import type { Axis, Payload, Shape } from "./data";
import { checkbox, choice, element } from "./element";
import { Stage } from "./stage";
import type { Layers, Pane } from "./stage";
import { Turntable } from "./turntable";

type Mode = "parts" | "distance" | "marks";
const POINTS_ONLY: Layers = { points: true, ellipsoids: false, surface: false };
const percent = (share: number, digits = 0) => `${(100 * share).toFixed(digits)} %`;

export class Viewer {
  private readonly stage: Stage;
  private readonly table: Turntable;
  private readonly layers: Layers = { points: true, ellipsoids: false, surface: false };
  private readonly panes = element("div", { class: "viewer-panes" });
  private readonly strip = element("div", { class: "viewer-strip", role: "img" });
  private readonly says = element("p", { class: "viewer-says", "aria-live": "polite" });
  private readonly frame: HTMLElement;
  private readonly thumbs: HTMLButtonElement[] = [];
  private readonly checks = element("div", { class: "viewer-checks" });
  private readonly boxes = new Map<keyof Layers, HTMLLabelElement>();
  private readonly modes: ReturnType<typeof choice<Mode>>;
  private readonly ups: ReturnType<typeof choice<Axis>>;
  private shape: Shape;
  private mode: Mode;
  private picked: number | null = null;
  private drawn: Pane[] = [];
  private waiting = false;

  constructor(
    place: HTMLElement,
    private readonly data: Payload,
  ) {
    this.shape = data.shapes[0]!;
    this.mode = this.first();
    const canvas = element("canvas", {
      tabindex: "0",
      role: "img",
      "aria-label": "Turnable 3D view. Arrow keys turn, plus and minus zoom, N and P choose the next or previous point, Home resets.",
    });
    this.frame = element("div", { class: "viewer-frame" }, canvas, this.panes);
    this.modes = choice<Mode>("Colour by", [["parts", "Parts"], ["distance", "Distance to a point"]], (mode) => this.setMode(mode));
    this.ups = choice<Axis>("Axis that points up", [["x", "X"], ["y", "Y"], ["z", "Z"]], (axis) => this.setUp(axis));
    const reset = element("button", { type: "button", class: "viewer-reset" }, "Reset view");
    for (const [layer, text] of [["points", "Points"], ["ellipsoids", "1-sigma ellipsoids"], ["surface", "Surface g = c"]] as const) {
      this.boxes.set(layer, checkbox(text, this.layers[layer], (on) => this.show(layer, on)));
    }
    this.checks.append(...this.boxes.values());
    const bar = element("div", { class: "viewer-bar" }, this.modes.group, this.checks);
    const side = element("div", { class: "viewer-side" }, element("span", {}, "Up"), this.ups.group, reset);
    bar.append(side);
    if (!data.shapes.some((one) => one.mixture)) this.modes.group.remove();
    place.replaceChildren(this.makeThumbs(), bar, this.frame, this.strip, this.says);

    this.stage = new Stage(canvas);
    this.table = new Turntable(canvas, () => this.later(), (x, y, touch) => this.tap(x, y, touch));
    canvas.addEventListener("keydown", (event) => this.key(event));
    reset.addEventListener("click", () => this.table.home());
    this.setUp(data.up);
    this.drawThumbs();
    this.choose(0);
    new ResizeObserver(() => this.resize()).observe(this.frame);
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.later());
    this.resize();
    this.draw();
  }

  /** Chooses a shape by its place in the list. */
  choose(index: number): void {
    this.shape = this.data.shapes[index]!;
    if (this.shape.marks || this.mode === "marks" || !this.shape.mixture) this.mode = this.first();
    this.picked = null;
    this.thumbs.forEach((thumb, i) => thumb.setAttribute("aria-pressed", String(i === index)));
    this.stage.setShape(this.shape, this.data.parts);
    this.refresh();
    this.resize();
  }

  /** What a shape is shown by before anyone chooses. */
  private first(): Mode {
    if (this.shape.marks) return "marks";
    return this.shape.mixture ? "parts" : "distance";
  }

  setMode(mode: Mode): void {
    this.mode = mode;
    this.refresh();
    this.resize();
  }

  show(layer: keyof Layers, on: boolean): void {
    this.layers[layer] = on;
    this.boxes.get(layer)!.querySelector("input")!.checked = on;
    this.refresh();
  }

  setUp(axis: Axis): void {
    this.ups.show(axis);
    this.table.setUp(axis);
  }

  /** Chooses a point and colours both panes by the distance to it. */
  pick(index: number): void {
    if (this.shape.marks) return;
    if (!(index >= 0 && index < this.shape.count)) throw new RangeError(`index must lie in 0..${this.shape.count - 1}, got ${index}`);
    this.picked = index;
    this.setMode("distance");
    this.draw();
  }

  /** What is on the screen now, for tests and scripts. */
  state(): { shape: string; mode: Mode; picked: number | null; space: number[]; feature: number[]; colours: number[][] } {
    const picked = this.target();
    return {
      shape: this.shape.name,
      mode: this.mode,
      picked: this.picked,
      space: Array.from(spaceDistances(this.shape, picked)),
      feature: Array.from(featureDistances(this.shape, picked)),
      colours: this.drawn.map((pane) => Array.from(pane.colours)),
    };
  }

  /** The chosen point, or the one nearest to the first corner of the bounding box while none is chosen. */
  private target(): number {
    if (this.picked !== null) return this.picked;
    let [best, least] = [0, Infinity];
    for (let i = 0; i < this.shape.count; i++) {
      const sum = this.shape.points[3 * i]! + this.shape.points[3 * i + 1]! + this.shape.points[3 * i + 2]!;
      if (sum < least) [best, least] = [i, sum];
    }
    return best;
  }

  private refresh(): void {
    this.modes.show(this.mode);
    this.checks.hidden = this.mode !== "parts" || !this.shape.mixture;
    this.strip.hidden = this.mode !== "parts";
    this.panes.replaceChildren();
    if (this.mode === "marks") this.refreshMarks();
    else if (this.mode === "parts") this.refreshParts();
    else this.refreshDistances();
    this.later();
  }

  private refreshMarks(): void {
    const marks = this.shape.marks!;
    this.drawn = [{ colours: byPart(marks.group, marks.colours), layers: POINTS_ONLY }];
    this.says.textContent = marks.text;
  }

  private refreshParts(): void {
    const mixture = this.shape.mixture!;
    this.drawn = [{ colours: byPart(mixture.part, this.data.parts), layers: this.layers }];
    const order = Array.from(mixture.component).sort((a, b) => mixture.weight[b]! - mixture.weight[a]!);
    this.strip.replaceChildren(
      ...order.map((part) => {
        const share = mixture.weight[part]!;
        return element("span", { style: `flex-grow:${share};background:${this.data.parts[part]}`, title: `Part ${part + 1}: ${percent(share, 1)} of the points` });
      }),
    );
    this.strip.setAttribute("aria-label", `Share of the points in each of ${order.length} parts, largest first`);
    const notes = [
      `${order.length} of ${mixture.weight.length} parts are in use (at least one point in a thousand); the strip shows their shares. A colour is the same output of the network on every shape.`,
    ];
    if (this.layers.surface) notes.push(`Surface: g = ${Math.exp(mixture.level).toPrecision(3)} per cubic radius; ${percent(this.data.inside)} of the points lie where g is larger.`);
    if (this.layers.ellipsoids) notes.push("Ellipsoids: one standard deviation of each Gaussian along every direction.");
    this.says.textContent = notes.join(" ");
  }

  private refreshDistances(): void {
    const target = this.target();
    const sides = [
      { title: "In space", unit: "radii of the shape", values: spaceDistances(this.shape, target) },
      { title: "In feature space", unit: "× a typical pair of points", values: featureDistances(this.shape, target) },
    ];
    this.drawn = sides.map(({ title, unit, values }) => {
      const largest = values.reduce((a, b) => Math.max(a, b), 1e-12);
      this.panes.append(this.legend(title, unit, largest));
      return { colours: byDistance(values, largest, this.data.ramp), layers: POINTS_ONLY };
    });
    const { dims, width, kept, error } = this.shape;
    const reduced = dims < width ? `reduced from ${width} to ${dims} numbers per point (${percent(kept, 1)} of the variance)` : `${dims} numbers per point`;
    this.says.textContent =
      `${this.picked === null ? "Click or tap a point to measure from it." : `Point ${target} of ${this.shape.count} is marked; click or tap another.`} ` +
      `Feature distance 1 is the root mean square over all pairs of points of this shape. For this page features are ${reduced} and rounded to 8 bits; no distance is off by more than ${error.toFixed(3)}.`;
  }

  private legend(title: string, unit: string, largest: number): HTMLElement {
    const stops = this.data.ramp.filter((_, i) => i % 7 === 0).join(",");
    return element(
      "div",
      { class: "viewer-pane" },
      element("strong", {}, title),
      element(
        "div",
        { class: "viewer-legend" },
        element("span", {}, "0"),
        element("i", { style: `background:linear-gradient(90deg,${stops})` }),
        element("span", {}, `${largest.toFixed(2)} ${unit}`),
      ),
    );
  }

  private resize(): void {
    const width = this.frame.clientWidth;
    // Two panes want a wide canvas, or a tall one where the page is narrow; never taller than the window.
    const two = this.mode === "distance";
    const wanted = two ? (width < 620 ? 1.5 * width : 0.5 * width) : Math.min(0.45 * width + 130, width);
    const height = Math.round(Math.max(260, Math.min(wanted, 0.82 * window.innerHeight)));
    this.frame.style.height = `${height}px`;
    this.stage.setSize(width, height);
    const box = this.stage.boxes(two ? 2 : 1)[0]!;
    this.frame.classList.toggle("stacked", two && box.width === width);
    this.table.fit(this.stage.radius, box.width / box.height);
    this.draw();
  }

  private later(): void {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw();
    });
  }

  private draw(): void {
    const ink = getComputedStyle(this.frame).color;
    this.stage.draw(this.table.camera, this.drawn, this.mode === "distance" ? this.target() : null, ink);
  }

  private tap(x: number, y: number, touch: boolean): void {
    const box = this.stage.canvas.getBoundingClientRect();
    const found = this.stage.pointAt(this.table.camera, this.drawn.length, x - box.left, y - box.top, touch ? 24 : 12);
    if (found !== null) this.pick(found);
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = 0.12;
    const actions: Record<string, () => void> = {
      ArrowLeft: () => this.table.rotate(step, 0),
      ArrowRight: () => this.table.rotate(-step, 0),
      ArrowUp: () => this.table.rotate(0, -step),
      ArrowDown: () => this.table.rotate(0, step),
      "+": () => this.table.zoom(0.9),
      "=": () => this.table.zoom(0.9),
      "-": () => this.table.zoom(1 / 0.9),
      Home: () => this.table.home(),
      n: () => this.pick((this.target() + 1) % this.shape.count),
      p: () => this.pick((this.target() + this.shape.count - 1) % this.shape.count),
    };
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  private makeThumbs(): HTMLElement {
    const list = element("div", { class: "viewer-thumbs", role: "group", "aria-label": "Shape" });
    this.data.shapes.forEach((shape, i) => {
      const button = element("button", { type: "button", title: shape.name }, element("canvas", { width: "144", height: "144", "aria-hidden": "true" }), element("span", {}, shape.name));
      button.addEventListener("click", () => this.choose(i));
      this.thumbs.push(button);
      list.append(button);
    });
    list.hidden = this.data.shapes.length < 2;
    return list;
  }

  /** Draws every shape once, small, with the same renderer as the large view. */
  private drawThumbs(): void {
    this.stage.setSize(144, 144);
    this.data.shapes.forEach((shape, i) => {
      this.stage.setShape(shape, this.data.parts);
      this.table.fit(this.stage.radius, 1);
      const plain = rgb(this.data.ramp[40]!);
      const { marks, mixture } = shape;
      const colours = marks
        ? byPart(marks.group, marks.colours)
        : mixture
          ? byPart(mixture.part, this.data.parts)
          : Float32Array.from({ length: 3 * shape.count }, (_, k) => plain[k % 3]!);
      this.stage.draw(this.table.camera, [{ colours, layers: POINTS_ONLY }], null, "black");
      this.thumbs[i]!.querySelector("canvas")!.getContext("2d")!.drawImage(this.stage.canvas, 0, 0, 144, 144);
    });
  }
}
