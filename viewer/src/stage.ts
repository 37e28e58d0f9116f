// Draws one shape: its points in one or two panes, and the meshes of its mixture.
import {
  BufferAttribute,
  BufferGeometry,
  Color,
  DirectionalLight,
  Group,
  HemisphereLight,
  InstancedMesh,
  Matrix4,
  Mesh,
  MeshLambertMaterial,
  Points,
  Scene,
  ShaderMaterial,
  SphereGeometry,
  Vector3,
  WebGLRenderer,
} from "three";
import type { PerspectiveCamera } from "three";
import type { Mixture, Shape } from "./data";

export interface Layers {
  points: boolean;
  ellipsoids: boolean;
  surface: boolean;
}

export interface Pane {
  /** sRGB of every point, 0 to 1, three numbers each. */
  colours: Float32Array;
  layers: Layers;
}

/** Points as small lit balls whose size follows the distance; the ring marks the chosen one. */
function ballMaterial(ring: boolean): ShaderMaterial {
  return new ShaderMaterial({
    uniforms: { size: { value: 10 }, least: { value: 4 }, ink: { value: new Color() } },
    vertexColors: !ring,
    depthTest: !ring,
    transparent: ring,
    vertexShader: `
      uniform float size;
      uniform float least;
      varying vec3 shade;
      void main() {
        vec4 seen = modelViewMatrix * vec4(position, 1.0);
        gl_Position = projectionMatrix * seen;
        gl_PointSize = max(least, size * projectionMatrix[1][1] / -seen.z);
        shade = ${ring ? "vec3(0.0)" : "color"};
      }`,
    fragmentShader: ring
      ? `
      uniform vec3 ink;
      void main() {
        float away = length(gl_PointCoord - 0.5);
        if (away > 0.5 || away < 0.36) discard;
        gl_FragColor = vec4(away > 0.395 && away < 0.465 ? ink : 1.0 - ink, 1.0);
      }`
      : `
      varying vec3 shade;
      void main() {
        vec2 place = 2.0 * gl_PointCoord - 1.0;
        float away = dot(place, place);
        if (away > 1.0) discard;
        float lit = 0.78 + 0.26 * dot(vec3(place.x, -place.y, sqrt(1.0 - away)), vec3(-0.4, 0.6, 0.69));
        gl_FragColor = vec4(shade * min(lit, 1.06), 1.0);
      }`,
  });
}

export class Stage {
  private readonly renderer: WebGLRenderer;
  private readonly scene = new Scene();
  private readonly content = new Group();
  private readonly ball = ballMaterial(false);
  private readonly ring = ballMaterial(true);
  private readonly light = new DirectionalLight(0xffffff, 2.1);
  private shape: Shape | null = null;
  private cloud: Points | null = null;
  private mark: Points | null = null;
  private ellipsoids: InstancedMesh | null = null;
  private surface: Mesh | null = null;
  private centre = new Vector3();
  private width = 1;
  private height = 1;
  /** Radius of the ball around the shape that must stay in view. */
  radius = 1;

  constructor(canvas: HTMLCanvasElement) {
    // The buffer is kept so that a page can be printed, and a picture of it saved.
    this.renderer = new WebGLRenderer({ canvas, antialias: true, alpha: true, preserveDrawingBuffer: true });
    this.renderer.setPixelRatio(Math.min(window.devicePixelRatio, 2));
    this.renderer.autoClear = false;
    this.renderer.setClearColor(0x000000, 0);
    this.scene.add(this.content, new HemisphereLight(0xffffff, 0x8a8f98, 1.5), this.light);
  }

  setSize(width: number, height: number): void {
    [this.width, this.height] = [width, height];
    this.renderer.setSize(width, height, false);
  }

  setShape(shape: Shape, parts: string[]): void {
    this.clear();
    this.shape = shape;
    const geometry = new BufferGeometry();
    geometry.setAttribute("position", new BufferAttribute(shape.points, 3));
    geometry.setAttribute("color", new BufferAttribute(new Float32Array(3 * shape.count), 3));
    geometry.computeBoundingBox();
    geometry.boundingBox!.getCenter(this.centre);
    this.radius = 0;
    for (let i = 0; i < shape.count; i++) this.radius = Math.max(this.radius, this.point(i).distanceTo(this.centre));
    // The mixture reaches a little beyond the points; nothing should jump when it is switched on.
    const edge = shape.mixture?.surface.vertices ?? new Float32Array();
    let reach = 0;
    for (let i = 0; i < edge.length; i += 3) reach = Math.max(reach, new Vector3().fromArray(edge, i).distanceTo(this.centre));
    this.radius = Math.max(this.radius, Math.min(reach, 1.3 * this.radius)) || 1;
    this.cloud = new Points(geometry, this.ball);
    const one = new BufferGeometry();
    one.setAttribute("position", new BufferAttribute(new Float32Array(3), 3));
    this.mark = new Points(one, this.ring);
    this.mark.renderOrder = 1;
    this.content.position.copy(this.centre).negate();
    this.content.add(this.cloud, this.mark);
    for (const object of [this.cloud, this.mark]) object.frustumCulled = false;
    if (shape.mixture) this.addMixture(shape.mixture, parts);
  }

  /** Draws the panes side by side, or one above the other where the canvas is narrow. */
  draw(camera: PerspectiveCamera, panes: Pane[], picked: number | null, ink: string): void {
    if (!this.shape || !this.cloud || !this.mark) return;
    const { renderer } = this;
    this.light.position.copy(camera.position).addScaledVector(camera.up, 1.5 * camera.position.length());
    const boxes = this.boxes(panes.length);
    renderer.setScissorTest(false);
    renderer.clear();
    renderer.setScissorTest(true);
    this.ring.uniforms["ink"]!.value.set(ink).convertLinearToSRGB();
    panes.forEach((pane, i) => {
      const box = boxes[i]!;
      renderer.setViewport(box.x, this.height - box.y - box.height, box.width, box.height);
      renderer.setScissor(box.x, this.height - box.y - box.height, box.width, box.height);
      const pixels = box.height * renderer.getPixelRatio();
      this.ball.uniforms["size"]!.value = 0.0125 * this.radius * pixels * Math.min(1.6, Math.sqrt(1024 / this.shape!.count));
      // Small views need large points, or their colours are lost.
      this.ball.uniforms["least"]!.value = (this.width < 200 ? 4 : 5) * renderer.getPixelRatio();
      this.ring.uniforms["size"]!.value = 0.045 * this.radius * pixels;
      const colour = this.cloud!.geometry.getAttribute("color") as BufferAttribute;
      colour.array.set(pane.colours);
      colour.needsUpdate = true;
      this.cloud!.visible = pane.layers.points;
      if (this.ellipsoids) this.ellipsoids.visible = pane.layers.ellipsoids;
      if (this.surface) this.surface.visible = pane.layers.surface;
      this.mark!.visible = picked !== null;
      if (picked !== null) {
        const place = this.mark!.geometry.getAttribute("position") as BufferAttribute;
        place.array.set(this.shape!.points.subarray(3 * picked, 3 * picked + 3));
        place.needsUpdate = true;
      }
      renderer.render(this.scene, camera);
    });
  }

  boxes(count: number): { x: number; y: number; width: number; height: number }[] {
    const { width, height } = this;
    if (count === 1) return [{ x: 0, y: 0, width, height }];
    if (width >= height) {
      const half = width / 2;
      return [0, half].map((x) => ({ x, y: 0, width: half, height }));
    }
    const half = height / 2;
    return [0, half].map((y) => ({ x: 0, y, width, height: half }));
  }

  /** Index of the frontmost point within `reach` pixels of a place on the canvas; null where there is none. */
  pointAt(camera: PerspectiveCamera, panes: number, x: number, y: number, reach: number): number | null {
    const box = this.boxes(panes).find((one) => x >= one.x && x < one.x + one.width && y >= one.y && y < one.y + one.height);
    if (!box || !this.shape) return null;
    let best: number | null = null;
    let least = Infinity;
    for (let i = 0; i < this.shape.count; i++) {
      const seen = this.point(i).sub(this.centre).project(camera);
      const away = Math.hypot(box.x + ((seen.x + 1) / 2) * box.width - x, box.y + ((1 - seen.y) / 2) * box.height - y);
      // A nearer point wins over one behind it; between points of one surface the aim decides.
      const cost = away / reach + 40 * (seen.z - 0.9);
      if (away <= reach && cost < least) [best, least] = [i, cost];
    }
    return best;
  }

  get canvas(): HTMLCanvasElement {
    return this.renderer.domElement;
  }

  private point(i: number): Vector3 {
    return new Vector3().fromArray(this.shape!.points, 3 * i);
  }

  private addMixture(mixture: Mixture, parts: string[]): void {
    const balls = new InstancedMesh(new SphereGeometry(1, 32, 20), new MeshLambertMaterial(), mixture.component.length);
    mixture.component.forEach((component, i) => {
      const a = mixture.axes.subarray(9 * i, 9 * i + 9);
      const m = mixture.mean.subarray(3 * i, 3 * i + 3);
      balls.setMatrixAt(i, new Matrix4().set(a[0]!, a[1]!, a[2]!, m[0]!, a[3]!, a[4]!, a[5]!, m[1]!, a[6]!, a[7]!, a[8]!, m[2]!, 0, 0, 0, 1));
      balls.setColorAt(i, new Color(parts[component]!));
    });
    balls.frustumCulled = false;
    const skin = new BufferGeometry();
    skin.setAttribute("position", new BufferAttribute(mixture.surface.vertices, 3));
    skin.setIndex(new BufferAttribute(mixture.surface.faces, 1));
    skin.computeVertexNormals();
    this.ellipsoids = balls;
    this.surface = new Mesh(skin, new MeshLambertMaterial({ color: 0xb9c3cf }));
    this.content.add(balls, this.surface);
  }

  private clear(): void {
    for (const object of [this.cloud, this.mark, this.ellipsoids, this.surface]) object?.geometry.dispose();
    this.ellipsoids?.dispose();
    this.content.clear();
    this.ellipsoids = this.surface = null;
  }
}
