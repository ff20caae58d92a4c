import type { RevocationList } from '../../src/trust/sealed.ts';

/** Who is revoked, by the newest list that was seen. */
export class NewestRevocations {
  readonly fleetId: string;
  #list: RevocationList | undefined;

  constructor(init: { fleetId: string }) {
    this.fleetId = init.fleetId;
  }

  get revocations(): RevocationList | undefined {
    return this.#list;
  }

  /** @returns whom it names that the list before did not; nothing when it is not newer */
  take(list: RevocationList): string[] {
    const before = this.#list;
    if (before !== undefined && list.number <= before.number) return [];
    this.#list = list;
    return [...list.peerIds].filter((id) => before?.peerIds.has(id) !== true);
  }
}
