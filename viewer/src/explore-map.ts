// A map of all shapes: dots that become thumbnails as one comes nearer; panned, zoomed, picked and lassoed.
import type { Atlas, View } from "./explore-data";
import type { Colouring } from "./explore-colour";
import type { Thumbnails } from "./explore-shape";

/** Free side of a shape on the screen, in pixels, from which on it is a thumbnail. */
const NEAR = 46;

export interface Look {
  colouring: Colouring;
  /** Shapes that stand out; all others are pale. Null where all do. */
  marked: Set<number> | null;
  selected: number | null;
  hovered: number | null;
}

export class ShapeMap {
  readonly canvas = document.createElement("canvas");
  private which = 0;
  private scale = 1;
  private x = 0;
  private y = 0;
  private readonly fingers = new Map<number, { x: number; y: number }>();
  private moved = 0;
  private lasso: { x: number; y: number }[] | null = null;
  private grid = new Map<number, number[]>();
  private waiting = false;
  lassoing = false;
  /** How long the last picture took, in milliseconds. */
  took = 0;

  constructor(
    private readonly atlas: Atlas,
    private readonly view: View,
    private readonly look: Look,
    private readonly thumbnails: Thumbnails,
    private readonly told: { picked(shape: number | null): void; hovered(shape: number | null): void; lassoed(shapes: number[]): void },
  ) {
    const { canvas } = this;
    canvas.className = "map";
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-label", `map of ${atlas.count} shapes by ${view.name}; plus and minus zoom, arrows go from neighbour to neighbour`);
    canvas.style.touchAction = "none";
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.up(event));
    canvas.addEventListener("pointercancel", (event) => this.fingers.delete(event.pointerId));
    canvas.addEventListener("pointerleave", () => told.hovered(null));
    canvas.addEventListener("dblclick", () => this.home());
    canvas.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        this.zoom(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
      },
      { passive: false },
    );
    new ResizeObserver(() => this.draw()).observe(canvas);
    this.show(0);
  }

  /** Shows another of the view's maps, from its beginning. */
  show(which: number): void {
    this.which = which;
    this.grid = new Map();
    const { places } = this.view.maps[which]!;
    for (let i = 0; i < this.atlas.count; i++) {
      const cell = (places[2 * i]! >> 9) * 128 + (places[2 * i + 1]! >> 9);
      const there = this.grid.get(cell);
      if (there) there.push(i);
      else this.grid.set(cell, [i]);
    }
    this.home();
  }

  home(): void {
    [this.scale, this.x, this.y] = [1, 0, 0];
    this.draw();
  }

  zoom(factor: number, atX = this.canvas.clientWidth / 2, atY = this.canvas.clientHeight / 2): void {
    const scale = Math.min(400, Math.max(0.5, this.scale * factor));
    const by = scale / this.scale;
    this.x = atX - this.canvas.clientWidth / 2 - by * (atX - this.canvas.clientWidth / 2 - this.x);
    this.y = atY - this.canvas.clientHeight / 2 - by * (atY - this.canvas.clientHeight / 2 - this.y);
    this.scale = scale;
    this.draw();
  }

  /** Brings a shape into the middle, and near enough to see what is around it. */
  goTo(shape: number): void {
    this.scale = Math.max(this.scale, Math.min(400, Math.sqrt(this.atlas.count) / 6));
    const [x, y] = this.place(shape);
    this.x += this.canvas.clientWidth / 2 - x;
    this.y += this.canvas.clientHeight / 2 - y;
    this.draw();
  }

  /** Place of a shape on the canvas, in CSS pixels. */
  place(shape: number): [number, number] {
    const { places } = this.view.maps[this.which]!;
    const side = 0.94 * Math.min(this.canvas.clientWidth, this.canvas.clientHeight) * this.scale;
    return [
      this.canvas.clientWidth / 2 + this.x + side * (places[2 * shape]! / 65535 - 0.5),
      this.canvas.clientHeight / 2 + this.y - side * (places[2 * shape + 1]! / 65535 - 0.5),
    ];
  }

  /** Draws before the next frame, once however often it is asked. */
  draw(): void {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      const start = performance.now();
      this.paint();
      this.took = performance.now() - start;
    });
  }

  private paint(): void {
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    if (!width || !height) return;
    const ratio = devicePixelRatio;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      [this.canvas.width, this.canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    }
    const context = this.canvas.getContext("2d")!;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const visible = this.visible(width, height);
    const { colouring, marked, selected, hovered } = this.look;
    const room = Math.sqrt((width * height) / Math.max(1, visible.length));
    const near = room > NEAR && visible.length <= 400;
    if (near) this.paintThumbnails(context, visible, Math.min(this.thumbnails.side / ratio, 0.9 * room));
    const radius = near ? 2.5 : Math.min(4, Math.max(1.2, room / 9));
    // All dots of one colour in one go: a hundred thousand are drawn within a frame.
    const byColour = new Map<string, number[]>();
    for (const shape of visible) {
      const pale = marked !== null && !marked.has(shape);
      const key = (pale ? "-" : "+") + colouring.colours[colouring.of[shape]!]!;
      const list = byColour.get(key);
      if (list) list.push(shape);
      else byColour.set(key, [shape]);
    }
    for (const [key, shapes] of [...byColour].sort()) {
      context.fillStyle = key.slice(1);
      context.globalAlpha = key.startsWith("-") ? 0.12 : 0.85;
      context.beginPath();
      for (const shape of shapes) {
        const [x, y] = this.place(shape);
        if (visible.length > 20000) context.rect(x - radius, y - radius, 2 * radius, 2 * radius);
        else {
          context.moveTo(x + radius, y);
          context.arc(x, y, radius, 0, 7);
        }
      }
      context.fill();
    }
    context.globalAlpha = 1;
    const style = getComputedStyle(this.canvas);
    if (colouring.title === "cluster" && !near) this.paintNames(context, style.color);
    for (const [shape, wide] of [[hovered, 1.5], [selected, 2.5]] as const) {
      if (shape === null) continue;
      const [x, y] = this.place(shape);
      context.strokeStyle = style.color;
      context.lineWidth = wide;
      context.beginPath();
      context.arc(x, y, radius + 4, 0, 7);
      context.stroke();
    }
    if (this.lasso) {
      context.strokeStyle = style.color;
      context.setLineDash([4, 4]);
      context.beginPath();
      for (const { x, y } of this.lasso) context.lineTo(x, y);
      context.stroke();
      context.setLineDash([]);
    }
  }

  private paintThumbnails(context: CanvasRenderingContext2D, visible: number[], side: number): void {
    const { marked } = this.look;
    for (const shape of visible) {
      const picture = this.thumbnails.of(shape);
      if (!picture) continue;
      const [x, y] = this.place(shape);
      context.globalAlpha = marked === null || marked.has(shape) ? 1 : 0.25;
      context.drawImage(picture, x - side / 2, y - side / 2, side, side);
    }
    context.globalAlpha = 1;
  }

  /** Writes the names of clusters at the middles of their shapes. */
  private paintNames(context: CanvasRenderingContext2D, ink: string): void {
    const middle = new Map<number, { x: number[]; y: number[] }>();
    for (let i = 0; i < this.atlas.count; i++) {
      const cluster = this.atlas.cluster[i]!;
      if (cluster < 0) continue;
      const [x, y] = this.place(i);
      const sum = middle.get(cluster) ?? { x: [], y: [] };
      sum.x.push(x);
      sum.y.push(y);
      middle.set(cluster, sum);
    }
    const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1]!;
    context.font = "600 11px system-ui, sans-serif";
    context.textAlign = "center";
    context.fillStyle = ink;
    const taken: [number, number, number][] = [];
    const largest = [...middle].sort((a, b) => b[1].x.length - a[1].x.length);
    for (const [cluster, { x, y }] of largest) {
      const [mx, my, half] = [median(x), median(y), context.measureText(this.atlas.clusterNames[cluster]!).width / 2];
      if (taken.some(([tx, ty, th]) => Math.abs(tx - mx) < half + th && Math.abs(ty - my) < 13)) continue;
      taken.push([mx, my, half]);
      context.fillText(this.atlas.clusterNames[cluster]!, mx, my);
    }
  }

  private visible(width: number, height: number): number[] {
    const found: number[] = [];
    for (let i = 0; i < this.atlas.count; i++) {
      const [x, y] = this.place(i);
      if (x > -30 && y > -30 && x < width + 30 && y < height + 30) found.push(i);
    }
    return found;
  }

  /** The shape nearest to a place on the canvas, within a finger's breadth. */
  at(x: number, y: number, reach: number): number | null {
    const side = 0.94 * Math.min(this.canvas.clientWidth, this.canvas.clientHeight) * this.scale;
    const u = 65535 * ((x - this.canvas.clientWidth / 2 - this.x) / side + 0.5);
    const v = 65535 * (0.5 - (y - this.canvas.clientHeight / 2 - this.y) / side);
    const cells = Math.ceil((65535 * reach) / side / 512);
    let best: number | null = null;
    let least = reach;
    for (let a = (u >> 9) - cells; a <= (u >> 9) + cells; a++) {
      for (let b = (v >> 9) - cells; b <= (v >> 9) + cells; b++) {
        for (const shape of this.grid.get(a * 128 + b) ?? []) {
          const [px, py] = this.place(shape);
          const far = Math.hypot(px - x, py - y);
          if (far < least) [best, least] = [shape, far];
        }
      }
    }
    return best;
  }

  private down(event: PointerEvent): void {
    this.canvas.setPointerCapture(event.pointerId);
    this.fingers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    this.moved = 0;
    this.lasso = event.shiftKey || this.lassoing ? [{ x: event.offsetX, y: event.offsetY }] : null;
  }

  private move(event: PointerEvent): void {
    const here = { x: event.offsetX, y: event.offsetY };
    const last = this.fingers.get(event.pointerId);
    if (!last) {
      this.told.hovered(this.at(here.x, here.y, 14));
      return;
    }
    this.moved += Math.hypot(here.x - last.x, here.y - last.y);
    this.fingers.set(event.pointerId, here);
    if (this.lasso) this.lasso.push(here);
    else if (this.fingers.size === 1) {
      this.x += here.x - last.x;
      this.y += here.y - last.y;
    } else {
      const other = [...this.fingers].find(([id]) => id !== event.pointerId)![1];
      const before = Math.hypot(last.x - other.x, last.y - other.y);
      const after = Math.hypot(here.x - other.x, here.y - other.y);
      this.zoom(after / Math.max(1, before), (here.x + other.x) / 2, (here.y + other.y) / 2);
    }
    this.draw();
  }

  private up(event: PointerEvent): void {
    this.fingers.delete(event.pointerId);
    const around = this.lasso;
    this.lasso = null;
    if (around && this.moved > 12) this.told.lassoed(this.within(around));
    else if (this.moved < 6) this.told.picked(this.at(event.offsetX, event.offsetY, event.pointerType === "touch" ? 30 : 16));
    this.draw();
  }

  private within(around: { x: number; y: number }[]): number[] {
    const inside = (x: number, y: number) => {
      let odd = false;
      for (let i = 0, j = around.length - 1; i < around.length; j = i++) {
        const [p, q] = [around[i]!, around[j]!];
        if (p.y > y !== q.y > y && x < ((q.x - p.x) * (y - p.y)) / (q.y - p.y) + p.x) odd = !odd;
      }
      return odd;
    };
    return Array.from({ length: this.atlas.count }, (_, i) => i).filter((i) => inside(...this.place(i)));
  }
}
