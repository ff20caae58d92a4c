import type { AnnounceResponse } from '../../../src/swarm/announce.ts';
import type { SwarmAnswer } from '../../../src/swarm/announce-batch.ts';
import type { OriginTalk } from '../../../src/swarm/origin-permit.ts';
import type { SwarmTalk, TrackerSession } from '../../../src/swarm/tracker-session.ts';
import { Moments } from '../../tools/moments.ts';

/** A swarm that notes what its trackers say. */
export class WatchedTalk implements SwarmTalk {
  readonly infoHash: Buffer;
  readonly answers: SwarmAnswer[] = [];
  readonly foreign: AnnounceResponse[] = [];
  readonly reachable: boolean[] = [];
  origin: OriginTalk | undefined;
  leftBytes = 5;
  readonly #moments = new Moments();

  constructor(name: number) {
    this.infoHash = Buffer.alloc(20, name);
  }

  get hash(): string {
    return this.infoHash.toString('hex');
  }

  claim(): ReturnType<SwarmTalk['claim']> {
    return { leftBytes: this.leftBytes };
  }

  describe(): ReturnType<SwarmTalk['describe']> {
    const bytes = { uploadedBytes: 0, downloadedBytes: 0, leftBytes: this.leftBytes };
    const { infoHash } = this;
    return {
      infoHash,
      peerId: Buffer.alloc(20, 'p'),
      port: 6_881,
      sealed: false,
      wanted: 1,
      ...bytes,
    };
  }

  isStarving(): boolean {
    return false;
  }

  onAnswer(answer: SwarmAnswer): void {
    this.answers.push(answer);
    this.#moments.changed();
  }

  onForeignAnswer(answer: AnnounceResponse): void {
    this.foreign.push(answer);
    this.#moments.changed();
  }

  onReachable(_session: TrackerSession, reachable: boolean): void {
    this.reachable.push(reachable);
    this.#moments.changed();
  }

  /** Waits until that many announces were answered. */
  async answered(times: number): Promise<void> {
    await this.#moments.until(() => this.answers.length + this.foreign.length >= times);
  }
}
