import {
  isDue,
  MembersFile,
  newTicketKeys,
  openHostIdentity,
  tlsOptions,
  type FleetMembership,
  type PeerCertificate,
  type PeerTlsOptions,
} from '../trust/sealed.ts';
import { FleetFiles, type FleetInit } from './fleet-files.ts';

interface CommonInit {
  /**
   * The file of the key by which others know this host; made when it is missing. Beside it, with
   * `.tls` after its name, lies what it shows others.
   */
  readonly identityPath: string;
  /** How often it is seen whether the certificate is to be renewed. */
  readonly renewalCheckMs?: number | undefined;
  /** How often files that say who belongs are looked at: a change counts after two looks. */
  readonly lookMs?: number | undefined;
  readonly now?: (() => Date) | undefined;
  readonly onWarning?: ((message: string, error: unknown) => void) | undefined;
}

/** Members are who a file names, or who shows a credential of the fleet: one of both. */
export type SealInit = CommonInit &
  (
    | {
        /** The file that says who belongs to the fleet. */
        readonly membersPath: string;
      }
    | { readonly fleet: FleetInit }
  );

const defaultLookMs = 1_000;
const defaultRenewalCheckMs = 6 * 3_600_000;

/** What seals connections: who this host is, and who else belongs to its fleet. */
export class Seal implements AsyncDisposable {
  readonly peerId: string;
  /** Called when there are other members from now on. */
  onChange: ((members: ReadonlySet<string>) => void) | undefined;
  /** Called when new connections are to be sealed with another certificate from now on. */
  onRenewal?: ((tls: PeerTlsOptions) => void) | undefined;
  /** How this host belongs to a fleet with a key. */
  readonly fleet: FleetMembership | undefined;
  readonly #files: MembersFile | FleetFiles;
  readonly #init: SealInit;
  readonly #ticketKeys = newTicketKeys();
  readonly #timer: NodeJS.Timeout;
  #certificate: PeerCertificate;
  #renewing: Promise<void> | undefined;

  private constructor(
    components: {
      peerId: string;
      certificate: PeerCertificate;
      files: MembersFile | FleetFiles;
    },
    init: SealInit,
  ) {
    this.#certificate = components.certificate;
    this.#files = components.files;
    this.fleet = this.#files instanceof FleetFiles ? this.#files.membership : undefined;
    this.#init = init;
    this.peerId = components.peerId;
    this.#timer = setInterval(() => {
      this.#renewing ??= this.#renew().finally(() => (this.#renewing = undefined));
    }, init.renewalCheckMs ?? defaultRenewalCheckMs).unref();
  }

  /** @throws ConfigError, StorageError when a file is missing, wrong or can't be read */
  static async open(init: SealInit): Promise<Seal> {
    const { identity, certificate } = await openOwn(init);
    const { peerId } = identity;
    const looks = { intervalMs: init.lookMs ?? defaultLookMs, onWarning: init.onWarning };
    if ('fleet' in init) {
      const files = await FleetFiles.open({ ...init.fleet, ...looks, peerId });
      return new Seal({ peerId, certificate, files }, init);
    }
    const holder: { seal?: Seal } = {};
    const files = await MembersFile.open(init.membersPath, {
      ...looks,
      onChange: (ids) => holder.seal?.onChange?.(ids),
    });
    holder.seal = new Seal({ peerId, certificate, files }, init);
    return holder.seal;
  }

  /** The peer ids that the members file names. All others are refused in the handshake. */
  get members(): ReadonlySet<string> {
    return this.#files instanceof MembersFile ? this.#files.ids : new Set();
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
    await this.#files[Symbol.asyncDispose]();
  }
}

const nowOf = ({ now }: SealInit): Date => now?.() ?? new Date();

const openOwn = (init: SealInit) =>
  openHostIdentity(init.identityPath, { now: nowOf(init), onWarning: init.onWarning });
