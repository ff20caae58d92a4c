import {
  isDue,
  MembersFile,
  newTicketKeys,
  openHostIdentity,
  tlsOptions,
  type PeerCertificate,
  type PeerTlsOptions,
} from '../trust/sealed.ts';

export interface SealInit {
  /**
   * The file of the key by which others know this host; made when it is missing. Beside it, with
   * `.tls` after its name, lies what it shows others.
   */
  readonly identityPath: string;
  /** The file that says who belongs to the fleet. */
  readonly membersPath: string;
  /** How often it is seen whether the certificate is to be renewed. */
  readonly renewalCheckMs?: number | undefined;
  readonly now?: (() => Date) | undefined;
  readonly onWarning?: ((message: string, error: unknown) => void) | undefined;
}

/** How often the members file is looked at: a change counts after two looks. */
const lookMs = 1_000;
const defaultRenewalCheckMs = 6 * 3_600_000;

/** What seals connections: who this host is, and who else belongs to its fleet. */
export class Seal implements AsyncDisposable {
  readonly peerId: string;
  /** Called when there are other members from now on. */
  onChange: ((members: ReadonlySet<string>) => void) | undefined;
  /** Called when new connections are to be sealed with another certificate from now on. */
  onRenewal?: ((tls: PeerTlsOptions) => void) | undefined;
  readonly #members: MembersFile;
  readonly #init: SealInit;
  readonly #ticketKeys = newTicketKeys();
  readonly #timer: NodeJS.Timeout;
  #certificate: PeerCertificate;
  #renewing: Promise<void> | undefined;

  private constructor(
    components: { peerId: string; certificate: PeerCertificate; members: MembersFile },
    init: SealInit,
  ) {
    this.#certificate = components.certificate;
    this.#members = components.members;
    this.#init = init;
    this.peerId = components.peerId;
    this.#timer = setInterval(() => {
      this.#renewing ??= this.#renew().finally(() => (this.#renewing = undefined));
    }, init.renewalCheckMs ?? defaultRenewalCheckMs).unref();
  }

  /** @throws ConfigError, StorageError when a file is missing, wrong or can't be read */
  static async open(init: SealInit): Promise<Seal> {
    const { identity, certificate } = await openOwn(init);
    const holder: { seal?: Seal } = {};
    const members = await MembersFile.open(init.membersPath, {
      intervalMs: lookMs,
      onWarning: init.onWarning,
      onChange: (ids) => holder.seal?.onChange?.(ids),
    });
    holder.seal = new Seal({ peerId: identity.peerId, certificate, members }, init);
    return holder.seal;
  }

  /** The peer ids of the fleet. All others are refused in the handshake. */
  get members(): ReadonlySet<string> {
    return this.#members.ids;
  }

  /** What connections are sealed with, as of now. */
  get tls(): PeerTlsOptions {
    return tlsOptions(this.#certificate, this.#ticketKeys);
  }

  /** Programs of one identity share the file: who comes second takes what the first one made. */
  async #renew(): Promise<void> {
    if (!isDue(this.#certificate, nowOf(this.#init))) return;
    try {
      this.#certificate = (await openOwn(this.#init)).certificate;
      this.onRenewal?.(this.tls);
    } catch (error) {
      this.#init.onWarning?.('the certificate could not be renewed; it is tried again', error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#renewing;
    await this.#members[Symbol.asyncDispose]();
  }
}

const nowOf = ({ now }: SealInit): Date => now?.() ?? new Date();

const openOwn = (init: SealInit) =>
  openHostIdentity(init.identityPath, { now: nowOf(init), onWarning: init.onWarning });
