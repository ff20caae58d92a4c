import { PeerError } from '../errors.ts';
import type { Connections } from './connections.ts';
import type { DataLane } from './data/data-lane.ts';
import type { DataEvent } from './data/data-protocol.ts';
import type { Handshake } from './handshake.ts';
import type { JoinedSwarm } from './joined-swarm.ts';
import type { JoinedSwarms } from './joined-swarms.ts';
import type { Peer } from './peer.ts';
import type { SealedMembers } from './sealed-members.ts';
import type { V1Seeds } from './v1-seeds.ts';

export interface AcceptorComponents {
  readonly connections: Connections;
  readonly swarms: JoinedSwarms;
  readonly v1Seeds: V1Seeds;
  readonly members: SealedMembers;
}

export interface AcceptorInit {
  /** What this host calls itself in handshakes, 20 bytes. */
  readonly peerId: Buffer;
}

/** Answers those who connect, when they have said which image they come for. */
export class Acceptor {
  readonly #components: AcceptorComponents;
  readonly #init: AcceptorInit;

  constructor(components: AcceptorComponents, init: AcceptorInit) {
    this.#components = components;
    this.#init = init;
  }

  accept(event: Extract<DataEvent, { type: 'accepted' }>, lane: DataLane): void {
    const { connections, v1Seeds } = this.#components;
    const { peerId } = this.#init;
    const { link, address } = event;
    const { isFull } = connections;
    const peer = connections.take({ link, lane }, { address, outgoing: false }, (handshake) => {
      const v1 = event.transport === 'plain' ? v1Seeds.find(handshake.infoHash) : undefined;
      if (v1 !== undefined) {
        peer.sendHandshake(v1.infoHash, peerId);
        v1.addPeer(peer);
        return;
      }
      const joined = this.#swarmFor(peer, handshake);
      if (joined === undefined) {
        peer.close(new PeerError('PEER_PROTOCOL', `${address} asks for an image that is not here`));
        return;
      }
      peer.sendHandshake(joined.swarm.hashes.answerTo(handshake), peerId);
      joined.welcome.take(peer, handshake, () => undefined);
    });
    if (isFull) peer.close();
  }

  /** An image that the peer may not have is as unknown as one that is not here. */
  #swarmFor(peer: Peer, { infoHash }: Handshake): JoinedSwarm | undefined {
    const { swarms, members } = this.#components;
    const joined = swarms.find(infoHash);
    if (joined === undefined || !members.mayHave(peer.claims, [...joined.apps])) return undefined;
    return joined;
  }
}
