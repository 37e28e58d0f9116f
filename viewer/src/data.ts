// Reads the payload that src/pointssl/show/viewer.py writes: a JSON header and one gzipped block of arrays.

interface Place {
  type: "float32" | "uint8" | "uint16" | "uint32";
  shape: number[];
  offset: number;
}

interface Header {
  up: Axis;
  inside: number;
  parts: string[];
  ramp: string[];
  block: string;
  shapes: {
    name: string;
    points: Place;
    features: { codes: Place; step: number; width: number; kept: number; error: number };
    marks?: { group: Place; colours: string[]; text: string };
    mixture: null | {
      part: Place;
      weight: Place;
      component: Place;
      mean: Place;
      axes: Place;
      level: number;
      surface: { vertices: Place; faces: Place; low: [number, number, number]; step: number };
    };
  }[];
}

export type Axis = "x" | "y" | "z";

export interface Mixture {
  part: Uint16Array;
  weight: Float32Array;
  /** Components that are drawn; row i of `mean` and `axes` belongs to component[i]. */
  component: Uint16Array;
  mean: Float32Array;
  /** Half axes as the columns of row-major 3 x 3 matrices. */
  axes: Float32Array;
  level: number;
  surface: { vertices: Float32Array; faces: Uint16Array | Uint32Array };
}

/** Points in groups with colours of their own, and one sentence: shown instead of parts and distances. */
export interface Marks {
  group: Uint16Array;
  colours: string[];
  text: string;
}

export interface Shape {
  name: string;
  count: number;
  points: Float32Array;
  codes: Uint8Array;
  /** Axes kept of `width`. */
  dims: number;
  width: number;
  step: number;
  kept: number;
  error: number;
  mixture: Mixture | null;
  marks: Marks | null;
}

export interface Payload {
  up: Axis;
  inside: number;
  parts: string[];
  ramp: string[];
  shapes: Shape[];
}

async function unpack(text: string): Promise<ArrayBuffer> {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

export async function read(json: string): Promise<Payload> {
  const header = JSON.parse(json) as Header;
  const block = await unpack(header.block);
  const size = (place: Place) => place.shape.reduce((product, side) => product * side, 1);
  const f32 = (place: Place) => new Float32Array(block, place.offset, size(place));
  const u16 = (place: Place) => new Uint16Array(block, place.offset, size(place));
  const shapes = header.shapes.map((one): Shape => {
    let mixture: Mixture | null = null;
    if (one.mixture) {
      const { surface } = one.mixture;
      const vertices = Float32Array.from(u16(surface.vertices), (code, i) => code * surface.step + surface.low[i % 3]!);
      const faces =
        surface.faces.type === "uint16" ? u16(surface.faces) : new Uint32Array(block, surface.faces.offset, size(surface.faces));
      mixture = {
        part: u16(one.mixture.part),
        weight: f32(one.mixture.weight),
        component: u16(one.mixture.component),
        mean: f32(one.mixture.mean),
        axes: f32(one.mixture.axes),
        level: one.mixture.level,
        surface: { vertices, faces },
      };
    }
    return {
      name: one.name,
      count: one.points.shape[0]!,
      points: f32(one.points),
      codes: new Uint8Array(block, one.features.codes.offset, size(one.features.codes)),
      dims: one.features.codes.shape[1]!,
      width: one.features.width,
      step: one.features.step,
      kept: one.features.kept,
      error: one.features.error,
      mixture,
      marks: one.marks ? { ...one.marks, group: u16(one.marks.group) } : null,
    };
  });
  return { up: header.up, inside: header.inside, parts: header.parts, ramp: header.ramp, shapes };
}

/** Distances of all points to one, in space: units of the points. */
export function spaceDistances(shape: Shape, index: number): Float32Array {
  const p = shape.points;
  const [x, y, z] = [p[3 * index]!, p[3 * index + 1]!, p[3 * index + 2]!];
  return Float32Array.from({ length: shape.count }, (_, i) => Math.hypot(p[3 * i]! - x, p[3 * i + 1]! - y, p[3 * i + 2]! - z));
}

/** Distances of all points to one, in feature space: multiples of the typical distance of two points. */
export function featureDistances(shape: Shape, index: number): Float32Array {
  const { codes, dims, step } = shape;
  return Float32Array.from({ length: shape.count }, (_, i) => {
    let sum = 0;
    for (let axis = 0; axis < dims; axis++) sum += (codes[i * dims + axis]! - codes[index * dims + axis]!) ** 2;
    return step * Math.sqrt(sum);
  });
}
