/**
 * Draws `wanted` different indices below `count`, each selection and each order as likely as any
 * other (Fisher and Yates). Takes time and memory for what is wanted, not for what there is.
 * @param random numbers from 0 up to, not including, 1
 */
export function sampleIndices(count: number, wanted: number, random: () => number): number[] {
  const drawn: number[] = [];
  // A shuffle of 0..count-1 of which only the places that moved are held.
  const moved = new Map<number, number>();
  const length = Math.min(count, wanted);
  for (let place = 0; place < length; place++) {
    const from = place + Math.floor(random() * (count - place));
    drawn.push(moved.get(from) ?? from);
    moved.set(from, moved.get(place) ?? place);
  }
  return drawn;
}
