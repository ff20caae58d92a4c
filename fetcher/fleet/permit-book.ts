import { dirname } from 'node:path';
import * as z from 'zod';
import type { Permit } from '../../src/control/index.ts';
import { ActivationError } from '../../src/errors.ts';
import type { Durability } from '../../src/image/index.ts';
import { Turns } from '../abortable.ts';
import { makeDirectory, onDisk, readSmallFile, replaceFile } from '../atomic-file.ts';
import type { Log } from '../guard.ts';

export interface PermitBookComponents {
  readonly durability: Durability;
  readonly log: Log;
  /**
   * The fleet's time in milliseconds since 1970, never behind it; undefined: this host is in no fleet,
   * or has heard of no time yet. Then no permit to activate holds.
   */
  readonly fleetTimeMs: () => number | undefined;
}

export interface PermitBookInit {
  /** Where it is kept. */
  readonly path: string;
}

/** What a rollout says to this host, as it was said last. */
export interface Order {
  readonly action: Permit['action'];
  /** The image id of the release that it is about. */
  readonly release: string;
  readonly epoch: number;
  /** In fleet time: an activation must not begin later. Nothing was granted without it. */
  readonly validUntilMs: number;
}

const count = z.int().nonnegative();
const recordSchema = z.strictObject({ heard: count, acted: count, numbered: count });

type BookRecord = z.output<typeof recordSchema>;

const maxRecordBytes = 4_096;
/** Numbers of reports are kept for so many ahead, so that not each of them costs a write. */
const numbersAhead = 300_000;
/** For work that nothing ends: what was begun to be written is written. */
const never = new AbortController().signal;

/**
 * What one channel of this host has heard of its rollouts, and has done. The highest epochs are on
 * disk before they are told or acted upon, so they outlast a kill:
 *
 * - An epoch below the highest that was heard is void.
 * - Each epoch is acted on once at most. It is written down before anything is begun, so a kill between
 *   the two errs to the side of not moving: the report says that the epoch was acted on and that what
 *   ran before runs, which the rollout takes for an activation that went back. It does not wait for it
 *   for ever, counts it as a failure, and may permit it again by a new epoch.
 * - What can't be written is not acted on. The tracker says it again, until its deadline.
 */
export class PermitBook {
  readonly #components: PermitBookComponents;
  readonly #path: string;
  readonly #turns = new Turns();
  #record: BookRecord;
  /** The last order, also while it is not on disk yet: it voids the one before at once. */
  #order: Order | undefined;
  #begun = 0;
  #number: number;

  private constructor(components: PermitBookComponents, init: PermitBookInit, record: BookRecord) {
    this.#components = components;
    this.#path = init.path;
    this.#record = record;
    this.#number = record.numbered;
  }

  /**
   * Opens what was kept. What is damaged or can't be read counts as nothing, and is said: leases hold
   * all the same, and an epoch that is acted on twice finds its release current, or tries it once more.
   */
  static async open(components: PermitBookComponents, init: PermitBookInit): Promise<PermitBook> {
    const { path } = init;
    let record: BookRecord = { heard: 0, acted: 0, numbered: 0 };
    try {
      const text = await readSmallFile(path, maxRecordBytes);
      if (text !== undefined) record = recordSchema.parse(JSON.parse(text));
    } catch (error) {
      components.log.error(
        { err: error, path },
        'what was kept of permits can not be read; the epochs of rollouts are learnt anew',
      );
    }
    return new PermitBook(components, init, record);
  }

  /** The highest epoch that was heard, once it is on disk. */
  get heard(): number {
    return this.#record.heard;
  }

  /** The highest epoch that was acted on, from just before. */
  get acted(): number {
    return this.#record.acted;
  }

  /** What is to be done, or to be left; undefined when nothing was said, or it was acted on. */
  get order(): Order | undefined {
    const order = this.#order;
    return order && order.epoch > this.#record.acted ? order : undefined;
  }

  /** Whether an order still holds: no other came after it, and its lease has not ended. */
  holds(order: Order): boolean {
    return this.#whyVoid(order) === undefined;
  }

  /**
   * Takes in what a tracker says of this channel. It holds at once; it is heard when this returns.
   * @throws StorageError when it can't be kept
   */
  async take(permits: readonly Permit[]): Promise<void> {
    for (const permit of permits) this.#hear(orderOf(permit));
    const epoch = this.#order?.epoch ?? 0;
    if (epoch <= this.#record.heard) return;
    await this.#write((record) => ({ ...record, heard: Math.max(record.heard, epoch) }));
  }

  #hear(order: Order): void {
    const last = this.#order;
    if (order.epoch < Math.max(this.#record.heard, last?.epoch ?? 0)) return;
    if (last === undefined || order.epoch > last.epoch) {
      this.#order = order;
    } else if (order.action === last.action && order.release === last.release) {
      const validUntilMs = Math.max(last.validUntilMs, order.validUntilMs);
      this.#order = { ...last, validUntilMs };
    }
  }

  /**
   * Notes that an order is acted on, immediately before it is.
   * @throws ActivationError ACTIVATION_NOT_PERMITTED when it may not be, or not any more;
   *   StorageError. Then it must not be acted on.
   */
  async begin(order: Order): Promise<void> {
    const { epoch } = order;
    if (epoch <= Math.max(this.#record.acted, this.#begun)) {
      throw notPermitted(order, 'it was acted on already');
    }
    this.#check(order);
    const before = this.#begun;
    this.#begun = epoch;
    try {
      await this.#write(({ heard, acted, numbered }) => ({
        heard: Math.max(heard, epoch),
        acted: Math.max(acted, epoch),
        numbered,
      }));
    } catch (error) {
      this.#begun = before;
      throw error;
    }
    // Writing may take long, and what is void meanwhile is not begun.
    this.#check(order);
  }

  #check(order: Order): void {
    const why = this.#whyVoid(order);
    if (why !== undefined) throw notPermitted(order, why);
  }

  #whyVoid({ action, epoch }: Order): string | undefined {
    const last = this.#order;
    if (last?.epoch !== epoch) return 'another order came after it';
    if (action !== 'activate') return undefined;
    const nowMs = this.#components.fleetTimeMs();
    if (nowMs === undefined) return "the fleet's time is not known here";
    return nowMs < last.validUntilMs ? undefined : 'its lease has ended';
  }

  /**
   * The number of the next report: fleet time, or more. It grows also over restarts; where that can't
   * be kept, by fleet time alone: a host whose disk is full is to be heard all the same.
   */
  async nextNumber(): Promise<number> {
    const number = Math.max(this.#number + 1, Math.floor(this.#components.fleetTimeMs() ?? 0));
    this.#number = number;
    if (number > this.#record.numbered) {
      const numbered = number + numbersAhead;
      try {
        await this.#write((record) => ({ ...record, numbered }));
      } catch (error) {
        this.#components.log.error({ err: error }, 'the number of a report can not be kept');
      }
    }
    return number;
  }

  async #write(change: (record: BookRecord) => BookRecord): Promise<void> {
    const { durability } = this.#components;
    await this.#turns.take(never, async () => {
      const next = change(this.#record);
      await onDisk('Keeping the permits', this.#path, async () => {
        await makeDirectory(durability, dirname(this.#path));
        await replaceFile(durability, this.#path, `${JSON.stringify(next)}\n`);
      });
      this.#record = next;
    });
  }
}

const orderOf = ({ action, release, epoch, validUntil }: Permit): Order => ({
  action,
  release,
  epoch,
  validUntilMs: validUntil === undefined ? 0 : Date.parse(validUntil),
});

const notPermitted = ({ epoch, release }: Order, why: string): ActivationError =>
  new ActivationError(
    'ACTIVATION_NOT_PERMITTED',
    `the permit of epoch ${epoch} for ${release} does not hold: ${why}; its rollout gives another one`,
    { evidence: { epoch, release } },
  );
