// What dots are coloured by: a class of a few, or a number on a ramp.
import type { Atlas } from "./explore-data";

export interface Colouring {
  title: string;
  /** Colour of every shape, as an index into `colours`. */
  of: Uint16Array;
  colours: string[];
  /** Names of the groups, for a legend that can be clicked; empty for numbers. */
  names: string[];
  /** The two ends of a ramp. */
  range: [string, string] | null;
}

const GREY = "#8a939d";

function groups(title: string, atlas: Atlas, which: (shape: number) => number, names: string[]): Colouring {
  const none = names.length;
  const of = Uint16Array.from({ length: atlas.count }, (_, i) => (which(i) < 0 ? none : which(i)));
  const colours = [...names.map((_, i) => atlas.colours[i % atlas.colours.length]!), GREY];
  return { title, of, colours, names: of.includes(none) ? [...names, "none"] : names, range: null };
}

function numbers(title: string, atlas: Atlas, value: (shape: number) => number, told: (v: number) => string): Colouring {
  const values = Float64Array.from({ length: atlas.count }, (_, i) => value(i));
  // Ranks: one huge shape among small ones would leave all others in one colour.
  const order = Array.from(values.keys()).sort((a, b) => values[a]! - values[b]!);
  const of = new Uint16Array(atlas.count);
  order.forEach((shape, rank) => (of[shape] = Math.floor((rank * atlas.ramp.length) / Math.max(1, atlas.count))));
  const ends: [string, string] = [told(values[order[0]!]!), told(values[order[order.length - 1]!]!)];
  return { title, of, colours: atlas.ramp, names: [], range: ends };
}

export function colourings(atlas: Atlas): Colouring[] {
  const first = atlas.views[0]!;
  const short = (v: number) => (v === 0 ? "0" : v >= 1000 || v < 0.01 ? v.toExponential(1) : v.toPrecision(3));
  const far = (i: number) => {
    const row = first.far.subarray(first.k * i, first.k * i + 5);
    return row.reduce((sum, one) => sum + one, 0) / Math.max(1, row.length);
  };
  const all: Colouring[] = [];
  if (atlas.classes.length) all.push(groups("class", atlas, (i) => atlas.label[i]!, atlas.classes));
  if (atlas.clusterNames.length) all.push(groups("cluster", atlas, (i) => atlas.cluster[i]!, atlas.clusterNames));
  all.push(numbers("how alone (distance to neighbours)", atlas, far, short));
  all.push(numbers("size (diagonal, in units of the file)", atlas, (i) => atlas.size[i]!, short));
  all.push(numbers("density (points in the file)", atlas, (i) => atlas.stored[i]!, (v) => v.toLocaleString("en")));
  if (atlas.split) {
    const names = [...new Set(atlas.split)].sort();
    all.push(groups("split", atlas, (i) => names.indexOf(atlas.split![i]!), names));
  }
  const predicted = first.predicted;
  if (predicted) {
    all.push(groups("prediction (votes of neighbours)", atlas, (i) => predicted[i]!, atlas.classes));
    const wrong = (i: number) => (atlas.label[i]! < 0 ? -1 : Number(predicted[i] !== atlas.label[i]));
    all.push(groups("error (neighbours vote otherwise)", atlas, wrong, ["as its neighbours", "otherwise"]));
  }
  return all;
}
