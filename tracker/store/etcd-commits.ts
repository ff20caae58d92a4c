import { randomUUID } from 'node:crypto';
import {
  CompareResult,
  CompareTarget,
  EtcdLeaseInvalidError,
  type ICompare,
  type IRequestOp,
  type ITxnRequest,
  type ITxnResponse,
} from 'etcd3';
import { StarlingError } from '../../src/errors.ts';
import { etcdReason, isFull, isTransient, wasRefused, type EtcdHosts } from './etcd-hosts.ts';
import type { EtcdKeys } from './etcd-keys.ts';
import { conflict, readOnly, unknownOutcome, type Transaction } from './store.ts';

/** Slots of a tracker that died go with their lease. */
const leaseSeconds = 3_600;
const leaseRenewalMs = (leaseSeconds * 1_000) / 2;
/** How often a commit may find that its slot or its lease is not what it was. */
const mostRounds = 5;

/** A key of this process that takes the mark of one commit at a time. */
interface Slot {
  readonly key: Buffer;
  /** At which it was last seen. */
  revision: number;
}

/**
 * Commits that are done once, though an answer may be lost and the commit is sent again. Each has a slot:
 * its transaction expects that the slot is as it was, and leaves its mark there. So of two attempts one
 * at most is done, and what was done by an attempt whose answer was lost is known by the mark.
 */
export class EtcdCommits {
  readonly #hosts: EtcdHosts;
  readonly #keys: EtcdKeys;
  readonly #name = randomUUID();
  readonly #free: Slot[] = [];
  #slotCount = 0;
  #lease: { readonly id: Promise<string>; readonly endMs: number } | undefined;

  constructor(components: { readonly hosts: EtcdHosts; readonly keys: EtcdKeys }) {
    this.#hosts = components.hosts;
    this.#keys = components.keys;
  }

  /** @throws StoreError, as `Store.commit` */
  async commit(transaction: Transaction): Promise<number> {
    const slot = this.#free.pop() ?? this.#newSlot();
    try {
      return await this.#commitBy(slot, transaction);
    } finally {
      this.#free.push(slot);
    }
  }

  /** Takes the slots away, as far as etcd answers. */
  async end(): Promise<void> {
    const id = await this.#lease?.id.catch(() => undefined);
    if (id === undefined) return;
    await this.#hosts
      .call((client, options) => client.leaseClient.leaseRevoke({ ID: id }, options))
      .catch(() => undefined);
  }

  async #commitBy(slot: Slot, transaction: Transaction): Promise<number> {
    const mark = Buffer.from(randomUUID());
    const endMs = performance.now() + this.#hosts.callTimeoutMs;
    let isUncertain = false;
    for (let round = 1; round <= mostRounds; round++) {
      try {
        const lease = await this.#leaseId(endMs);
        const request = this.#request(transaction, slot, mark, lease);
        const answer = await this.#hosts.call(
          async (client, options) => {
            try {
              return await client.kv.txn(request, options);
            } catch (error) {
              isUncertain ||= !wasRefused(error);
              throw error;
            }
          },
          { endMs },
        );
        const revision = readAnswer(answer, { transaction, slot, mark, isUncertain });
        if (revision !== undefined) return revision;
      } catch (error) {
        if (error instanceof StarlingError) throw error;
        if (error instanceof EtcdLeaseInvalidError) this.#lease = undefined;
        // With its lease a slot is gone, and with it the mark of an attempt before this one.
        if (error instanceof EtcdLeaseInvalidError && !isUncertain) continue;
        const reason = etcdReason(error);
        throw isUncertain ? unknownOutcome(reason, error) : readOnly(reason, error);
      }
    }
    const reason = 'another program changes the own keys of the store in etcd';
    throw isUncertain ? unknownOutcome(reason) : readOnly(reason);
  }

  #request(
    { expect = [], put = [], remove = [] }: Transaction,
    slot: Slot,
    mark: Buffer,
    lease: string,
  ): ITxnRequest {
    const expected = expect.map(({ key, revision }) => ({ key: this.#keys.encode(key), revision }));
    const compare = [slot, ...expected].map(({ key, revision }): ICompare => ({
      target: CompareTarget.Mod,
      result: CompareResult.Equal,
      key,
      mod_revision: revision,
    }));
    const success: IRequestOp[] = [
      { request_put: { key: slot.key, value: mark, lease } },
      ...put.map(({ key, value }) => ({
        request_put: { key: this.#keys.encode(key), value: Buffer.from(value) },
      })),
      ...remove.map((key) => ({ request_delete_range: { key: this.#keys.encode(key) } })),
    ];
    const failure: IRequestOp[] = [
      { request_range: { key: slot.key } },
      ...expected.map(({ key }) => ({ request_range: { key, keys_only: true } })),
    ];
    return { compare, success, failure };
  }

  #newSlot(): Slot {
    const key = this.#keys.own(`commits/${this.#name}/${this.#slotCount++}`);
    return { key, revision: 0 };
  }

  /** The lease of the slots. It is not renewed but replaced: each commit moves its slot to the newest. */
  async #leaseId(endMs: number): Promise<string> {
    const nowMs = performance.now();
    if (this.#lease === undefined || nowMs > this.#lease.endMs) {
      const id = this.#hosts
        .call((client, options) => client.leaseClient.leaseGrant({ TTL: leaseSeconds }, options), {
          endMs,
        })
        .then((granted) => granted.ID);
      this.#lease = { id, endMs: nowMs + leaseRenewalMs };
    }
    const lease = this.#lease;
    try {
      return await lease.id;
    } catch (error) {
      if (this.#lease === lease) this.#lease = undefined;
      throw error;
    }
  }
}

/**
 * The revision of a commit that was done, by this attempt or one before; undefined: the slot was not as it
 * was thought to be, and now is, so try again.
 * @throws StoreError STORE_CONFLICT; STORE_FAILED when the slot is gone, and with it the mark of an attempt
 */
function readAnswer(
  answer: ITxnResponse,
  {
    transaction,
    slot,
    mark,
    isUncertain,
  }: { transaction: Transaction; slot: Slot; mark: Buffer; isUncertain: boolean },
): number | undefined {
  if (answer.succeeded) {
    slot.revision = Number(answer.header.revision);
    return slot.revision;
  }
  const [found, ...expected] = answer.responses.map(({ response_range }) => response_range.kvs[0]);
  const seen = Number(found?.mod_revision ?? 0);
  const moved = seen !== slot.revision;
  slot.revision = seen;
  if (found?.value.equals(mark)) return seen;
  if (moved) {
    if (isUncertain && seen === 0) throw unknownOutcome('etcd was out of reach for too long');
    return undefined;
  }
  const unmet = (transaction.expect ?? []).filter(
    ({ revision }, index) => Number(expected[index]?.mod_revision ?? 0) !== revision,
  );
  throw conflict(unmet.map(({ key }) => key));
}

/** Whether a commit failed because etcd could not be reached, or is full. */
export const showsLoss = (error: unknown): boolean =>
  error instanceof StarlingError && (isTransient(error.cause) || isFull(error.cause));
