/**
 * A network of machines on this one: a network namespace for each, veth links to bridges, tbf for the
 * rates, addresses of 198.18.0.0/15. It needs root. What runs in it is not decided here.
 */
export type { LinkCount } from './ip-commands.ts';
export { isLeftover, ownPrefix, removeLeftovers } from './leftovers.ts';
export {
  addressOf,
  planNetwork,
  type MachineSketch,
  type NetworkSketch,
  type RackSketch,
} from './network-plan.ts';
export { setupCommands } from './setup-commands.ts';
export { missingNetwork, ShapedNetwork, type NetworkCounts } from './shaped-network.ts';
