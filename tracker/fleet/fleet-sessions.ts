import type { FastifyBaseLogger } from 'fastify';
import {
  PeerIntroductions,
  SessionServer,
  type Clock,
  type ControlNode,
  type HostMessage,
  type HostSession,
  type TrackerMessage,
} from '../../src/control/index.ts';
import type { FleetSettings as Settings } from '../../src/api/index.ts';
import { mayFetch, type RevocationList } from '../../src/trust/sealed.ts';
import type { FleetSettings } from './fleet-settings.ts';
import type { Forgotten } from './forgotten.ts';
import type { Members } from './members.ts';

export interface FleetSessionsComponents {
  readonly node: ControlNode;
  readonly clock: Clock;
  readonly members: Members;
  readonly settings: FleetSettings;
  readonly forgotten: Forgotten;
  readonly log: FastifyBaseLogger;
  readonly random: () => number;
}

export interface FleetSessionsInit {
  /** The list that a host is told when it comes. */
  readonly revocations: () => RevocationList | undefined;
  /** Where the trackers of the fleet are. */
  readonly trackers: () => Promise<readonly string[]>;
  readonly onReport: (session: HostSession, message: HostMessage & { type: 'report' }) => void;
  /** A host has come or gone. */
  readonly onChange: (session: HostSession, isHere: boolean) => void;
}

/** What the tracker has to say to the hosts that have a session with it. */
export class FleetSessions implements AsyncDisposable {
  readonly #components: FleetSessionsComponents;
  readonly #init: FleetSessionsInit;
  #server: SessionServer | undefined;
  readonly #introductions: PeerIntroductions;
  /** By app, who follows it. */
  readonly #followers = new Map<string, Set<HostSession>>();

  private constructor(components: FleetSessionsComponents, init: FleetSessionsInit) {
    this.#components = components;
    this.#init = init;
    const sessions = () => this.byPeer.values();
    this.#introductions = new PeerIntroductions({ ...components, sessions });
  }

  /** Takes sessions from now on. */
  static async open(
    components: FleetSessionsComponents,
    init: FleetSessionsInit,
  ): Promise<FleetSessions> {
    const sessions = new FleetSessions(components, init);
    sessions.#server = await SessionServer.open(components, {
      onSession: (session) => {
        sessions.#onSession(session);
      },
      onMessage: (session, message) => sessions.#onMessage(session, message),
      onEnd: (session, error) => {
        sessions.#onEnd(session, error);
      },
    });
    return sessions;
  }

  /** The sessions that there are, by peer id. */
  get byPeer(): ReadonlyMap<string, HostSession> {
    return this.#server?.sessions ?? new Map<string, HostSession>();
  }

  /** Tells a new revision to all who follow the app. */
  tellSettings(app: string, settings: Settings): void {
    const to = [...(this.#followers.get(app) ?? [])].filter(({ claims }) => mayFetch(claims, app));
    this.#server?.broadcast({ type: 'settings', app, ...settings }, to);
  }

  /** Tells all hosts something, for instance who is revoked. */
  tellAll(message: TrackerMessage): void {
    this.#server?.broadcast(message);
  }

  #onSession(session: HostSession): void {
    const { follows } = session.hello;
    for (const { app } of follows) {
      const followers = this.#followers.get(app) ?? new Set();
      this.#followers.set(app, followers.add(session));
    }
    const list = this.#init.revocations();
    if (list !== undefined) session.send({ type: 'revocations', text: list.text });
    else if (session.hello.revocations !== undefined) session.send({ type: 'revocationsWanted' });
    this.#init.onChange(session, true);
    void this.#tellMissed(session).catch((error: unknown) => {
      // It comes again, and may have better luck then.
      this.#components.log.warn({ err: error }, 'a host could not be told what it missed');
      session.close('the store can not be read now');
    });
  }

  /** What has changed while the host was not here. */
  async #tellMissed(session: HostSession): Promise<void> {
    const { follows, settings: known } = session.hello;
    for (const app of new Set(follows.map((channel) => channel.app))) {
      if (!mayFetch(session.claims, app)) continue;
      // Then all who follow the app are told, and this host with them.
      if (await this.#isForgotten(session, app)) continue;
      const settings = await this.#components.settings.of(app);
      if (settings.revision <= (known[app] ?? 0)) continue;
      session.send({ type: 'settings', app, ...settings });
    }
    session.send({ type: 'trackers', addresses: [...(await this.#init.trackers())] });
  }

  /** Whether the host knew newer settings of the app than the store. */
  async #isForgotten({ hello, peerId }: HostSession, app: string): Promise<boolean> {
    const { forgotten, log } = this.#components;
    const known = hello.settings[app];
    if (known === undefined) return false;
    return await forgotten.settings(app, known, peerId).catch((error: unknown) => {
      log.error({ err: error, app, known }, 'newer settings of a host could not be made up for');
      return false;
    });
  }

  async #onShown({ peerId }: HostSession, text: string): Promise<void> {
    const { forgotten, log } = this.#components;
    await forgotten.revocations(text, peerId).catch((error: unknown) => {
      log.error({ err: error, peerId }, 'a list of revocations that a host has could not be taken');
    });
  }

  async #onMessage(session: HostSession, message: HostMessage): Promise<void> {
    switch (message.type) {
      case 'report':
        this.#init.onReport(session, message);
        return;
      case 'renew':
        session.send({
          type: 'credential',
          text: await this.#components.members.credentialFor(session.peerId),
        });
        return;
      case 'revocations':
        await this.#onShown(session, message.text);
        return;
      case 'hello':
        return;
    }
  }

  #onEnd(session: HostSession, error: Error | undefined): void {
    for (const { app } of session.hello.follows) {
      const followers = this.#followers.get(app);
      followers?.delete(session);
      if (followers?.size === 0) this.#followers.delete(app);
    }
    const told = { peerId: session.peerId, err: error };
    if (error !== undefined) this.#components.log.info(told, 'a session has ended');
    this.#init.onChange(session, false);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#introductions[Symbol.dispose]();
    await this.#server?.[Symbol.asyncDispose]();
  }
}
