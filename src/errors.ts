/**
 * The errors of Starling, in families by who is at fault. Each error has a stable `code` that
 * scripts may rely on, a message that an operator can act on, and its evidence in fields.
 */

/** What an error knows beside its message: image id, piece, path, expected, actual, peer, … */
export type Evidence = Readonly<Record<string, unknown>>;

export interface ErrorInit {
  readonly evidence?: Evidence;
  readonly cause?: unknown;
}

export abstract class StarlingError<Code extends string = string> extends Error {
  readonly code: Code;
  readonly evidence: Evidence;

  constructor(code: Code, message: string, init: ErrorInit = {}) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause });
    this.name = new.target.name;
    this.code = code;
    this.evidence = init.evidence ?? {};
  }
}

/** Whether this is one of our own errors, which says all that need be said. */
export const isStarlingError = (error: unknown): error is StarlingError =>
  error instanceof StarlingError;

/** Who typed: a flag, an environment variable or an argument that can't be used. */
export class ConfigError extends StarlingError<
  'CONFIG_INVALID' | 'CONFIG_MISSING' | 'CONFIG_IN_USE' | 'CONFIG_NEEDS_UNMET'
> {}

/** Who baked: a tree, manifest, info dictionary or .torrent that can't be an image. */
export class ImageError extends StarlingError<
  | 'IMAGE_TREE'
  | 'IMAGE_CHANGED'
  | 'IMAGE_MANIFEST'
  | 'IMAGE_METAINFO'
  | 'IMAGE_ID'
  | 'IMAGE_UNKNOWN'
> {}

/** Who signed: release metadata that must not be believed. */
export class RepositoryError extends StarlingError<
  | 'REPOSITORY_SIGNATURE'
  | 'REPOSITORY_ROLLBACK'
  | 'REPOSITORY_EXPIRED'
  | 'REPOSITORY_MIX_AND_MATCH'
  | 'REPOSITORY_MALFORMED'
  | 'REPOSITORY_NO_RELEASE'
> {}

/** Who sent: a peer that broke the protocol or lied. */
export class PeerError extends StarlingError<
  | 'PEER_PROTOCOL'
  | 'PEER_BAD_BLOCK'
  | 'PEER_BAD_METADATA'
  | 'PEER_CLOSED'
  | 'PEER_TIMEOUT'
  | 'PEER_IDENTITY'
  | 'PEER_NOT_MEMBER'
> {}

/** This disk: it is full, failing, or holds something other than what was written. */
export class StorageError extends StarlingError<
  'STORAGE_NO_SPACE' | 'STORAGE_FAILED' | 'STORAGE_CORRUPT'
> {}

/** The tracker's store: it is full, out of reach, or was changed meanwhile. */
export class StoreError extends StarlingError<
  'STORE_CONFLICT' | 'STORE_READ_ONLY' | 'STORE_FAILED' | 'STORE_TOO_LARGE' | 'STORE_TAMPERED'
> {}

/** The tracker: out of reach, or it answered with an error. */
export class TrackerError extends StarlingError<
  'TRACKER_UNREACHABLE' | 'TRACKER_REFUSED' | 'TRACKER_FAILED'
> {}

/** What was activated: it did not start, did not become healthy, may not begin, or can't go back. */
export class ActivationError extends StarlingError<
  | 'ACTIVATION_START'
  | 'ACTIVATION_UNHEALTHY'
  | 'ACTIVATION_NO_GENERATION'
  | 'ACTIVATION_NOT_PERMITTED'
> {}

/** What OpenSSL says of a certificate that nobody has vouched for. */
const unknownAuthority: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

/** Why a tracker did not answer, of the error of a request; Node's own words name options of its own. */
export function whyUnreachable(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // fetch hides what happened to the connection in the cause of its error.
  if (error.cause instanceof Error) return whyUnreachable(error.cause);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  if (code !== undefined && unknownAuthority.has(code)) {
    return `its certificate is of no authority that is believed here (${code}): give the file of its certificate, or of its authority's, with --tracker-ca`;
  }
  return error.message === '' ? (code ?? error.name) : error.message;
}

/** A deadline that the caller set has passed. */
export class DeadlineError extends StarlingError<'DEADLINE_PASSED'> {}
