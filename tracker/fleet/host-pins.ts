import * as z from 'zod';
import { ConfigError } from '../../src/errors.ts';
import type { AuditLog } from '../audit/index.ts';
import type { Store } from '../store/index.ts';
import { expectation, parseEntry, put, tryAgain } from './entries.ts';
import { memberKey, memberSchema } from './records.ts';

/** What an operator has fixed of a host: that it does nothing, or on which image an app stays. */
export const pinsSchema = z.strictObject({
  isHeld: z.boolean(),
  /** Image ids by app. */
  pins: z.record(z.string().max(100), z.string().max(200)),
});
export type Pins = z.output<typeof pinsSchema>;

export const pinsPrefix = 'pins/';
export const pinsKey = (peerId: string): string => `${pinsPrefix}${peerId}`;
export const noPins: Pins = { isHeld: false, pins: {} };

export type PinChange =
  | { readonly type: 'hold' | 'release' }
  | { readonly type: 'pin'; readonly app: string; readonly imageId: string }
  | { readonly type: 'unpin'; readonly app: string };

/** Pins and holds of hosts: they hold whatever is released, until they are taken back. */
export class HostPins {
  readonly #store: Store;
  readonly #audit: AuditLog;

  constructor({ store, audit }: { readonly store: Store; readonly audit: AuditLog }) {
    this.#store = store;
    this.#audit = audit;
  }

  async of(peerId: string): Promise<Pins> {
    const entry = await this.#store.get(pinsKey(peerId));
    return entry === undefined ? noPins : parseEntry(pinsSchema, entry);
  }

  /** @returns what holds now @throws ConfigError CONFIG_INVALID when there is no such member */
  async change(peerId: string, change: PinChange, actor: string): Promise<Pins> {
    const key = pinsKey(peerId);
    return await tryAgain(async () => {
      const member = await this.#store.get(memberKey(peerId));
      if (member === undefined || parseEntry(memberSchema, member).state === 'revoked') {
        throw new ConfigError('CONFIG_INVALID', `${peerId} does not belong to this fleet`);
      }
      const entry = await this.#store.get(key);
      const before = entry === undefined ? noPins : parseEntry(pinsSchema, entry);
      const after = changedPins(before, change);
      const { type, ...detail } = change;
      await this.#audit.commit(
        // Of who is revoked meanwhile nothing is kept.
        { expect: [expectation(key, entry), member], put: [put(key, after)] },
        { actor, action: `host.${type}`, subject: peerId, outcome: 'done', detail },
      );
      return after;
    });
  }
}

function changedPins({ isHeld, pins }: Pins, change: PinChange): Pins {
  switch (change.type) {
    case 'hold':
      return { isHeld: true, pins };
    case 'release':
      return { isHeld: false, pins };
    case 'pin':
      return { isHeld, pins: { ...pins, [change.app]: change.imageId } };
    case 'unpin':
      return {
        isHeld,
        pins: Object.fromEntries(Object.entries(pins).filter(([app]) => app !== change.app)),
      };
  }
}
