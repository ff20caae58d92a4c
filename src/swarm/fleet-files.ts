import { ConfigError, PeerError } from '../errors.ts';
import { FleetMembership, WatchedFile, type WatchedFileInit } from '../trust/sealed.ts';

export interface FleetInit {
  /** The peer id of the fleet's key: whom this host believes. */
  readonly fleetId: string;
  /** The file with this host's credential; without one, it comes from elsewhere. */
  readonly credentialPath?: string | undefined;
  /** The file with the revocation list, if it comes by a file. */
  readonly revocationsPath?: string | undefined;
}

const maxFileBytes = 256 << 10;

/** Keeps how this host belongs to its fleet at what files say. */
export class FleetFiles implements AsyncDisposable {
  readonly membership: FleetMembership;
  readonly #files: AsyncDisposableStack;

  private constructor(membership: FleetMembership, files: AsyncDisposableStack) {
    this.membership = membership;
    this.#files = files;
  }

  /**
   * @throws ConfigError CONFIG_MISSING when a file is not there, CONFIG_INVALID when it is not of this
   *   fleet, or not of this host
   * @throws StorageError when it can't be read
   */
  static async open(
    init: FleetInit & { readonly peerId: string } & Pick<
        WatchedFileInit,
        'intervalMs' | 'onWarning'
      >,
  ): Promise<FleetFiles> {
    const membership = new FleetMembership(init);
    const { credentialPath, revocationsPath, intervalMs, onWarning } = init;
    const common = { intervalMs, onWarning, maxBytes: maxFileBytes };
    await using files = new AsyncDisposableStack();
    const watch = async (
      path: string,
      what: string,
      hint: string,
      take: (text: string) => void,
    ) => {
      const whole = {
        path,
        ...common,
        tooLarge: `it is no ${what}`,
        missing: `the ${what} ${path} does not exist: ${hint}`,
        whenRefused: `the ${what} stays as it was`,
      };
      files.use(await WatchedFile.open(named(path, take), whole));
    };
    if (revocationsPath !== undefined) {
      const hint = '`tracker fleet revoke` writes one';
      await watch(revocationsPath, 'revocation list', hint, (text) => {
        membership.takeRevocations(text);
      });
    }
    if (credentialPath !== undefined) {
      const hint = `have one made for this host, ${init.peerId}, by \`tracker fleet credential\``;
      await watch(credentialPath, 'credential', hint, (text) => {
        membership.takeCredential(text);
      });
    }
    return new FleetFiles(membership, files.move());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#files.disposeAsync();
  }
}

/** What is wrong with a file's content is said with its name, and is the fault of who put it there. */
const named =
  (path: string, take: (text: string) => void) =>
  (text: string): void => {
    try {
      take(text);
    } catch (cause) {
      if (!(cause instanceof PeerError)) throw cause;
      throw new ConfigError('CONFIG_INVALID', `${path}: ${cause.message}`, {
        cause,
        evidence: { path, ...cause.evidence },
      });
    }
  };
