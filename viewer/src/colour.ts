// Colours of points: by part, and by distance along a ramp from near to far.

export function rgb(hex: string): [number, number, number] {
  const value = Number.parseInt(hex.slice(1), 16);
  return [(value >> 16) / 255, ((value >> 8) & 255) / 255, (value & 255) / 255];
}

export function byPart(part: Uint16Array, parts: string[]): Float32Array {
  const table = parts.map(rgb);
  const colours = new Float32Array(3 * part.length);
  part.forEach((p, i) => colours.set(table[p]!, 3 * i));
  return colours;
}

export function byDistance(distance: Float32Array, largest: number, ramp: string[]): Float32Array {
  const table = ramp.map(rgb);
  const colours = new Float32Array(3 * distance.length);
  distance.forEach((d, i) => colours.set(table[Math.min(table.length - 1, Math.floor((table.length * d) / largest))]!, 3 * i));
  return colours;
}
