import { ConfigError } from '../src/errors.ts';

/** What can get other keys; `online` is snapshot and timestamp, where a tracker signs them. */
export const rotatedRoles = ['root', 'targets', 'snapshot', 'timestamp', 'online'] as const;
export type RotatedRole = (typeof rotatedRoles)[number];

/** @throws ConfigError CONFIG_INVALID */
export function parseRotatedRole(text: string): RotatedRole {
  const role = rotatedRoles.find((known) => known === text);
  if (role !== undefined) return role;
  throw new ConfigError(
    'CONFIG_INVALID',
    `"${text.slice(0, 100)}" has no keys: give one of ${rotatedRoles.join(', ')}`,
    { evidence: { expected: rotatedRoles } },
  );
}
