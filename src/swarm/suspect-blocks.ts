import { hashBytes, hashBlocks } from '../image/index.ts';

interface Statement {
  readonly block: number;
  readonly source: string;
  readonly hash: Buffer;
}

/**
 * Finds who lied when a piece failed that several peers had sent: what each of them sent is kept
 * as a hash, and compared when the right blocks are here. Nobody is accused on suspicion.
 */
export class SuspectBlocks {
  readonly #statements = new Map<number, Statement[]>();

  has(piece: number): boolean {
    return this.#statements.has(piece);
  }

  note(piece: number, statements: readonly Statement[]): void {
    this.#statements.set(piece, [...(this.#statements.get(piece) ?? []), ...statements]);
  }

  /** @returns the ids of the peers that had sent something else than what is now verified */
  convict(piece: number, verified: Buffer): Set<string> {
    const statements = this.#statements.get(piece);
    if (statements === undefined) return new Set();
    this.#statements.delete(piece);
    const leaves = hashBlocks(verified);
    const liars = statements.filter(({ block, hash }) => {
      const start = block * hashBytes;
      return !leaves.subarray(start, start + hashBytes).equals(hash);
    });
    return new Set(liars.map(({ source }) => source));
  }
}
