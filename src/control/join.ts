import { isStarlingError, PeerError, TrackerError } from '../errors.ts';
import type { ControlNode } from './control-node.ts';
import { FramePipe } from './frame-pipe.ts';
import { decodeFrame, encodeFrame } from './frames.ts';
import {
  joinAnswerSchema,
  joinProtocol,
  maxJoinBytes,
  type JoinAnswer,
  type JoinRequest,
} from './join-messages.ts';
import { parseAs } from './messages.ts';

const timeoutMs = 15_000;

export interface JoinInit extends JoinRequest {
  /** As `parsePeerAddress` reads it: who answers has proved to be this peer. */
  readonly tracker: string;
}

/**
 * Asks a tracker to take this host into the fleet. When it does, the node has its credential from then
 * on. When an operator must approve, `pending`: the host asks again later.
 * @throws TrackerError TRACKER_REFUSED, with the tracker's reason; PeerError when it can't be reached,
 *   or gives a credential that is not good; ConfigError; the signal's reason
 */
export async function join(
  { node }: { readonly node: ControlNode },
  { tracker, ...request }: JoinInit,
  options: { signal: AbortSignal },
): Promise<JoinAnswer> {
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(timeoutMs)]);
  const wasMember = node.claims !== undefined;
  const connection = await node.connectAsStranger(tracker, { signal });
  node.extend(connection, timeoutMs);
  try {
    const stream = await node.openStream(connection, joinProtocol, { signal });
    const pipe = new FramePipe(stream, { maxFrameBytes: maxJoinBytes });
    pipe.send(encodeFrame(request));
    const frame = await pipe.read({ signal });
    if (frame === undefined) {
      throw new PeerError('PEER_CLOSED', `the tracker ${tracker} closed without an answer`);
    }
    const answer = parseAs(joinAnswerSchema, decodeFrame(frame), 'its answer to a join');
    if ('refused' in answer) throw refusedBy(tracker, answer.refused);
    if ('credential' in answer) node.setCredential(answer.credential);
    return answer;
  } catch (error) {
    options.signal.throwIfAborted();
    if (isStarlingError(error)) throw error;
    const why = error instanceof Error ? error.message : String(error);
    const what = `the tracker ${tracker} did not answer the wish to join: ${why}`;
    throw new TrackerError('TRACKER_UNREACHABLE', what, { cause: error });
  } finally {
    // As a stranger it would be closed anyway; a member's may carry a session.
    if (!wasMember) connection.abort(new PeerError('PEER_CLOSED', 'joining is over'));
  }
}

const refusedBy = (tracker: string, why: { code: string; message: string }): TrackerError =>
  new TrackerError('TRACKER_REFUSED', `the tracker ${tracker} refused: ${why.message}`, {
    evidence: { tracker, reason: why.code },
  });
