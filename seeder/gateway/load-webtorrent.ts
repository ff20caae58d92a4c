import { createRequire, findPackageJSON, registerHooks } from 'node:module';
import type WebTorrent from 'webtorrent';

/** In place of webtorrent's WebRTC: what says that there is none. */
const noWebRtc =
  'data:text/javascript,' +
  'export const RTCPeerConnection=undefined,RTCSessionDescription=undefined,RTCIceCandidate=undefined';

export interface LoadedWebTorrent {
  readonly WebTorrent: typeof WebTorrent;
  /** Why there is no WebRTC, where there is none. */
  readonly webRtcFailure: unknown;
}

/**
 * Loads webtorrent. Its WebRTC is a native library (node-datachannel), whose binary may be missing
 * on a machine; webtorrent would not load at all then, so it is loaded without.
 */
export async function loadWebTorrent(
  tryWebRtc: () => Promise<unknown> = importWebRtc,
): Promise<LoadedWebTorrent> {
  const webRtcFailure: unknown = await tryWebRtc().then(
    () => undefined,
    (error: unknown) => error,
  );
  if (webRtcFailure === undefined) {
    return { WebTorrent: (await import('webtorrent')).default, webRtcFailure };
  }
  const hooks = registerHooks({
    resolve: (specifier, context, next) =>
      specifier === 'webrtc-polyfill'
        ? { url: noWebRtc, format: 'module', shortCircuit: true }
        : next(specifier, context),
  });
  try {
    return { WebTorrent: (await import('webtorrent')).default, webRtcFailure };
  } finally {
    hooks.deregister();
  }
}

/**
 * Loads just the native library, as webtorrent would find it. A module that failed once fails for
 * ever, so this must not be a module that is loaded in the other case, too.
 */
async function importWebRtc(): Promise<unknown> {
  let from: string = import.meta.url;
  for (const name of ['webtorrent', '@thaunknown/simple-peer', 'webrtc-polyfill']) {
    const found = findPackageJSON(name, from);
    if (found === undefined) throw new Error(`the package ${name} is not installed`);
    from = found;
  }
  return await import(createRequire(from).resolve('node-datachannel'));
}
