import type { Connection, Stream } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import * as z from 'zod';
import { PeerError } from '../errors.ts';
import { ipOf } from './addresses.ts';
import type { CredentialClaims } from '../trust/sealed.ts';
import type { CredentialVerifier } from './credential-verifier.ts';
import type { Clock } from './clock.ts';
import { FramePipe } from './frame-pipe.ts';
import { decodeFrame } from './frames.ts';
import { maxCredentialChars, parseAs } from './messages.ts';
import type { OwnCredential } from './own-credential.ts';

/**
 * Two nodes show each other their credentials before anything else. Who connected speaks first:
 *
 *     { credential } ->
 *                    <- { credential } or { refused }
 *     { accepted } or { refused } ->
 *
 * The answer is sent by who has checked already, so who gets it may use every protocol at once. Later
 * either side opens the same protocol again to show a newer credential.
 */
export const credentialProtocol = '/starling/credential/1';

const maxFrameBytes = maxCredentialChars + 1_024;
/** How long who is refused may take to read why. */
const partingMs = 1_000;

const refusal = z.object({
  refused: z.object({ code: z.string().max(40), message: z.string().max(1_000) }),
});
const offerSchema = z.object({ credential: z.string().min(1).max(maxCredentialChars) });
const answerSchema = z.union([offerSchema, refusal]);
const verdictSchema = z.union([z.object({ accepted: z.literal(true) }), refusal]);

export interface AdmissionComponents {
  readonly verifier: CredentialVerifier;
  readonly own: OwnCredential;
  readonly clock: Clock;
}

export interface AdmissionInit {
  /** How long a connection may be open before it has shown a good credential, in milliseconds. */
  readonly timeoutMs: number;
  /** Connections that may have shown nothing yet. */
  readonly maxStrangers: number;
  /** Both sides have accepted each other, for the first time on this connection. */
  readonly onAdmitted: (connection: Connection) => void;
  /** A connection was refused or ended here, and why. */
  readonly onRefused: (peerId: string, remoteAddress: string, error: PeerError) => void;
}

interface Entry {
  readonly connection: Connection;
  readonly peerId: string;
  deadlineMs: number;
  shown: { readonly text: string; readonly claims: CredentialClaims } | undefined;
  isMutual: boolean;
}

/** Who is connected, and who of them has shown to be a member. */
export class Admission {
  readonly #components: AdmissionComponents;
  readonly #init: AdmissionInit;
  readonly #entries = new Map<string, Entry>();
  readonly #wereAdmitted = new WeakSet<Connection>();
  readonly #byPeer = new Map<string, Set<Entry>>();

  constructor(components: AdmissionComponents, init: AdmissionInit) {
    this.#components = components;
    this.#init = init;
  }

  /**
   * Whether one more that has shown nothing is one too many: a quarter of the room is for one address,
   * so that it takes several to keep members out.
   */
  isCrowded(remoteAddress: Multiaddr): boolean {
    const { maxStrangers } = this.#init;
    const ip = ipOf(remoteAddress);
    let [all, fromThere] = [0, 0];
    for (const { shown, connection } of this.#entries.values()) {
      if (shown !== undefined) continue;
      all++;
      if (ipOf(connection.remoteAddr) === ip) fromThere++;
    }
    return all >= maxStrangers || fromThere >= maxStrangers / 4;
  }

  /** Whether the other end of this connection has shown to be a member. */
  isAdmitted(connection: Connection): boolean {
    return this.#entries.get(connection.id)?.shown !== undefined;
  }

  /** What a connected peer has shown; undefined when it has shown no good credential. */
  claimsOf(peerId: string): CredentialClaims | undefined {
    for (const { shown } of this.#byPeer.get(peerId) ?? []) if (shown) return shown.claims;
    return undefined;
  }

  /** Peers that are connected and admitted. */
  members(): string[] {
    return [...this.#byPeer.keys()].filter((peerId) => this.claimsOf(peerId) !== undefined);
  }

  opened(connection: Connection): void {
    this.#entryOf(connection);
  }

  /** @returns whether it was a stranger to its end */
  closed(connection: Connection): boolean {
    const entry = this.#entries.get(connection.id);
    if (entry !== undefined) this.#forget(entry);
    return !this.#wereAdmitted.has(connection);
  }

  /** Gives a connection longer, since something else is being answered on it. */
  extend(connection: Connection, ms: number): void {
    this.#entryOf(connection).deadlineMs = this.#components.clock.uptime() + ms;
  }

  /**
   * Shows our credential to the other side and checks its own; once more when it has been done, when
   * ours is newer.
   * @throws PeerError when one side does not accept the other, or it takes too long
   */
  async introduce(
    connection: Connection,
    options: { signal: AbortSignal },
  ): Promise<CredentialClaims> {
    const { own } = this.#components;
    const entry = this.#entryOf(connection);
    const signal = this.#limited(options.signal);
    const offer = { credential: own.text };
    const stream = await this.#openStream(entry, signal);
    const pipe = new FramePipe(stream, { maxFrameBytes });
    try {
      pipe.send(offer);
      const answer = parseAs(answerSchema, await nextFrame(pipe, signal), 'its credential');
      if ('refused' in answer) throw refusedBy(entry, answer.refused);
      const claims = this.#check(entry, answer.credential);
      pipe.send({ accepted: true });
      await pipe.close({ signal });
      this.#becomeMutual(entry);
      return claims;
    } catch (cause) {
      const error = asPeerError(cause);
      await this.#part(entry, pipe, error);
      options.signal.throwIfAborted();
      throw error;
    }
  }

  /** Answers who opened the protocol. */
  async answer(stream: Stream, connection: Connection): Promise<void> {
    const entry = this.#entryOf(connection);
    const signal = this.#limited();
    const pipe = new FramePipe(stream, { maxFrameBytes });
    try {
      const offer = parseAs(offerSchema, await nextFrame(pipe, signal), 'its credential');
      // Asked first: who has none of its own can admit nobody.
      const ours = { credential: this.#components.own.text };
      this.#check(entry, offer.credential);
      pipe.send(ours);
      const verdict = parseAs(verdictSchema, await nextFrame(pipe, signal), 'its verdict');
      if ('refused' in verdict) throw refusedBy(entry, verdict.refused);
      await pipe.close({ signal });
      this.#becomeMutual(entry);
    } catch (error) {
      await this.#part(entry, pipe, asPeerError(error));
    }
  }

  /** Closes the connections of these peers at once; that they stay out is the verifier's to see to. */
  revoke(peerIds: Iterable<string>): void {
    for (const peerId of new Set(peerIds)) {
      const what = `${peerId} is no member any more`;
      for (const entry of [...(this.#byPeer.get(peerId) ?? [])]) {
        this.#end(entry, new PeerError('PEER_NOT_MEMBER', what, { evidence: { peer: peerId } }));
      }
    }
  }

  /** Ends what has shown nothing in time, and whose credential is not good any more. */
  sweep(): void {
    const { clock, verifier } = this.#components;
    for (const entry of [...this.#entries.values()]) {
      const { peerId, shown } = entry;
      if (shown === undefined) {
        if (clock.uptime() < entry.deadlineMs) continue;
        const what = `${peerId} showed no credential within ${this.#init.timeoutMs} ms`;
        this.#end(entry, new PeerError('PEER_TIMEOUT', what, { evidence: { peer: peerId } }));
      } else if (clock.now() >= Date.parse(shown.claims.expiresAt)) {
        try {
          verifier.verify(shown.text, peerId);
        } catch (error) {
          this.#end(entry, asPeerError(error));
        }
      }
    }
  }

  #entryOf(connection: Connection): Entry {
    const known = this.#entries.get(connection.id);
    if (known !== undefined) return known;
    const entry: Entry = {
      connection,
      peerId: connection.remotePeer.toString(),
      deadlineMs: this.#components.clock.uptime() + this.#init.timeoutMs,
      shown: undefined,
      isMutual: false,
    };
    if (connection.status !== 'open') return entry;
    this.#entries.set(connection.id, entry);
    const connected = this.#byPeer.get(entry.peerId) ?? new Set();
    this.#byPeer.set(entry.peerId, connected.add(entry));
    return entry;
  }

  #forget(entry: Entry, error?: PeerError): void {
    const { connection, peerId } = entry;
    if (!this.#entries.delete(connection.id)) return;
    const connected = this.#byPeer.get(peerId);
    connected?.delete(entry);
    if (connected?.size === 0) this.#byPeer.delete(peerId);
    // Who went of itself, or refused this node, was not refused here.
    if (error === undefined || error.code === 'PEER_CLOSED' || 'refusedBy' in error.evidence)
      return;
    this.#init.onRefused(peerId, connection.remoteAddr.toString(), error);
  }

  async #openStream(entry: Entry, signal: AbortSignal): Promise<Stream> {
    try {
      return await entry.connection.newStream(credentialProtocol, { signal });
    } catch (cause) {
      const error = asPeerError(cause);
      this.#end(entry, error);
      throw error;
    }
  }

  #limited(signal?: AbortSignal): AbortSignal {
    const limit = AbortSignal.timeout(this.#init.timeoutMs);
    return signal === undefined ? limit : AbortSignal.any([signal, limit]);
  }

  #check(entry: Entry, text: string): CredentialClaims {
    const claims = this.#components.verifier.verify(text, entry.peerId);
    entry.shown = { text, claims };
    this.#wereAdmitted.add(entry.connection);
    return claims;
  }

  #becomeMutual(entry: Entry): void {
    if (entry.isMutual) return;
    entry.isMutual = true;
    this.#init.onAdmitted(entry.connection);
  }

  /** Says why, as far as it is heard, and closes. A peer has proved who it is, so it learns nothing of others. */
  async #part(entry: Entry, pipe: FramePipe, error: PeerError): Promise<void> {
    const { connection } = entry;
    this.#forget(entry, error);
    const signal = AbortSignal.timeout(partingMs);
    try {
      pipe.send({ refused: { code: error.code, message: error.message.slice(0, 1_000) } });
      await pipe.close({ signal });
      await connection.close({ signal });
    } catch {
      connection.abort(error);
    }
  }

  #end(entry: Entry, error: PeerError): void {
    this.#forget(entry, error);
    entry.connection.abort(error);
  }
}

async function nextFrame(pipe: FramePipe, signal: AbortSignal): Promise<unknown> {
  const frame = await pipe.read({ signal });
  if (frame !== undefined) return decodeFrame(frame);
  throw new PeerError('PEER_CLOSED', 'the peer closed before it had shown its credential');
}

const refusedBy = (entry: Entry, why: { code: string; message: string }): PeerError =>
  new PeerError('PEER_NOT_MEMBER', `${entry.peerId} refused this host: ${why.message}`, {
    evidence: { refusedBy: entry.peerId, reason: why.code },
  });

function asPeerError(error: unknown): PeerError {
  if (error instanceof PeerError) return error;
  const why = error instanceof Error ? error.message : String(error);
  const init = { cause: error };
  if (error instanceof DOMException && error.name === 'TimeoutError') {
    return new PeerError('PEER_TIMEOUT', 'the peer took too long to show its credential', init);
  }
  return new PeerError('PEER_CLOSED', `the peer went before it was admitted: ${why}`, init);
}
