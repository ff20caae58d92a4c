/** Numbers from 0 to below 1 that are the same for the same seed (mulberry32), for tests. */
export function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Bytes that are the same for the same seed, and that no compression or chance makes equal. */
export function seededBytes(seed: number, sizeBytes: number): Buffer {
  const random = seededRandom(seed);
  const words = new Uint32Array(Math.ceil(sizeBytes / 4));
  for (let index = 0; index < words.length; index++) words[index] = random() * 4_294_967_296;
  return Buffer.from(words.buffer, 0, sizeBytes);
}
