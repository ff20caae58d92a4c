import { randomBytes } from 'node:crypto';
import type { GossipsubMessage, TopicValidatorResult } from '@libp2p/gossipsub';
import type { Clock } from './clock.ts';
import type { ControlNode } from './control-node.ts';
import { hintSchema, hintsTopic, maxHintBytes, sentHintSchema, type Hint } from './hint.ts';
import { RateLimit } from './rate-limit.ts';

export interface HintsInit {
  /** Look there; nothing that it says is to be believed. `from` is who passed it on. */
  readonly onHint: (hint: Hint, from: string) => void;
  /** Hints that one peer may pass on. */
  readonly rate?: { readonly perSecond: number; readonly burst: number };
}

const defaultRate = { perSecond: 20, burst: 60 };
const maxPeers = 1_024;
const verdicts = {
  accept: 'accept' as TopicValidatorResult,
  ignore: 'ignore' as TopicValidatorResult,
  reject: 'reject' as TopicValidatorResult,
};

/** Hints, spread by gossip from host to host, so that news travel while no tracker can be reached. */
export class Hints implements Disposable {
  readonly #node: ControlNode;
  readonly #init: HintsInit;
  readonly #limit: RateLimit;

  constructor(components: { node: ControlNode; clock: Clock }, init: HintsInit) {
    this.#node = components.node;
    this.#init = init;
    const rate = init.rate ?? defaultRate;
    this.#limit = new RateLimit(components.clock, { ...rate, maxKeys: maxPeers });
    const { gossip } = this.#node;
    gossip.topicValidators.set(hintsTopic, (peer, message) =>
      this.#validate(peer.toString(), message.data),
    );
    gossip.addEventListener('gossipsub:message', this.#onMessage);
    gossip.subscribe(hintsTopic);
  }

  /** Hands a hint to the hosts that are connected, which pass it on; no answer says whom it reached. */
  async publish(hint: Hint): Promise<void> {
    const sent = { id: randomBytes(12).toString('base64url'), hint };
    await this.#node.gossip.publish(hintsTopic, Buffer.from(JSON.stringify(sent), 'utf8'));
  }

  readonly #onMessage = ({ detail }: CustomEvent<GossipsubMessage>): void => {
    const hint = parseHint(detail.msg.data);
    if (hint === undefined || hint === 'unknown') return;
    this.#init.onHint(hint, detail.propagationSource.toString());
  };

  /** What is refused counts against who passed it on, and what is only ignored does not; neither is passed on. */
  #validate(from: string, data: Uint8Array): TopicValidatorResult {
    if (this.#node.claimsOf(from) === undefined) return verdicts.reject;
    const hint = parseHint(data);
    if (hint === undefined) return verdicts.reject;
    if (hint === 'unknown') return verdicts.ignore;
    // Who passes on what others flood must not be blamed for it: it is only bounded.
    return this.#limit.take(from) ? verdicts.accept : verdicts.ignore;
  }

  [Symbol.dispose](): void {
    const { gossip } = this.#node;
    gossip.removeEventListener('gossipsub:message', this.#onMessage);
    gossip.topicValidators.delete(hintsTopic);
    if (gossip.getTopics().includes(hintsTopic)) gossip.unsubscribe(hintsTopic);
  }
}

/** @returns undefined when it is malformed, 'unknown' when it hints at something that is not known here */
function parseHint(data: Uint8Array): Hint | 'unknown' | undefined {
  if (data.length > maxHintBytes) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(data).toString('utf8'));
  } catch {
    return undefined;
  }
  const sent = sentHintSchema.safeParse(value);
  if (!sent.success) return undefined;
  const hint = hintSchema.safeParse(sent.data.hint);
  return hint.success ? hint.data : 'unknown';
}
