import { createHash } from 'node:crypto';
import { ConfigError, PeerError } from '../../src/errors.ts';
import type { JoinAnswer, JoinRequest } from '../../src/control/index.ts';
import {
  issueCredential,
  readRevocations,
  signRevocations,
  type Identity,
  type RevocationList,
} from '../../src/trust/sealed.ts';
import type { AuditLog, AuditRecord } from '../audit/index.ts';
import type { Entry, Store, Transaction } from '../store/index.ts';
import { stillNamed } from './ended-revocations.ts';
import { expectation, listAll, parseEntry, put, tryAgain } from './entries.ts';
import { pinsKey } from './host-pins.ts';
import { hostKey } from './host-records.ts';
import { noLongerPending, PendingMembers, type PendingMembersInit } from './pending-members.ts';
import {
  memberKey,
  memberPrefix,
  memberSchema,
  revocationsKey,
  pendingKey,
  revocationsSchema,
  tokenKey,
  tokenPrefix,
  tokenSchema,
  type Grant,
  type Member,
  type Token,
} from './records.ts';

export interface MembersComponents {
  readonly store: Store;
  readonly audit: AuditLog;
  /** Signs credentials and revocations. */
  readonly fleetKey: Identity;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly randomBytes: (count: number) => Buffer;
}

export interface MembersInit {
  /** How long a credential is good, in milliseconds. */
  readonly credentialMs: number;
  /** Who may wait to be approved. */
  readonly pending: PendingMembersInit;
}

export const defaultMembersInit: MembersInit = {
  credentialMs: 3_600_000,
  pending: { most: 500, keptMs: 24 * 3_600_000 },
};

/** A token as it is made: the only time that its secret is known. */
export interface CreatedToken extends Token {
  readonly id: string;
  readonly secret: string;
}

export interface MemberPage {
  readonly members: readonly Member[];
  /** The last peer id, when there are more. */
  readonly next: string | undefined;
}

const secretBytes = 24;

/**
 * Who belongs to the fleet: who may join and by what, who is revoked, and the credentials that say so.
 * Each change is one commit with its audit entry.
 */
export class Members {
  readonly #components: MembersComponents;
  readonly #init: MembersInit;
  readonly #pending: PendingMembers;

  constructor(components: MembersComponents, init: MembersInit = defaultMembersInit) {
    this.#components = components;
    this.#init = init;
    this.#pending = new PendingMembers(components, init.pending);
  }

  /** The fleet's public key as a peer id. */
  get fleetId(): string {
    return this.#components.fleetKey.peerId;
  }

  /** Makes a token by which one host can join. */
  async createToken(grant: Grant, ttlMs: number, actor: string): Promise<CreatedToken> {
    const { now, randomBytes } = this.#components;
    const secret = randomBytes(secretBytes).toString('base64url');
    const id = tokenId(secret);
    const token: Token = {
      ...grant,
      createdAt: timeText(now()),
      expiresAt: timeText(now() + ttlMs),
      by: actor,
    };
    // Refused now rather than when a host comes.
    this.#issue(this.fleetId, grant);
    await this.#commit(
      { put: [put(tokenKey(id), token)], expect: [{ key: tokenKey(id), revision: 0 }] },
      { actor, action: 'token.create', subject: id, detail: { expiresAt: token.expiresAt } },
    );
    return { ...token, id, secret };
  }

  /** The tokens that can still be used, and those that were, until they expire. */
  async tokens(): Promise<(Token & { readonly id: string })[]> {
    const entries = await listAll(this.#components.store, tokenPrefix);
    return entries
      .map((entry) => ({
        ...parseEntry(tokenSchema, entry),
        id: entry.key.slice(tokenPrefix.length),
      }))
      .filter(({ expiresAt }) => Date.parse(expiresAt) > this.#components.now());
  }

  /** @throws ConfigError CONFIG_INVALID when there is no such token */
  async removeToken(id: string, actor: string): Promise<void> {
    await tryAgain(async () => {
      const entry = await this.#components.store.get(tokenKey(id));
      if (entry === undefined) throw new ConfigError('CONFIG_INVALID', `there is no token ${id}`);
      await this.#commit(
        { remove: [entry.key], expect: [entry] },
        { actor, action: 'token.remove', subject: id },
      );
    });
  }

  /**
   * A peer that has proved its peer id asks to belong. With a token it does at once. Without one it
   * waits for an operator, unless it is a member already: then it gets a new credential.
   * @throws PeerError PEER_NOT_MEMBER for a bad token or a revoked peer; StoreError
   */
  async join(request: JoinRequest, peerId: string, remote: string): Promise<JoinAnswer> {
    return await tryAgain(async () => {
      const entry = await this.#components.store.get(memberKey(peerId));
      const member = entry && parseEntry(memberSchema, entry);
      if (member?.state === 'revoked') throw refused(peerId, 'it is revoked');
      if (member?.state === 'member') return { credential: this.#issue(peerId, member) };
      if (request.secret !== undefined) {
        return await this.#joinByToken(request.secret, request, { peerId, remote, entry });
      }
      // One of an older tracker waits where members are.
      if (member === undefined) await this.#ask(request, peerId, remote);
      return { pending: true };
    });
  }

  async #joinByToken(
    secret: string,
    request: JoinRequest,
    who: { peerId: string; remote: string; entry: Entry | undefined },
  ): Promise<JoinAnswer> {
    const { store, now } = this.#components;
    const { peerId, remote } = who;
    const id = tokenId(secret);
    const entry = await store.get(tokenKey(id));
    if (entry === undefined) throw refused(peerId, 'its join token is unknown, or was removed');
    const token = parseEntry(tokenSchema, entry);
    if (token.usedBy !== undefined)
      throw refused(peerId, `its join token was used by ${token.usedBy}`);
    if (Date.parse(token.expiresAt) <= now()) {
      throw refused(peerId, `its join token has expired at ${token.expiresAt}`);
    }
    const decided = noLongerPending(peerId, await this.#pending.of(peerId));
    const grant = { ...grantOf(token), labels: { ...placeOf(request), ...token.labels } };
    const credential = this.#issue(peerId, grant);
    await this.#commit(
      {
        ...decided,
        expect: [entry, expectation(memberKey(peerId), who.entry), ...decided.expect],
        put: [
          put(tokenKey(id), { ...token, usedBy: peerId }),
          put(memberKey(peerId), this.#member(peerId, 'member', grant, `token ${id}`, remote)),
        ],
      },
      { actor: peerId, action: 'member.join', subject: peerId, detail: { token: id, remote } },
    );
    return { credential };
  }

  async #ask(request: JoinRequest, peerId: string, remote: string): Promise<void> {
    const { entry, member } = await this.#pending.of(peerId);
    if (member !== undefined) return;
    const over = await this.#pending.room();
    if (over === undefined) {
      throw refused(peerId, 'too many wait to be approved already; come with a join token');
    }
    const key = pendingKey(peerId);
    const grant = { roles: [], apps: [], labels: placeOf(request) };
    await this.#commit(
      {
        expect: [{ key: memberKey(peerId), revision: 0 }, expectation(key, entry)],
        put: [put(key, this.#member(peerId, 'pending', grant, peerId, remote))],
        remove: over.filter((other) => other !== key),
      },
      { actor: peerId, action: 'member.ask', subject: peerId, detail: { remote } },
    );
  }

  /**
   * Lets a peer in, or changes what a member may do. It may have asked before or not. One that was
   * revoked stays so: its key may be in others' hands, and it needs a new one.
   */
  async approve(peerId: string, grant: Grant, actor: string): Promise<Member> {
    this.#issue(peerId, grant);
    return await tryAgain(async () => {
      const entry = await this.#components.store.get(memberKey(peerId));
      const before = entry && parseEntry(memberSchema, entry);
      if (before?.state === 'revoked') {
        throw refused(
          peerId,
          'it was revoked; let its host make a new identity and join with that',
        );
      }
      const pending = await this.#pending.of(peerId);
      const asked = before?.state === 'pending' ? before : pending.member;
      const labels = { ...asked?.labels, ...grant.labels };
      const remote = before?.remote ?? asked?.remote ?? '';
      const member = this.#member(peerId, 'member', { ...grant, labels }, actor, remote);
      const { expect, remove } = noLongerPending(peerId, pending);
      await this.#commit(
        {
          expect: [expectation(memberKey(peerId), entry), ...expect],
          put: [put(memberKey(peerId), member)],
          remove,
        },
        {
          actor,
          action: 'member.approve',
          subject: peerId,
          detail: { roles: grant.roles, apps: grant.apps },
        },
      );
      return member;
    });
  }

  /**
   * Revokes a peer, member or not, for good: it is on the signed list from now on, as long as it may have a
   * credential that is good. What was kept of its host goes with it.
   * @returns the new list
   */
  async revoke(peerId: string, actor: string): Promise<RevocationList> {
    const { store, fleetKey, now } = this.#components;
    return await tryAgain(async () => {
      const [entry, listEntry] = await Promise.all([
        store.get(memberKey(peerId)),
        store.get(revocationsKey),
      ]);
      const before = listEntry && this.#readList(listEntry);
      if (before?.peerIds.has(peerId) === true) return before;
      const number = (before?.number ?? 0) + 1;
      const named = await stillNamed(this.#components, before, this.#init);
      const peerIds = [...named, peerId];
      const text = signRevocations(fleetKey, { number, peerIds, issuedAt: timeText(now()) });
      const known = entry && parseEntry(memberSchema, entry);
      const member = this.#member(peerId, 'revoked', known ?? noGrant, actor, known?.remote ?? '');
      await this.#commit(
        {
          expect: [expectation(memberKey(peerId), entry), expectation(revocationsKey, listEntry)],
          put: [put(memberKey(peerId), member), put(revocationsKey, { number, text })],
          remove: [pendingKey(peerId), pinsKey(peerId), hostKey(peerId)],
        },
        { actor, action: 'member.revoke', subject: peerId, detail: { list: number } },
      );
      return readRevocations(text, { fleetId: this.fleetId });
    });
  }

  /** The signed list of who is revoked; undefined while nobody ever was. */
  async revocations(): Promise<RevocationList | undefined> {
    const entry = await this.#components.store.get(revocationsKey);
    return entry && this.#readList(entry);
  }

  /** @throws PeerError PEER_NOT_MEMBER when it is none, or none any more; StoreError */
  async credentialFor(peerId: string): Promise<string> {
    const entry = await this.#components.store.get(memberKey(peerId));
    const member = entry && parseEntry(memberSchema, entry);
    if (member?.state !== 'member') throw refused(peerId, 'it does not belong to this fleet');
    return this.#issue(peerId, member);
  }

  /** A member, one that was revoked, or one that waits. */
  async get(peerId: string): Promise<Member | undefined> {
    const entry = await this.#components.store.get(memberKey(peerId));
    if (entry !== undefined) return parseEntry(memberSchema, entry);
    return (await this.#pending.of(peerId)).member;
  }

  /** Members, and who waits, in the order of their peer ids. */
  async list({ limit, after }: { limit: number; after?: string | undefined }): Promise<MemberPage> {
    const [{ entries }, pending] = await Promise.all([
      this.#components.store.list(memberPrefix, {
        after: after === undefined ? undefined : memberKey(after),
        limit: limit + 1,
      }),
      this.#pending.list({ after, limit: limit + 1 }),
    ]);
    const members = [...entries.map((entry) => parseEntry(memberSchema, entry)), ...pending];
    members.sort((one, other) => (one.peerId < other.peerId ? -1 : 1));
    const page = members.slice(0, limit);
    return {
      // Only now: a page goes as far as its last entry, whether that still waits or not.
      members: page.filter((one) => one.state !== 'pending' || this.#pending.waits(one)),
      next: members.length > limit ? page.at(-1)?.peerId : undefined,
    };
  }

  #readList({ value }: Entry): RevocationList {
    const { text } = revocationsSchema.parse(JSON.parse(value));
    return readRevocations(text, { fleetId: this.fleetId });
  }

  #issue(peerId: string, { roles, apps, labels }: Grant): string {
    const { fleetKey, now } = this.#components;
    const times = {
      issuedAt: timeText(now()),
      expiresAt: timeText(now() + this.#init.credentialMs),
    };
    return issueCredential(fleetKey, { peerId, roles, apps, labels, ...times });
  }

  #member(
    peerId: string,
    state: Member['state'],
    { roles, apps, labels }: Grant,
    by: string,
    remote: string,
  ): Member {
    const since = timeText(this.#components.now());
    return { peerId, state, roles, apps, labels, since, by, remote };
  }

  async #commit(transaction: Transaction, record: Omit<AuditRecord, 'outcome'>): Promise<void> {
    await this.#components.audit.commit(transaction, { ...record, outcome: 'done' });
  }
}

const noGrant: Grant = { roles: [], apps: [], labels: {} };

/** By what a token is known; its secret can't be found from it. */
const tokenId = (secret: string): string => createHash('sha256').update(secret).digest('hex');

const timeText = (ms: number): string => new Date(ms).toISOString();

const grantOf = ({ roles, apps, labels }: Grant): Grant => ({ roles, apps, labels });

/** Of what a host says of itself only where it stands is taken. */
function placeOf({ labels }: JoinRequest): Record<string, string> {
  const place = Object.entries(labels).filter(
    ([name, value]) => (name === 'zone' || name === 'rack') && /^[\w.-]{1,64}$/.test(value),
  );
  return Object.fromEntries(place);
}

const refused = (peerId: string, why: string): PeerError =>
  new PeerError('PEER_NOT_MEMBER', `${peerId} may not join this fleet: ${why}`, {
    evidence: { peerId },
  });
