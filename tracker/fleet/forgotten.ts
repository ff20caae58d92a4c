import type { FleetLog } from '../../src/control/index.ts';
import { readRevocations, signRevocations, type Identity } from '../../src/trust/sealed.ts';
import type { AuditLog } from '../audit/index.ts';
import type { Change, Entry, Store } from '../store/index.ts';
import { expectation, parseEntry, put, tryAgain } from './entries.ts';
import { parseSettings, settingsKey } from './fleet-settings.ts';
import { memberKey, memberSchema, revocationsKey, revocationsSchema } from './records.ts';

export interface ForgottenComponents {
  readonly store: Store;
  readonly audit: AuditLog;
  readonly fleetKey: Identity;
  readonly now: () => number;
  readonly log: FleetLog;
}

/** A host that says what can't be moves no number to where none follows. */
const furthestAhead = 1_000_000;
/** So many members are revoked in one commit. */
const revokedTogether = 40;

/**
 * What hosts know and the store does not, after it was restored from a backup. Hosts take nothing that has a
 * number they have seen, so without this all that is changed after a restore would be acknowledged, and never hold.
 */
export class Forgotten {
  readonly #components: ForgottenComponents;

  constructor(components: ForgottenComponents) {
    this.#components = components;
  }

  /**
   * A host has settings of an app that are newer than the store's: what the store has becomes newer still, and
   * all hosts are told it.
   * @returns whether it did
   */
  async settings(app: string, heard: number, host: string): Promise<boolean> {
    const { store, audit, log } = this.#components;
    return await tryAgain(async () => {
      const entry = await store.get(settingsKey(app));
      const { revision, values } =
        entry === undefined ? { revision: 0, values: {} } : parseSettings(entry).settings;
      if (heard <= revision) return false;
      if (heard - revision > furthestAhead) {
        log.warn({ host, app, heard, revision }, 'a host says a revision that can not be');
        return false;
      }
      const next = { revision: heard + 1, values };
      await audit.commit(
        { expect: [expectation(settingsKey(app), entry)], put: [put(settingsKey(app), next)] },
        {
          ...{ actor: host, action: 'settings.restore', subject: app, outcome: 'done' },
          detail: { heard, was: revision, revision: next.revision },
        },
      );
      log.warn(
        { host, app, heard, was: revision, revision: next.revision },
        'hosts have newer settings than the store, which was restored it seems: what the store has holds from now on',
      );
      return true;
    });
  }

  /**
   * A host shows a list of who is revoked. Where the store's is older, or another of the same number, both
   * hold together from now on: the fleet's key has signed what the host shows.
   * @throws PeerError when it has not; ConfigError when both are too many for one list
   */
  async revocations(text: string, host: string): Promise<void> {
    const { store, audit, fleetKey, log } = this.#components;
    const shown = readRevocations(text, { fleetId: fleetKey.peerId });
    await tryAgain(async () => {
      const entry = await store.get(revocationsKey);
      const own = entry && readList(entry, fleetKey.peerId);
      if (own !== undefined && (own.number > shown.number || own.text === text)) return;
      const peerIds = new Set([...(own?.peerIds ?? []), ...shown.peerIds]);
      const number = shown.number + 1;
      const issuedAt = new Date(this.#components.now()).toISOString();
      const signed = signRevocations(fleetKey, { number, peerIds, issuedAt });
      const again = [...shown.peerIds].filter((id) => own?.peerIds.has(id) !== true);
      const members = await this.#revoked(again.slice(0, revokedTogether), issuedAt);
      await audit.commit(
        {
          expect: [expectation(revocationsKey, entry), ...members.expect],
          put: [put(revocationsKey, { number, text: signed }), ...members.put],
        },
        {
          ...{ actor: host, action: 'member.restore', subject: 'revocations', outcome: 'done' },
          detail: { shown: shown.number, was: own?.number ?? 0, list: number, again: again.length },
        },
      );
      log.warn(
        { host, shown: shown.number, number, again },
        'hosts know of more revocations than the store, which was restored it seems: all of them hold',
      );
    });
  }

  /** The records of members that the store has let in again. Of all others the list alone says it. */
  async #revoked(peerIds: readonly string[], since: string) {
    const { store } = this.#components;
    const found = await Promise.all(peerIds.map((id) => store.get(memberKey(id))));
    const entries = found.filter((entry): entry is Entry => entry !== undefined);
    return {
      expect: entries.map((entry) => expectation(entry.key, entry)),
      put: entries.map((entry): Pick<Change, 'key'> & { value: string } =>
        put(entry.key, { ...parseEntry(memberSchema, entry), state: 'revoked', since }),
      ),
    };
  }
}

const readList = ({ value }: Entry, fleetId: string) =>
  readRevocations(revocationsSchema.parse(JSON.parse(value)).text, { fleetId });
