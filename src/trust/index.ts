/**
 * Who may publish, and which image a channel names: the TUF repository, writing (keys, signing,
 * what a tracker takes) and reading (what a host believes). And who a host is, and which hosts
 * belong: identities, their certificates, members; that is in sealed.ts.
 * It knows no network: the files of the repository are handed to it, connections are made by ../swarm.
 */
export { parseChannelPath, type ChannelName } from './channel-path.ts';
export { defaultExpiry, type Expiry } from './expiry.ts';
export { addSignatures } from './add-signatures.ts';
export { canComplete, completeSet, mergeUpdate } from './complete-set.ts';
export { delegateApp, undelegateApp } from './delegate.ts';
export {
  createKeyPair,
  createKeys,
  loadKeyFiles,
  loadKeyring,
  loadKeys,
  loadPublicKeys,
} from './key-files.ts';
export { maxMetadataBytes } from './metadata-schema.ts';
export {
  summarizeSet,
  verifyUpdate,
  type MetadataSet,
  type MetadataSummary,
  type MetadataUpdate,
} from './metadata-set.ts';
export type { FetchMetadata } from './metadata-source.ts';
export { isOnlineKey, openOnlineKey } from './online-key.ts';
export { readPublishedRoot, readPublishedSet } from './published-set.ts';
export type { RoleName } from './refusals.ts';
export {
  ReleaseClient,
  type ReleaseClientComponents,
  type ReleaseClientInit,
} from './release-client.ts';
export type { Release } from './release.ts';
export { checkRoot, checkRootFollows, rootVersion } from './root-chain.ts';
export * from './sealed.ts';
export {
  renew,
  renewFiles,
  signRelease,
  signReleaseFile,
  type SigningInit,
} from './sign-release.ts';
export { signNextRoot, type RoleKeys, type RootChange } from './sign-root.ts';
export type { Keyring, SigningKey, SigningKeys } from './signing-key.ts';
export type { CacheDropped } from './trusted-state.ts';
