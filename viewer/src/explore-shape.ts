// A small cloud painted on a canvas: still as a thumbnail, or turned by hand.
import type { Atlas } from "./explore-data";

const START = { turn: -0.9, tilt: 0.42 };

/** Paints a shape into a square; `ink` is red, green, blue. False where its points have not come yet. */
export function paint(
  context: CanvasRenderingContext2D,
  atlas: Atlas,
  shape: number,
  side: number,
  { turn = START.turn, tilt = START.tilt, dot = 1, ink = [29, 35, 41] as readonly number[] } = {},
): boolean {
  const points = atlas.points(shape);
  if (!points) return false;
  const axis = "xyz".indexOf(atlas.up);
  const [a, b] = [(axis + 1) % 3, (axis + 2) % 3];
  const [ct, st, cl, sl] = [Math.cos(turn), Math.sin(turn), Math.cos(tilt), Math.sin(tilt)];
  const seen: [number, number, number][] = [];
  for (let i = 0; i < points.length; i += 3) {
    const [x, y, z] = [points[i + a]! / 127, points[i + b]! / 127, points[i + axis]! / 127];
    const [right, away] = [x * ct - y * st, x * st + y * ct];
    seen.push([right, z * cl - away * sl, away * cl + z * sl]);
  }
  seen.sort((p, q) => q[2] - p[2]);
  const half = side / 2;
  for (const [x, y, depth] of seen) {
    const light = Math.min(1, Math.max(0, 0.5 - 0.5 * depth)); // what is near is darker
    context.fillStyle = `rgba(${ink.join(",")},${(0.25 + 0.75 * light).toFixed(2)})`;
    const r = dot * (0.7 + 0.6 * light);
    context.fillRect(half + 0.47 * side * x - r / 2, half - 0.47 * side * y - r / 2, r, r);
  }
  return true;
}

/** Thumbnails, painted once each. */
export class Thumbnails {
  private readonly kept = new Map<number, HTMLCanvasElement>();

  constructor(
    private readonly atlas: Atlas,
    readonly side: number,
    private readonly ink: () => readonly number[],
  ) {}

  of(shape: number): HTMLCanvasElement | null {
    const old = this.kept.get(shape);
    if (old) return old;
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = this.side;
    const context = canvas.getContext("2d")!;
    if (!paint(context, this.atlas, shape, this.side, { dot: this.side / 48, ink: this.ink() })) return null;
    this.kept.set(shape, canvas);
    if (this.kept.size > 3000) this.kept.delete(this.kept.keys().next().value!);
    return canvas;
  }

  clear(): void {
    this.kept.clear();
  }
}

/** A square that shows one shape, which turns under the mouse, a finger or the arrow keys. */
export class Turning {
  readonly canvas = document.createElement("canvas");
  private turn = START.turn;
  private tilt = START.tilt;
  private shape: number | null = null;
  private last: { x: number; y: number } | null = null;

  constructor(
    private readonly atlas: Atlas,
    private readonly ink: () => readonly number[],
  ) {
    const { canvas } = this;
    canvas.className = "turning";
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "img");
    canvas.style.touchAction = "none";
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.last = { x: event.clientX, y: event.clientY };
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.last) return;
      this.rotate((event.clientX - this.last.x) / 90, (event.clientY - this.last.y) / 90);
      this.last = { x: event.clientX, y: event.clientY };
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (this.last = null));
    canvas.addEventListener("keydown", (event) => {
      const step: Record<string, [number, number]> = { ArrowLeft: [-0.2, 0], ArrowRight: [0.2, 0], ArrowUp: [0, -0.2], ArrowDown: [0, 0.2] };
      const by = step[event.key];
      if (!by) return;
      this.rotate(...by);
      event.preventDefault();
      event.stopPropagation();
    });
  }

  show(shape: number): void {
    this.shape = shape;
    this.canvas.setAttribute("aria-label", `${this.atlas.names[shape]}, turn it with the mouse or the arrow keys`);
    this.draw();
  }

  rotate(turn: number, tilt: number): void {
    this.turn -= turn;
    this.tilt = Math.max(-1.5, Math.min(1.5, this.tilt + tilt));
    this.draw();
  }

  draw(): void {
    if (this.shape === null) return;
    const side = Math.max(64, Math.round(this.canvas.clientWidth * devicePixelRatio));
    this.canvas.width = this.canvas.height = side;
    const context = this.canvas.getContext("2d")!;
    paint(context, this.atlas, this.shape, side, { turn: this.turn, tilt: this.tilt, dot: side / 110, ink: this.ink() });
  }
}
