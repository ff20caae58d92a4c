import { seededBytes, seededRandom } from '../tools/seeded-random.ts';
import type { Sketched, TreeSketch } from '../tools/tree-sketch.ts';

const letters = [...'aabz09AZ-._ ~+', '\u00e9', 'e\u0301', '\u{1f680}', '\uffe6', '\u65e5'];
const maxEntries = 40;
const maxDepth = 5;

/** A tree of up to 40 entries below five directories; the same for the same seed. */
export function randomSketch(seed: number, pieceSizeBytes: number): TreeSketch {
  const random = seededRandom(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  const sketch: Record<string, Sketched> = {};

  const name = (): string => {
    const text = Array.from({ length: 1 + below(6) }, () => letters[below(letters.length)]).join(
      '',
    );
    return /^\.{1,2}$/.test(text) ? `${text}x` : text;
  };
  const sizeBytes = (): number => {
    const unit = [1, 16_384, pieceSizeBytes, pieceSizeBytes][below(4)] ?? 1;
    return Math.max(0, unit * below(4) + below(3) - 1);
  };
  const link = (depth: number): string => {
    const paths = Object.keys(sketch);
    const target = paths.length > 0 && below(4) > 0 ? paths[below(paths.length)] : name();
    return `${'../'.repeat(depth)}${target ?? 'nowhere'}`;
  };
  const entry = (depth: number): Sketched => {
    const content = seededBytes(below(1_000), sizeBytes());
    const kind = below(10);
    if (kind === 0) return { executable: content };
    return kind < 3 ? { link: link(depth) } : content;
  };
  const fill = (parents: readonly string[]) => {
    const taken = new Set<string>();
    for (let left = 1 + below(8); left > 0; left--) {
      const own = name();
      if (taken.has(own) || Object.keys(sketch).length >= maxEntries) continue;
      taken.add(own);
      const path = [...parents, own];
      if (parents.length < maxDepth && below(3) === 0) fill(path);
      else sketch[path.join('/')] = entry(parents.length);
    }
  };

  fill([]);
  return sketch;
}
