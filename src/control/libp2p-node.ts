import { noise } from '@chainsafe/libp2p-noise';
import { yamux } from '@chainsafe/libp2p-yamux';
import {
  gossipsub,
  StrictNoSign,
  type GossipSub,
  type GossipSubComponents,
} from '@libp2p/gossipsub';
import { identify, type Identify } from '@libp2p/identify';
import type { Libp2p } from '@libp2p/interface';
import { tcp } from '@libp2p/tcp';
import type { Multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import type { Identity } from '../trust/sealed.ts';
import { hintsTopic, maxHintBytes } from './hint.ts';
import { libp2pKey } from './libp2p-key.ts';
import { membersOnly } from './members-only.ts';

export type Services = { readonly identify: Identify; readonly gossip: GossipSub };

export interface Libp2pInit {
  readonly listen: readonly string[];
  readonly announce?: readonly string[] | undefined;
  readonly maxConnections: number;
  /** Connections that one address may open in a second. */
  readonly maxInboundPerSecond: number;
  /** Handshakes at a time: more are refused and come again, so that those that are begun end in time. */
  readonly maxPending: number;
  /** Hints of our own go to every connected peer, not only to the mesh. */
  readonly floodsHints: boolean;
  /** How often a connection is tried, in milliseconds; undefined: never, its sessions are. */
  readonly monitorMs: number | undefined;
  readonly dialTimeoutMs: number;
  /** Asked before the handshake: whether no more connections are taken now. */
  readonly isCrowded: (remoteAddress: Multiaddr) => boolean;
  readonly isAdmitted: (peerId: string) => boolean;
}

type Registrar = GossipSubComponents['registrar'];

/** Enough for what we speak, each with one or two streams; a stream may make its peer keep 512 KiB. */
const maxStreams = 16;
const maxWindowBytes = 512 * 1024;
const idleMs = 120_000;

/** TCP, noise, yamux, identify and gossipsub: no DHT, no relay, no NAT traversal, no discovery. It is not started. */
export async function newLibp2p(identity: Identity, init: Libp2pInit): Promise<Libp2p<Services>> {
  const sockets = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 15_000 };
  const { announce, monitorMs } = init;
  return createLibp2p<Services>({
    start: false,
    privateKey: libp2pKey(identity),
    nodeInfo: { name: 'starling', version: '1', userAgent: 'starling' },
    addresses: { listen: [...init.listen], ...(announce && { announce: [...announce] }) },
    transports: [
      tcp({
        backlog: 1_024,
        inboundSocketInactivityTimeout: idleMs,
        outboundSocketInactivityTimeout: idleMs,
        maxConnections: init.maxConnections * 2,
        dialOpts: sockets,
        listenOpts: sockets,
      }),
    ],
    connectionEncrypters: [noise()],
    streamMuxers: [
      yamux({
        maxInboundStreams: maxStreams,
        maxOutboundStreams: maxStreams,
        streamOptions: { maxStreamWindowSize: maxWindowBytes, maxReadBufferLength: maxWindowBytes },
      }),
    ],
    connectionManager: {
      maxConnections: init.maxConnections,
      inboundConnectionThreshold: init.maxInboundPerSecond,
      maxIncomingPendingConnections: init.maxPending,
      maxDialQueueLength: 64,
      dialTimeout: init.dialTimeoutMs,
      addressDialTimeout: init.dialTimeoutMs,
      inboundUpgradeTimeout: init.dialTimeoutMs,
      inboundStreamProtocolNegotiationTimeout: init.dialTimeoutMs,
      outboundStreamProtocolNegotiationTimeout: init.dialTimeoutMs,
      reconnectRetries: 0,
    },
    connectionMonitor:
      monitorMs === undefined ? { enabled: false } : { enabled: true, pingInterval: monitorMs },
    connectionGater: { denyInboundConnection: ({ remoteAddr }) => init.isCrowded(remoteAddr) },
    services: {
      // Who is no member is asked nothing, and told nothing: it runs when a peer is admitted.
      identify: (components) =>
        identify({ runOnConnectionOpen: false })({
          peerId: components.peerId,
          privateKey: components.privateKey,
          peerStore: components.peerStore,
          registrar: forMembers(components.registrar, init.isAdmitted),
          addressManager: components.addressManager,
          events: components.events,
          logger: components.logger,
          nodeInfo: components.nodeInfo,
        }),
      gossip: (components) =>
        gossipsub(gossipOptions(init))({
          peerId: components.peerId,
          privateKey: components.privateKey,
          peerStore: components.peerStore,
          registrar: forMembers(components.registrar, init.isAdmitted),
          connectionManager: components.connectionManager,
          logger: components.logger,
        }),
    },
  });
}

/**
 * Hints are not signed: they are looked into and never believed, so who first said one means nothing.
 * Hosts of one rack share an address, and silence is no fault; only what is malformed counts against
 * a peer.
 */
const gossipOptions = (init: Libp2pInit): Parameters<typeof gossipsub>[0] => ({
  globalSignaturePolicy: StrictNoSign,
  allowedTopics: [hintsTopic],
  fallbackToFloodsub: false,
  floodPublish: init.floodsHints,
  allowPublishToZeroTopicPeers: true,
  ignoreDuplicatePublishError: true,
  doPX: false,
  tagMeshPeers: false,
  maxInboundStreams: 2,
  maxOutboundStreams: 2,
  maxInboundDataLength: 64 * maxHintBytes,
  maxOutboundBufferSize: 256 * maxHintBytes,
  maxTopicBytesPerPeer: 8 * 1_024,
  decodeRpcLimits: {
    maxSubscriptions: 8,
    maxMessages: 64,
    maxIhaveMessageIDs: 256,
    maxIwantMessageIDs: 256,
    maxIdontwantMessageIDs: 64,
    maxControlMessages: 16,
    maxPeerInfos: 0,
  },
  scoreParams: {
    IPColocationFactorWeight: 0,
    retainScore: 600_000,
    topics: {
      [hintsTopic]: {
        topicWeight: 1,
        timeInMeshWeight: 0,
        timeInMeshQuantum: 1_000,
        timeInMeshCap: 1,
        firstMessageDeliveriesWeight: 0,
        firstMessageDeliveriesDecay: 0.5,
        firstMessageDeliveriesCap: 1,
        meshMessageDeliveriesWeight: 0,
        meshMessageDeliveriesDecay: 0.5,
        meshMessageDeliveriesCap: 1,
        meshMessageDeliveriesThreshold: 1,
        meshMessageDeliveriesWindow: 10,
        meshMessageDeliveriesActivation: 5_000,
        meshFailurePenaltyWeight: 0,
        meshFailurePenaltyDecay: 0.5,
        invalidMessageDeliveriesWeight: -1,
        invalidMessageDeliveriesDecay: 0.9,
      },
    },
  },
});

/** The registrar as a service sees it whose streams only members may open. */
function forMembers(registrar: Registrar, isAdmitted: (peerId: string) => boolean): Registrar {
  const handle: Registrar['handle'] = (protocol, handler, options) =>
    registrar.handle(protocol, membersOnly(handler, isAdmitted), options);
  return new Proxy(registrar, {
    get(target, property) {
      if (property === 'handle') return handle;
      const value: unknown = Reflect.get(target, property);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
