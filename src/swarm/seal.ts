import {
  Identity,
  makePeerCertificate,
  MembersFile,
  newTicketKeys,
  tlsOptions,
  type PeerTlsOptions,
} from '../trust/index.ts';

export interface SealInit {
  /** The file of the key by which others know this host; made when it is missing. */
  readonly identityPath: string;
  /** The file that says who belongs to the fleet. */
  readonly membersPath: string;
  readonly onWarning?: ((message: string, error: unknown) => void) | undefined;
}

/** How often the members file is looked at: a change counts after two looks. */
const lookMs = 1_000;

/** What seals connections: who this host is, and who else belongs to its fleet. */
export class Seal implements AsyncDisposable {
  readonly peerId: string;
  readonly tls: PeerTlsOptions;
  /** Called when there are other members from now on. */
  onChange: ((members: ReadonlySet<string>) => void) | undefined;
  readonly #members: MembersFile;

  private constructor(peerId: string, tls: PeerTlsOptions, members: MembersFile) {
    this.peerId = peerId;
    this.tls = tls;
    this.#members = members;
  }

  /** @throws ConfigError, StorageError when a file is missing, wrong or can't be read */
  static async open(init: SealInit): Promise<Seal> {
    const identity = await Identity.open(init.identityPath);
    const certificate = await makePeerCertificate(identity, { now: new Date() });
    const holder: { seal?: Seal } = {};
    const members = await MembersFile.open(init.membersPath, {
      intervalMs: lookMs,
      onWarning: init.onWarning,
      onChange: (ids) => holder.seal?.onChange?.(ids),
    });
    holder.seal = new Seal(identity.peerId, tlsOptions(certificate, newTicketKeys()), members);
    return holder.seal;
  }

  /** The peer ids of the fleet. All others are refused in the handshake. */
  get members(): ReadonlySet<string> {
    return this.#members.ids;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#members[Symbol.asyncDispose]();
  }
}
