import { lowerBound, type HostLinks, type ImageSize } from '../../src/policy/index.ts';
import { payloadShare } from './payload-rate.ts';
import type { FleetSketch, HostSketch } from './scenario.ts';

const linksOf = (rateBytesPerSecond: number, group?: string): HostLinks => ({
  upBytesPerSecond: rateBytesPerSecond * payloadShare,
  downBytesPerSecond: rateBytesPerSecond * payloadShare,
  group,
});

const boundOf = (fleet: FleetSketch, hosts: readonly HostSketch[], image: ImageSize): number =>
  lowerBound(
    {
      seeds: [linksOf(fleet.seedBytesPerSecond)],
      hosts: hosts.map(({ rateBytesPerSecond, rack }) => linksOf(rateBytesPerSecond, rack)),
      groups: fleet.racks.map(({ name, uplinkBytesPerSecond }) => ({
        name,
        upBytesPerSecond: uplinkBytesPerSecond * payloadShare,
        downBytesPerSecond: uplinkBytesPerSecond * payloadShare,
      })),
    },
    image,
  );

/** When those come who come late: half of what all together would need at best. */
export const lateSeconds = (fleet: FleetSketch, image: ImageSize): number =>
  boundOf(fleet, fleet.hosts, image) / 2;

/**
 * The seconds that no schedule can beat until the last host has the image: of a slow host's fellows
 * alone, and with late hosts at least what one of them needs after it came.
 */
export function fleetBound(fleet: FleetSketch, image: ImageSize): number {
  const fast = fleet.hosts.filter(({ slow }) => !slow);
  const early = boundOf(
    fleet,
    fast.filter(({ late }) => !late),
    image,
  );
  const late = fast.filter((host) => host.late);
  if (late.length === 0) return early;
  const slowest = Math.min(...late.map(({ rateBytesPerSecond }) => rateBytesPerSecond));
  const alone = image.sizeBytes / (slowest * payloadShare);
  return Math.max(early, lateSeconds(fleet, image) + alone);
}
