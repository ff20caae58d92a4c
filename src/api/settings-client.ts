/**
 * The settings of an application that Starling runs: endpoints and tunables that change while it
 * runs, and the behaviour that was baked. This file has no dependency, so that it can be copied into
 * an image as it is.
 *
 *     const settings = await connectSettings<{ DB: string; LIMIT: number }>();
 *     settings.onChange(({ names }) => { if (names.includes('DB')) reconnect(settings.get('DB')); });
 */
import { request, type IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

export type SettingValue = string | number | boolean;

export interface SettingsChange<Name extends string> {
  /** The names whose values are others than before. */
  readonly names: readonly Name[];
  readonly revision: number;
}

export interface ConnectSettingsOptions {
  /** The fetcher's socket; without it the one that the environment names. */
  readonly socketPath?: string;
  /** Gives up connecting, and later closes the connection. */
  readonly signal?: AbortSignal;
}

/** The fetcher gives a sign of life every 15 s. */
const silenceMs = 45_000;
const retryMs = { first: 50, most: 2_000 };
/** More than all settings of an app and all values together ever have. */
const maxEventCharacters = 4 << 20;

interface ServerSentEvent {
  readonly name: string;
  readonly id: string | undefined;
  readonly data: string;
}

interface Values {
  readonly revision: number;
  readonly values: Record<string, { readonly value: SettingValue }>;
  readonly settings?: Record<string, unknown>;
}

/**
 * Connects to the fetcher that runs this application.
 * @returns the settings, when their values are there; they stay up to date until they are closed
 * @throws Error when this application was not started by a fetcher, or it does not answer
 */
export async function connectSettings<
  Needs extends object = Record<string, SettingValue>,
  Behaviour extends object = Record<string, unknown>,
>(options: ConnectSettingsOptions = {}): Promise<Settings<Needs, Behaviour>> {
  const socketPath = options.socketPath ?? process.env.STARLING_SETTINGS_SOCKET;
  if (socketPath === undefined || socketPath === '') {
    throw new Error(
      'STARLING_SETTINGS_SOCKET is not set: start this application by a fetcher, or name the socket',
    );
  }
  return await Settings.connect<Needs, Behaviour>(socketPath, options.signal);
}

/** What this application needs, as it is now. */
export class Settings<
  Needs extends object = Record<string, SettingValue>,
  Behaviour extends object = Record<string, unknown>,
> implements Disposable {
  readonly #socketPath: string;
  readonly #closing = new AbortController();
  readonly #signal: AbortSignal;
  readonly #ready = Promise.withResolvers<undefined>();
  readonly #listeners = new Set<(change: SettingsChange<keyof Needs & string>) => void>();
  #values = new Map<string, SettingValue>();
  #behaviour: Record<string, unknown> = {};
  #revision = 0;
  /** What was heard last; undefined: nothing yet. */
  #lastId: string | undefined;
  #isConnected = false;

  private constructor(socketPath: string, signal: AbortSignal | undefined) {
    this.#socketPath = socketPath;
    const own = this.#closing.signal;
    this.#signal = signal === undefined ? own : AbortSignal.any([own, signal]);
  }

  /** As connectSettings, which knows the socket. */
  static async connect<Needs extends object, Behaviour extends object>(
    socketPath: string,
    signal: AbortSignal | undefined,
  ): Promise<Settings<Needs, Behaviour>> {
    const settings = new Settings<Needs, Behaviour>(socketPath, signal);
    void settings.#run();
    await settings.#ready.promise;
    return settings;
  }

  /** Of all settings of the app in the fleet; 0: the fleet has set nothing yet. */
  get revision(): number {
    return this.#revision;
  }

  /** While this is false the values may be old; it connects again by itself. */
  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** The settings of the image's manifest: they never change while this application runs. */
  get behaviour(): Readonly<Behaviour> {
    return this.#behaviour as Behaviour;
  }

  /**
   * The value of a need, as it is now.
   * @throws Error when the image's manifest has no such need
   */
  get<Name extends keyof Needs & string>(name: Name): Needs[Name] {
    const value = this.#values.get(name);
    if (value === undefined) {
      throw new Error(`this image does not need ${name}: add it to "needs" in its image.json`);
    }
    return value as Needs[Name];
  }

  /**
   * Calls back after each change of a value.
   * @returns what ends that
   */
  onChange(callback: (change: SettingsChange<keyof Needs & string>) => void): () => void {
    this.#listeners.add(callback);
    return () => this.#listeners.delete(callback);
  }

  /** Ends the connection; the values stay as they are. Until then it keeps the process running. */
  close(): void {
    this.#closing.abort();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Watches, and connects again whenever the connection ends; only the first time may fail. */
  async #run(): Promise<void> {
    for (let waitMs = retryMs.first; !this.#signal.aborted;) {
      const failure = await this.#watch().catch((error: unknown) => error);
      if (this.#isConnected) waitMs = retryMs.first;
      this.#isConnected = false;
      if (this.#lastId === undefined) {
        this.#ready.reject(
          new Error(`the fetcher does not tell settings at ${this.#socketPath}`, {
            cause: failure,
          }),
        );
        return;
      }
      await delay(waitMs, undefined, { signal: this.#signal }).catch(() => undefined);
      waitMs = Math.min(2 * waitMs, retryMs.most);
    }
  }

  /** One connection, until it ends. */
  #watch(): Promise<void> {
    return new Promise((resolve, reject) => {
      const seen = this.#lastId;
      const sent = request({
        socketPath: this.#socketPath,
        path: '/v1/settings/watch',
        headers: {
          accept: 'text/event-stream',
          ...(seen === undefined ? {} : { 'last-event-id': seen }),
        },
        agent: false,
        signal: this.#signal,
      });
      sent.setTimeout(silenceMs, () => sent.destroy(new Error('the fetcher has gone silent')));
      sent.on('error', reject);
      sent.on('response', (response) => {
        response.on('error', reject).on('close', resolve);
        if (response.statusCode === 200) this.#read(response);
        else response.destroy(new Error(`it answered ${response.statusCode ?? '?'}`));
      });
      sent.end();
    });
  }

  #read(response: IncomingMessage): void {
    this.#isConnected = true;
    let rest = '';
    response.setEncoding('utf8').on('data', (text: string) => {
      const blocks = (rest + text).split('\n\n');
      rest = blocks.pop() ?? '';
      try {
        if (rest.length > maxEventCharacters) throw new Error('an event is too long');
        for (const block of blocks) this.#take(readEvent(block));
      } catch (error) {
        response.destroy(error as Error);
      }
    });
  }

  /** Events that a newer fetcher has are passed over. */
  #take({ name, id, data }: ServerSentEvent): void {
    if (name !== 'settings' && name !== 'change') return;
    const { revision, values, settings } = JSON.parse(data) as Values;
    const before = this.#values;
    this.#values = new Map(Object.entries(values).map(([need, { value }]) => [need, value]));
    this.#revision = revision;
    if (settings !== undefined) this.#behaviour = settings;
    const isFirst = this.#lastId === undefined;
    this.#lastId = id ?? '';
    if (isFirst) this.#ready.resolve(undefined);
    else this.#tell(before);
  }

  #tell(before: ReadonlyMap<string, SettingValue>): void {
    const all = new Set([...before.keys(), ...this.#values.keys()]) as Set<keyof Needs & string>;
    const names = [...all].filter((name) => before.get(name) !== this.#values.get(name));
    if (names.length === 0) return;
    const change = { names, revision: this.#revision };
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (error) {
        // A fault of the application: it must be seen, and the other listeners must be told.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

/** Reads one event (HTML, "9.2 Server-sent events"); comments have no data. */
function readEvent(block: string): ServerSentEvent {
  let name = 'message';
  let id: string | undefined;
  const data: string[] = [];
  for (const line of block.split('\n')) {
    const [, field, value = ''] = /^([^:]+)(?:: ?(.*))?$/.exec(line) ?? [];
    if (field === 'event') name = value;
    else if (field === 'id') id = value;
    else if (field === 'data') data.push(value);
  }
  return { name: data.length === 0 ? '' : name, id, data: data.join('\n') };
}
