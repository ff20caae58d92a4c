import type { FastifyBaseLogger } from 'fastify';
import * as z from 'zod';
import { ConfigError } from '../../src/errors.ts';
import { digestOf, makeToken, type AccessToken } from '../access-token.ts';
import type { AuditLog } from '../audit/index.ts';
import { assertOperatorName, callerAmong, maxOperators, type Operator } from '../rest/index.ts';
import type { Entry, Store } from '../store/index.ts';
import { expectation, listAll, parseEntry, put, tryAgain } from './entries.ts';

export interface FleetOperatorsComponents {
  readonly store: Store;
  readonly audit: AuditLog;
  /** The token of the operator `admin`, which is of this tracker alone. */
  readonly adminToken: AccessToken;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly log: FastifyBaseLogger;
}

const prefix = 'operators/';
const keyOf = (name: string): string => `${prefix}${name}`;

const recordSchema = z.object({
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime().optional(),
  by: z.string().max(256),
});
type OperatorRecord = z.output<typeof recordSchema>;

/** One as it is told: without the digest of its token. */
export type ToldOperator = Omit<OperatorRecord, 'sha256'> & { readonly name: string };

/**
 * The operators of a fleet, which are in the store, so that all its trackers know the same, and each change
 * has its entry in the audit log. What a watch tells is held in memory: a call waits for no store.
 */
export class FleetOperators implements AsyncDisposable {
  readonly #components: FleetOperatorsComponents;
  readonly #closing = new AbortController();
  #operators: ReadonlyMap<string, Operator> = new Map();
  #watching: Promise<void> = Promise.resolve();

  private constructor(components: FleetOperatorsComponents) {
    this.#components = components;
  }

  /** @throws StoreError when the store can't be read */
  static async open(components: FleetOperatorsComponents): Promise<FleetOperators> {
    const operators = new FleetOperators(components);
    await operators.#read();
    operators.#watching = operators.#watch();
    return operators;
  }

  /** The name of the operator whose token an `authorization` header carries. */
  identify(authorization: string | undefined, nowMs: number): Promise<string | undefined> {
    const { adminToken } = this.#components;
    return Promise.resolve(callerAmong(this.#operators.values(), adminToken, authorization, nowMs));
  }

  /**
   * Makes an operator. Its token is told this once.
   * @throws ConfigError CONFIG_INVALID for a name that can't be, CONFIG_IN_USE for one that is there
   */
  async create(
    { name, ttlMs }: { readonly name: string; readonly ttlMs?: number | undefined },
    actor: string,
  ): Promise<ToldOperator & { readonly token: string }> {
    const { store, audit, now } = this.#components;
    assertOperatorName(name);
    const token = makeToken();
    const record: OperatorRecord = {
      sha256: digestOf(token).toString('hex'),
      createdAt: new Date(now()).toISOString(),
      ...(ttlMs === undefined ? {} : { expiresAt: new Date(now() + ttlMs).toISOString() }),
      by: actor,
    };
    await tryAgain(async () => {
      const entries = await listAll(store, prefix);
      const key = keyOf(name);
      if (entries.some((entry) => entry.key === key)) throw inUse(name);
      if (entries.length >= maxOperators) throw tooMany();
      const detail = record.expiresAt === undefined ? {} : { expiresAt: record.expiresAt };
      await audit.commit(
        { expect: [{ key, revision: 0 }], put: [put(key, record)] },
        { actor, action: 'operator.create', subject: name, outcome: 'done', detail },
      );
    });
    await this.#read();
    return { ...told(name, record), token };
  }

  /** By name; without `admin`. */
  async list(): Promise<ToldOperator[]> {
    const entries = await listAll(this.#components.store, prefix);
    return entries.map((entry) => told(nameOf(entry), parseEntry(recordSchema, entry)));
  }

  /** @throws ConfigError CONFIG_INVALID when there is none of that name */
  async revoke(name: string, actor: string): Promise<void> {
    const { store, audit } = this.#components;
    assertOperatorName(name);
    await tryAgain(async () => {
      const entry = await store.get(keyOf(name));
      if (entry === undefined) {
        throw new ConfigError('CONFIG_INVALID', `this fleet has no operator ${name}`);
      }
      await audit.commit(
        { expect: [expectation(entry.key, entry)], remove: [entry.key] },
        { actor, action: 'operator.revoke', subject: name, outcome: 'done' },
      );
    });
    await this.#read();
  }

  async #read(): Promise<void> {
    const entries = await listAll(this.#components.store, prefix);
    this.#operators = new Map(entries.flatMap((entry) => this.#understood(entry)));
  }

  /** One that can't be read is left out: nobody else is to be locked out for it. */
  #understood(entry: Entry): [string, Operator][] {
    const name = nameOf(entry);
    try {
      const { sha256, createdAt, expiresAt } = parseEntry(recordSchema, entry);
      const digest = Buffer.from(sha256, 'hex');
      const ends = expiresAt === undefined ? undefined : new Date(expiresAt);
      return [[name, { name, digest, createdAt: new Date(createdAt), expiresAt: ends }]];
    } catch (error) {
      this.#components.log.error({ err: error, operator: name }, 'an operator is left out');
      return [];
    }
  }

  /** What other trackers change. While the store can't be read, those of before stay. */
  async #watch(): Promise<void> {
    const { store, log } = this.#components;
    const { signal } = this.#closing;
    try {
      for await (const batch of store.watch(prefix, { signal })) {
        if (batch.length === 0) continue;
        await this.#read().catch((error: unknown) => {
          log.error({ err: error }, "the operators can't be read, and stay as they were");
        });
      }
    } catch (error) {
      if (!signal.aborted) log.error({ err: error }, 'operators are not followed any more');
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#watching;
  }
}

const nameOf = ({ key }: Entry): string => key.slice(prefix.length);

const told = (name: string, { createdAt, expiresAt, by }: OperatorRecord): ToldOperator => ({
  name,
  createdAt,
  ...(expiresAt === undefined ? {} : { expiresAt }),
  by,
});

const inUse = (name: string): ConfigError =>
  new ConfigError(
    'CONFIG_IN_USE',
    `there is an operator ${name} already: revoke it first, or choose another name`,
    { evidence: { name } },
  );

const tooMany = (): ConfigError =>
  new ConfigError(
    'CONFIG_INVALID',
    `this fleet has ${maxOperators} operators, and has no more: revoke those that are over`,
  );
