// Reads the payload that src/pointssl/show/explore/page.py writes: a JSON header and one gzipped block of arrays.

interface Place {
  type: "float32" | "int8" | "int16" | "uint16" | "uint32";
  shape: number[];
  offset: number;
}

interface Header {
  title: string;
  count: number;
  up: "x" | "y" | "z";
  names: string[];
  origins: string[];
  classes: string[];
  label: Place;
  perShape: number;
  points: Place | null;
  stored: Place;
  size: Place;
  cluster: Place;
  clusterNames: string[];
  copies: number[][];
  split: string[] | null;
  colours: string[];
  ramp: string[];
  views: {
    name: string;
    maps: { title: string; note: string; places: Place }[];
    near: Place;
    far: Place;
    odd: [number, number][];
    predicted: Place | null;
  }[];
  block: string;
}

export interface View {
  name: string;
  maps: { title: string; note: string; places: Uint16Array }[];
  /** Neighbours of each shape, `k` a row, NONE where there are fewer. */
  near: Uint32Array;
  far: Float32Array;
  k: number;
  odd: [number, number][];
  predicted: Int16Array | null;
}

export interface Atlas {
  title: string;
  count: number;
  up: "x" | "y" | "z";
  names: string[];
  origins: string[];
  classes: string[];
  label: Int16Array;
  stored: Uint32Array;
  size: Float32Array;
  cluster: Int16Array;
  clusterNames: string[];
  copies: number[][];
  split: string[] | null;
  colours: string[];
  ramp: string[];
  views: View[];
  /** Coordinates of a shape in 127ths of its radius; null until the server has sent them. */
  points(shape: number): Int8Array | null;
  /** Called when points have come that were asked for. */
  arrived: () => void;
}

export const NONE = 2 ** 32 - 1;
/** Shapes whose points come from a server in one answer. */
const CHUNK = 256;

export async function read(json: string): Promise<Atlas> {
  const header = JSON.parse(json) as Header;
  const bytes = Uint8Array.from(atob(header.block), (letter) => letter.charCodeAt(0));
  const block = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
  const size = (place: Place) => place.shape.reduce((product, side) => product * side, 1);
  const i16 = (place: Place) => new Int16Array(block, place.offset, size(place));
  const u16 = (place: Place) => new Uint16Array(block, place.offset, size(place));
  const u32 = (place: Place) => new Uint32Array(block, place.offset, size(place));
  const f32 = (place: Place) => new Float32Array(block, place.offset, size(place));
  const each = 3 * header.perShape;
  const all = header.points ? new Int8Array(block, header.points.offset, size(header.points)) : null;
  const chunks = new Map<number, Int8Array | null>();
  const atlas: Atlas = {
    ...header,
    label: i16(header.label),
    stored: u32(header.stored),
    size: f32(header.size),
    cluster: i16(header.cluster),
    views: header.views.map((view) => ({
      name: view.name,
      maps: view.maps.map((map) => ({ title: map.title, note: map.note, places: u16(map.places) })),
      near: u32(view.near),
      far: f32(view.far),
      k: view.near.shape[1]!,
      odd: view.odd,
      predicted: view.predicted ? i16(view.predicted) : null,
    })),
    points(shape) {
      if (all) return all.subarray(each * shape, each * (shape + 1));
      const number = Math.floor(shape / CHUNK);
      if (!chunks.has(number)) {
        chunks.set(number, null);
        void fetch(`points/${number}`)
          .then((answer) => (answer.ok ? answer.arrayBuffer() : Promise.reject(new Error(answer.statusText))))
          .then((buffer) => {
            chunks.set(number, new Int8Array(buffer));
            atlas.arrived();
          })
          .catch(() => chunks.delete(number));
      }
      const chunk = chunks.get(number);
      const start = each * (shape - CHUNK * number);
      return chunk ? chunk.subarray(start, start + each) : null;
    },
    arrived: () => undefined,
  };
  return atlas;
}
