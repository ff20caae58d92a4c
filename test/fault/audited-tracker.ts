import { join } from 'node:path';
import { expect } from 'vitest';
import { Identity } from '../../src/trust/sealed.ts';
import { resultOf, type JsonObject } from '../system/ended-program.ts';
import { eventually } from '../tools/eventually.ts';
import { freePort } from '../tools/free-port.ts';
import { KillableProgram } from './killable-program.ts';

/** Nothing may take longer, also where something is refused. */
const callMs = 20_000;
const grant = { roles: ['host'], apps: ['web'], labels: {} };
const announcePath = `/announce?info_hash=${'h'.repeat(20)}&peer_id=${'p'.repeat(20)}&port=6881&left=5`;

/** How a tracker answered a change. */
export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: JsonObject;
}

interface Change {
  readonly method: string;
  readonly path: string;
  readonly body?: object;
  /** What the audit log says of it when it was done. */
  readonly action: string;
  /** Notes what was acknowledged. */
  readonly onDone: (body: JsonObject) => void;
}

/**
 * A real tracker of a fleet whose changes are made over its real REST interface, one after the other, and what
 * it acknowledged of them: that, and nothing else, it must have.
 */
export class AuditedTracker {
  /** What was answered with 200 or 201, in this order, as the audit log calls it. */
  readonly acknowledged: string[] = [];
  readonly #directory: string;
  readonly #store: string;
  readonly #settings = new Map<string, string>();
  readonly #members = new Map<string, string>();
  readonly #tokens = new Set<string>();
  #program!: KillableProgram;
  #url = '';
  #token = '';

  private constructor(directory: string, store: string) {
    this.#directory = directory;
    this.#store = store;
  }

  /** @param store the URL of its store */
  static async start(directory: string, store: string): Promise<AuditedTracker> {
    const tracker = new AuditedTracker(directory, store);
    await resultOf('seeder', ['keys', 'init', '--keys', join(directory, 'keys')]);
    await resultOf('tracker', ['fleet', 'init', '--dir', tracker.#own]);
    await tracker.#run();
    const admin = ['--tracker', tracker.#url, '--token-file', join(tracker.#own, 'token')];
    const made = await resultOf('tracker', ['operator', 'create', 'anna', ...admin]);
    tracker.#token = String(made.token);
    return tracker;
  }

  /** Ends it as the kernel does, and starts it again. */
  async killAndStart(): Promise<void> {
    await this.#program.kill();
    await this.#run();
  }

  get #own(): string {
    return join(this.#directory, 'tracker');
  }

  async #run(): Promise<void> {
    const root = join(this.#directory, 'keys', 'root.json');
    const ports = ['--port', '0', '--no-udp', '--control-port', String(await freePort())];
    const where = ['--dir', this.#own, '--root', root, '--store', this.#store];
    this.#program = new KillableProgram('tracker', ['serve', ...where, ...ports]);
    this.#url = String((await this.#program.untilEvent('listening')).url);
  }

  /** Sets an endpoint of an app of its own. */
  set(app: string, bytes = 20_000): Promise<Answer> {
    const value = `${app}${'x'.repeat(bytes)}`;
    return this.#change({
      ...{ method: 'PUT', path: `/v1/apps/${app}/settings/DB`, body: { value } },
      action: 'settings.set',
      onDone: () => this.#settings.set(app, value),
    });
  }

  createToken(): Promise<Answer> {
    return this.#change({
      ...{ method: 'POST', path: '/v1/tokens', body: { ...grant, ttlMs: 3_600_000 } },
      action: 'token.create',
      onDone: ({ id }) => this.#tokens.add(String(id)),
    });
  }

  approve(peerId: string = Identity.generate().peerId): Promise<Answer> {
    return this.#change({
      ...{ method: 'PUT', path: `/v1/members/${peerId}`, body: grant },
      action: 'member.approve',
      onDone: () => this.#members.set(peerId, 'member'),
    });
  }

  revoke(peerId: string = Identity.generate().peerId): Promise<Answer> {
    return this.#change({
      ...{ method: 'DELETE', path: `/v1/members/${peerId}` },
      action: 'member.revoke',
      onDone: () => this.#members.set(peerId, 'revoked'),
    });
  }

  async #change({ method, path, body, action, onDone }: Change): Promise<Answer> {
    const answer = await this.#call(path, method, body);
    if (answer.status === 200 || answer.status === 201) {
      this.acknowledged.push(action);
      onDone(answer.body);
    }
    return answer;
  }

  async #call(path: string, method = 'GET', body?: object): Promise<Answer> {
    const response = await fetch(`${this.#url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.#token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(callMs),
    });
    const type = response.headers.get('content-type') ?? '';
    return { status: response.status, type, body: (await response.json()) as JsonObject };
  }

  /** Announces as a peer does. @returns the status of the answer */
  async announce(): Promise<number> {
    const signal = AbortSignal.timeout(callMs);
    const response = await fetch(`${this.#url}${announcePath}`, { signal });
    await response.arrayBuffer();
    return response.status;
  }

  /** Tries until a change is taken again. */
  async untilTaken(app: string): Promise<void> {
    await eventually('changes are taken again', async () =>
      (await this.set(app)).status === 200 ? true : undefined,
    );
  }

  /** What it says over REST is what it acknowledged. */
  async expectAllThere(): Promise<void> {
    for (const [app, value] of this.#settings) {
      const { body } = await this.#call(`/v1/apps/${app}/settings`);
      expect(body.values, app).toEqual({ DB: value });
    }
    const { members } = (await this.#call('/v1/members?limit=500')).body;
    const states = (members as JsonObject[]).map(({ peerId, state }) => [peerId, state]);
    expect(new Map(states as [string, string][])).toEqual(this.#members);
    const { tokens } = (await this.#call('/v1/tokens')).body;
    expect(new Set((tokens as JsonObject[]).map(({ id }) => id))).toEqual(this.#tokens);
  }

  /** The audit log is whole, and has what was acknowledged, in its order, and no other change. */
  async expectAudit(): Promise<void> {
    const at = ['--dir', this.#own, '--store', this.#store];
    await resultOf('tracker', ['audit', 'verify', ...at]);
    const { entries } = await resultOf('tracker', ['audit', 'list', '--limit', '1000', ...at]);
    const done = (entries as JsonObject[]).filter(({ outcome }) => outcome === 'done');
    const byOperator = done.filter(({ actor }) => actor === 'anna').map(({ action }) => action);
    expect(byOperator).toEqual(this.acknowledged);
  }
}

/** A refusal says that nothing was changed, and why. */
export function expectRefused({ status, type, body }: Answer, why: string): void {
  expect(status, JSON.stringify(body)).toBe(503);
  expect(type).toContain('application/problem+json');
  expect(body).toMatchObject({ status: 503, code: 'STORE_READ_ONLY' });
  expect(body.detail).toContain(why);
  expect(body.detail).toContain('nothing was changed, try again later');
}
