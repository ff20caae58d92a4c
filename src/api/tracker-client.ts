import type * as z from 'zod';
import { ConfigError, StarlingError, TrackerError } from '../errors.ts';
import { readBoundedBody } from './bounded-body.ts';
import type { TrackerFetch } from './pinned-fetch.ts';
import { swarmHostsSchema, type SwarmHosts } from './progress-schemas.ts';
import { readEvents, type ServerSentEvent } from './read-events.ts';
import { refusalOf, unreachable } from './refusal.ts';
import {
  healthSchema,
  releasePushedSchema,
  releasesSchema,
  rootPushedSchema,
  swarmEventSchema,
  swarmSchema,
  swarmsSchema,
} from './schemas.ts';
import type { Health, ReleasePush, ReleasePushed, Releases } from './schemas.ts';
import type { RootPush, RootPushed } from './schemas.ts';
import type { Swarm, SwarmEvent, Swarms } from './schemas.ts';

export interface TrackerClientComponents {
  /** How requests are made; the global fetch if nothing else is said, `openPinnedFetch` for a CA file. */
  readonly fetch?: TrackerFetch | undefined;
}

export interface TrackerClientInit {
  /** Where the tracker is: an http or https URL. */
  readonly url: string;
  /** The bearer token; only /v1 asks for it, and only /v1 is told. */
  readonly token?: string | undefined;
  /**
   * How long one request may take, its answer read to the end included; of a stream of events how
   * long it may be silent, which must be longer than the tracker's pause between signs of life.
   */
  readonly timeoutMs?: number | undefined;
}

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface MutationOptions extends RequestOptions {
  /** Printable characters; a repetition with the same key is done once, and gets the same answer. */
  readonly idempotencyKey?: string | undefined;
}

interface Call {
  readonly method?: 'GET' | 'PUT' | 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
  readonly idempotencyKey?: string | undefined;
  readonly maxBytes: number;
  readonly authorized?: boolean;
}

interface Answer {
  readonly status: number;
  readonly body: Buffer;
  readonly url: string;
}

const defaultTimeoutMs = 30_000;
const maxAnswerBytes = 64 * 1024 * 1024;
const maxSmallAnswerBytes = 64 * 1024;
const knownEvents: ReadonlySet<string> = new Set(
  swarmEventSchema.options.flatMap(({ shape }) => [...shape.event.values]),
);

/**
 * Speaks with a tracker's REST interface and reads its TUF repository. Nothing it brings is believed
 * for that: metadata is verified by src/trust.
 *
 * Every method throws TrackerError: TRACKER_UNREACHABLE when there is no answer in time,
 * TRACKER_REFUSED for an answer of 3xx or 4xx (the tracker's own code and detail are in the
 * evidence), TRACKER_FAILED for 5xx and for an answer that can't be understood. If `signal` ends
 * the call, its reason is thrown.
 */
export class TrackerClient {
  readonly url: string;
  readonly #fetch: TrackerFetch;
  readonly #token: string | undefined;
  readonly #timeoutMs: number;

  /** @throws ConfigError CONFIG_INVALID when the URL is not of http or https. */
  constructor(components: TrackerClientComponents, init: TrackerClientInit) {
    this.url = baseUrl(init.url);
    this.#fetch = components.fetch ?? globalThis.fetch;
    this.#token = init.token;
    this.#timeoutMs = init.timeoutMs ?? defaultTimeoutMs;
  }

  /**
   * Hands over the signed metadata of a release, all of it or what is new; returns when the tracker has all of it on disk.
   * @throws RepositoryError with the tracker's code when the metadata does not verify or does not
   * move the versions forward.
   */
  pushRelease(update: ReleasePush, options: MutationOptions = {}): Promise<ReleasePushed> {
    const { targets, snapshot, timestamp, delegated } = update;
    const body = { targets, snapshot, timestamp, delegated };
    const { idempotencyKey } = options;
    const call = { method: 'PUT', path: '/v1/releases', body, idempotencyKey } as const;
    return this.#json(releasePushedSchema, { ...call, maxBytes: maxSmallAnswerBytes }, options);
  }

  /**
   * Hands over the next root, and what its keys have signed anew; returns when the tracker has it on disk.
   * @throws RepositoryError with the tracker's code when it does not follow the one that it has.
   */
  pushRoot(push: RootPush, options: RequestOptions = {}): Promise<RootPushed> {
    const call = { method: 'PUT', path: '/v1/root', body: push } as const;
    return this.#json(rootPushedSchema, { ...call, maxBytes: maxSmallAnswerBytes }, options);
  }

  /** Which image each channel names. */
  releases(options: RequestOptions = {}): Promise<Releases> {
    const call = { path: '/v1/releases', maxBytes: maxAnswerBytes };
    return this.#json(releasesSchema, call, options);
  }

  /** All swarms with their counts. */
  swarms(options: RequestOptions = {}): Promise<Swarms> {
    return this.#json(swarmsSchema, { path: '/v1/swarms', maxBytes: maxAnswerBytes }, options);
  }

  /** One swarm and its peers; the info-hash in hexadecimal, 40 digits, or all 64 of v2. */
  swarm(infoHash: string, options: RequestOptions = {}): Promise<Swarm> {
    const path = `/v1/swarms/${encodeURIComponent(infoHash)}`;
    return this.#json(swarmSchema, { path, maxBytes: maxAnswerBytes }, options);
  }

  /** A page of the fleet's hosts in a swarm; `after` is what the page before called `next`. */
  swarmHosts(
    infoHash: string,
    page: { readonly limit?: number | undefined; readonly after?: string | undefined } = {},
    options: RequestOptions = {},
  ): Promise<SwarmHosts> {
    const query = new URLSearchParams();
    if (page.limit !== undefined) query.set('limit', String(page.limit));
    if (page.after !== undefined) query.set('after', page.after);
    const path = `/v1/swarms/${encodeURIComponent(infoHash)}/hosts?${query.toString()}`;
    return this.#json(swarmHostsSchema, { path, maxBytes: maxAnswerBytes }, options);
  }

  /**
   * Tells what changes in a swarm, until nobody is in it (the event `end`) or the tracker stops
   * telling (no `end`: ask again). Events that a newer tracker has are passed over.
   */
  async *watchSwarm(infoHash: string, options: RequestOptions = {}): AsyncGenerator<SwarmEvent> {
    options.signal?.throwIfAborted();
    const path = `/v1/swarms/${encodeURIComponent(infoHash)}/events`;
    const url = `${this.url}${path}`;
    const silence = new AbortController();
    const timer = setTimeout(() => silence.abort(), this.#timeoutMs);
    try {
      const response = await this.#send({ path, maxBytes: 0 }, silence.signal, options);
      if (response.status !== 200) {
        const body = await readBoundedBody(response, maxSmallAnswerBytes);
        throw refusalOf({ status: response.status, body, url });
      }
      for await (const said of readEvents(response, () => timer.refresh())) {
        const event = readSwarmEvent(said, url);
        if (event !== undefined) yield event;
        if (event?.event === 'end') return;
      }
    } catch (cause) {
      throw this.#failure(cause, url, silence.signal, options);
    } finally {
      clearTimeout(timer);
    }
  }

  /** A file of the TUF repository; undefined when there is none of that name. */
  async metadata(
    name: string,
    maxBytes: number,
    options: RequestOptions = {},
  ): Promise<Uint8Array | undefined> {
    const path = `/tuf/${encodeURIComponent(name)}`;
    const answer = await this.#ask({ path, maxBytes, authorized: false }, options);
    if (answer.status === 404) return undefined;
    if (answer.status !== 200) throw refusalOf(answer);
    return answer.body;
  }

  /** Whether the tracker lives. */
  health(options: RequestOptions = {}): Promise<Health> {
    const call = { path: '/healthz', maxBytes: maxSmallAnswerBytes, authorized: false };
    return this.#json(healthSchema, call, options);
  }

  /** Any other route of the REST interface; `GET /v1/openapi.json` describes them. */
  call<T>(
    schema: z.ZodType<T>,
    call: {
      readonly method?: 'GET' | 'PUT' | 'POST' | 'DELETE';
      readonly path: string;
      readonly body?: unknown;
    },
    options: MutationOptions = {},
  ): Promise<T> {
    const { idempotencyKey } = options;
    return this.#json(schema, { ...call, idempotencyKey, maxBytes: maxAnswerBytes }, options);
  }

  async #json<T>(schema: z.ZodType<T>, call: Call, options: RequestOptions): Promise<T> {
    const answer = await this.#ask(call, options);
    if (answer.status < 200 || answer.status > 299) throw refusalOf(answer);
    try {
      return schema.parse(JSON.parse(answer.body.toString('utf8')));
    } catch (cause) {
      throw new TrackerError(
        'TRACKER_FAILED',
        `${answer.url} answered, but not with what a tracker answers: check that the URL is that of a Starling tracker of a matching version`,
        { cause, evidence: { url: answer.url, status: answer.status } },
      );
    }
  }

  async #ask(call: Call, options: RequestOptions): Promise<Answer> {
    options.signal?.throwIfAborted();
    const url = `${this.url}${call.path}`;
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), this.#timeoutMs);
    try {
      const response = await this.#send(call, timeout.signal, options);
      const maxBytes = response.ok ? call.maxBytes : Math.max(call.maxBytes, maxSmallAnswerBytes);
      const body = await readBoundedBody(response, maxBytes);
      return { status: response.status, body, url };
    } catch (cause) {
      throw this.#failure(cause, url, timeout.signal, options);
    } finally {
      clearTimeout(timer);
    }
  }

  #send(call: Call, timeout: AbortSignal, { signal }: RequestOptions): Promise<Response> {
    return this.#fetch(`${this.url}${call.path}`, {
      ...this.#request(call),
      // A redirect would take the token elsewhere; a tracker never sends one.
      redirect: 'manual',
      signal: AbortSignal.any(signal === undefined ? [timeout] : [timeout, signal]),
    });
  }

  #failure(cause: unknown, url: string, timeout: AbortSignal, { signal }: RequestOptions): unknown {
    if (cause instanceof StarlingError) return cause;
    if (signal?.aborted === true) return signal.reason;
    return unreachable(url, cause, timeout.aborted ? this.#timeoutMs : undefined);
  }

  #request(call: Call): { method: string; headers: Record<string, string>; body?: string } {
    const headers: Record<string, string> = { accept: 'application/json' };
    if (call.authorized !== false && this.#token !== undefined) {
      headers.authorization = `Bearer ${this.#token}`;
    }
    if (call.idempotencyKey !== undefined) {
      // A string of RFC 8941.
      headers['idempotency-key'] = JSON.stringify(call.idempotencyKey);
    }
    if (call.body === undefined) return { method: call.method ?? 'GET', headers };
    headers['content-type'] = 'application/json';
    return { method: call.method ?? 'GET', headers, body: JSON.stringify(call.body) };
  }
}

/** @returns undefined for an event that is not known */
function readSwarmEvent(said: ServerSentEvent, url: string): SwarmEvent | undefined {
  if (!knownEvents.has(said.event)) return undefined;
  try {
    return swarmEventSchema.parse({ event: said.event, data: JSON.parse(said.data) as unknown });
  } catch (cause) {
    const what = `${url} sent an event "${said.event}" that is not what a tracker sends`;
    throw new TrackerError('TRACKER_FAILED', what, { cause, evidence: { url } });
  }
}

function baseUrl(text: string): string {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new ConfigError(
      'CONFIG_INVALID',
      `"${text.slice(0, 200)}" is not the URL of a tracker: give one like http://127.0.0.1:7070`,
      { evidence: { url: text.slice(0, 200) } },
    );
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
}
