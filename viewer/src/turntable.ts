// Turns a camera around the origin by mouse, touch and keyboard, without taking the page's own scrolling away.
import { PerspectiveCamera, Vector3 } from "three";
import type { Axis } from "./data";

const UP: Record<Axis, Vector3> = { x: new Vector3(1, 0, 0), y: new Vector3(0, 1, 0), z: new Vector3(0, 0, 1) };
const START = { turn: -0.9, tilt: 0.42, away: 1 };

export class Turntable {
  readonly camera = new PerspectiveCamera(28, 1, 0.05, 50);
  private turn = START.turn;
  private tilt = START.tilt;
  private away = START.away;
  private up: Axis = "z";
  private readonly fingers = new Map<number, { x: number; y: number }>();
  private moved = 0;

  /** `changed` is called after every turn, `tapped` with page coordinates after a press that did not move. */
  constructor(
    private readonly element: HTMLElement,
    private readonly changed: () => void,
    private readonly tapped: (x: number, y: number, touch: boolean) => void,
  ) {
    // One finger: sideways turns the shape, up and down scrolls the page. Two fingers: pinch and tilt.
    element.style.touchAction = "pan-y";
    element.addEventListener("pointerdown", (event) => this.down(event));
    element.addEventListener("pointermove", (event) => this.move(event));
    element.addEventListener("pointerup", (event) => this.release(event, true));
    element.addEventListener("pointercancel", (event) => this.release(event, false));
    // The wheel belongs to the page until the view was chosen by a click or the tab key.
    element.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.place();
  }

  setUp(axis: Axis): void {
    this.up = axis;
    this.place();
  }

  home(): void {
    Object.assign(this, START);
    this.place();
  }

  rotate(turn: number, tilt: number): void {
    this.turn += turn;
    this.tilt = Math.max(-1.5, Math.min(1.5, this.tilt + tilt));
    this.place();
  }

  zoom(factor: number): void {
    this.away = Math.max(0.35, Math.min(2.5, this.away * factor));
    this.place();
  }

  /** Keeps a ball of `radius` inside a view of this shape. */
  fit(radius: number, aspect: number): void {
    this.camera.aspect = aspect;
    const half = (this.camera.fov / 2) * (Math.PI / 180);
    const narrow = Math.min(half, Math.atan(Math.tan(half) * aspect));
    this.reach = (1.02 * radius) / Math.sin(narrow);
    this.place();
  }
  private reach = 4;

  private place(): void {
    const up = UP[this.up];
    const first = this.up === "x" ? UP.y : UP.x;
    const second = up.clone().cross(first);
    const flat = Math.cos(this.tilt);
    this.camera.position
      .copy(first)
      .multiplyScalar(Math.cos(this.turn) * flat)
      .addScaledVector(second, Math.sin(this.turn) * flat)
      .addScaledVector(up, Math.sin(this.tilt))
      .multiplyScalar(this.reach * this.away);
    this.camera.up.copy(up);
    this.camera.lookAt(0, 0, 0);
    this.camera.updateProjectionMatrix();
    this.changed();
  }

  private down(event: PointerEvent): void {
    this.element.focus({ preventScroll: true });
    this.element.setPointerCapture(event.pointerId);
    this.fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    this.moved = this.fingers.size > 1 ? 99 : 0;
  }

  private move(event: PointerEvent): void {
    const last = this.fingers.get(event.pointerId);
    if (!last) return;
    const [dx, dy] = [event.clientX - last.x, event.clientY - last.y];
    this.moved += Math.hypot(dx, dy);
    if (this.fingers.size === 1) {
      this.rotate(-0.009 * dx, 0.009 * dy);
    } else {
      const other = [...this.fingers].find(([id]) => id !== event.pointerId)![1];
      const before = Math.hypot(last.x - other.x, last.y - other.y);
      const after = Math.hypot(event.clientX - other.x, event.clientY - other.y);
      if (after > 0) this.zoom(before / after);
      this.rotate(-0.0045 * dx, 0.0045 * dy);
    }
    last.x = event.clientX;
    last.y = event.clientY;
  }

  private release(event: PointerEvent, done: boolean): void {
    const known = this.fingers.delete(event.pointerId);
    if (known && done && this.moved < 5) this.tapped(event.clientX, event.clientY, event.pointerType === "touch");
  }

  private wheel(event: WheelEvent): void {
    if (document.activeElement !== this.element) return;
    event.preventDefault();
    this.zoom(Math.exp(0.0012 * event.deltaY));
  }
}
