import {
  machineLink,
  subnetBits,
  type NetworkPlan,
  type PlannedMachine,
  type PlannedRack,
} from './network-plan.ts';

/** Commands of ip or tc in a namespace (undefined: where the bench runs), to be run in this order. */
export interface CommandBatch {
  readonly program: 'ip' | 'tc';
  readonly namespace?: string;
  readonly lines: readonly string[];
}

/**
 * How much a shaper lets pass at once. It must hold the largest packet that the kernel hands down
 * before it is cut into frames.
 */
const burst = '64k';
/** A queue holds what its link carries in this time, but never less than so many bytes. */
const queueSeconds = 0.2;
const leastQueueBytes = 256 << 10;

/** What makes a network. Links are made within namespaces: none appears where the bench runs. */
export function setupCommands(plan: NetworkPlan): CommandBatch[] {
  const { machines, racks } = plan;
  const namespaces = namespacesOf(plan).map((name) => `netns add ${name}`);
  return [
    { program: 'ip', lines: namespaces },
    {
      program: 'ip',
      namespace: plan.switch,
      lines: [
        ...[plan.core, ...racks.map(({ bridge }) => bridge)].flatMap(bridgeLines),
        ...racks.flatMap((rack) => uplinkLines(rack, plan.core)),
        ...machines.flatMap(portLines),
      ],
    },
    {
      program: 'tc',
      namespace: plan.switch,
      lines: [
        ...racks.flatMap(({ rackEnd, coreEnd, uplinkBytesPerSecond }) => [
          shaperLine(rackEnd, uplinkBytesPerSecond),
          shaperLine(coreEnd, uplinkBytesPerSecond),
        ]),
        ...machines.map(({ port, rateBytesPerSecond }) => shaperLine(port, rateBytesPerSecond)),
      ].filter((line) => line !== undefined),
    },
    ...machines.flatMap(machineCommands),
  ];
}

/** Links and shapers go with them. */
export const removalCommands = (plan: NetworkPlan): CommandBatch => ({
  program: 'ip',
  lines: namespacesOf(plan).map((name) => `netns del ${name}`),
});

const namespacesOf = (plan: NetworkPlan): string[] => [
  plan.switch,
  ...plan.machines.map(({ namespace }) => namespace),
];

const bridgeLines = (bridge: string): string[] => [
  `link add ${bridge} type bridge forward_delay 0 mcast_snooping 0`,
  `link set ${bridge} up`,
];

const uplinkLines = ({ bridge, rackEnd, coreEnd }: PlannedRack, core: string): string[] => [
  `link add ${rackEnd} type veth peer name ${coreEnd}`,
  `link set ${rackEnd} master ${bridge} up`,
  `link set ${coreEnd} master ${core} up`,
];

const portLines = ({ port, bridge, namespace }: PlannedMachine): string[] => [
  `link add ${port} type veth peer name ${machineLink} netns ${namespace}`,
  `link set ${port} master ${bridge} up`,
];

function machineCommands({ namespace, address, ...machine }: PlannedMachine): CommandBatch[] {
  const shaper = shaperLine(machineLink, machine.rateBytesPerSecond);
  const up: CommandBatch = {
    program: 'ip',
    namespace,
    lines: [
      'link set lo up',
      `addr add ${address}/${subnetBits} dev ${machineLink}`,
      `link set ${machineLink} up`,
    ],
  };
  return shaper === undefined ? [up] : [up, { program: 'tc', namespace, lines: [shaper] }];
}

/** Shapes what leaves by a link. tbf(8) counts frames with their Ethernet headers, uncut ones too. */
function shaperLine(link: string, bytesPerSecond: number): string;
function shaperLine(link: string, bytesPerSecond: number | undefined): string | undefined;
function shaperLine(link: string, bytesPerSecond: number | undefined): string | undefined {
  if (bytesPerSecond === undefined) return undefined;
  const queueBytes = Math.max(leastQueueBytes, Math.round(bytesPerSecond * queueSeconds));
  const rate = `${Math.round(bytesPerSecond * 8)}bit`;
  return `qdisc add dev ${link} root tbf rate ${rate} burst ${burst} limit ${queueBytes}`;
}
