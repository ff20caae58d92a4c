import type { StreamHandler } from '@libp2p/interface';

/** A handler that is reached by members alone; streams of others are reset. */
export const membersOnly =
  (handler: StreamHandler, isAdmitted: (peerId: string) => boolean): StreamHandler =>
  (stream, connection) => {
    if (isAdmitted(connection.remotePeer.toString())) return handler(stream, connection);
    stream.abort(new Error('only members of the fleet may use this protocol'));
  };
