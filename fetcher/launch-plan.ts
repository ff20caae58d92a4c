import { ImageError } from '../src/errors.ts';
import { isPort, type Health, type Manifest } from '../src/image/index.ts';
import { fillIn, resolveNeeds, type Supplies } from './needs.ts';

type Probing = Pick<Health, 'intervalMs' | 'timeoutMs' | 'successes' | 'deadlineMs'>;

/** A health check in which every `${NAME}` is filled in. */
export type HealthPlan =
  | ({ readonly type: 'http'; readonly url: URL } & Probing)
  | ({ readonly type: 'tcp'; readonly host: string; readonly port: number } & Probing)
  | ({ readonly type: 'exec'; readonly command: readonly string[] } & Probing);

export interface StopPlan {
  readonly signal: NodeJS.Signals;
  readonly graceMs: number;
}

/** How an image is run here: its manifest with the values of this host. */
export interface LaunchPlan {
  /** Undefined when the image is files only. */
  readonly start: readonly string[] | undefined;
  readonly health: HealthPlan | undefined;
  readonly stop: StopPlan;
  /** The values of its needs, by name. */
  readonly values: ReadonlyMap<string, string>;
  /** Needs and settings, as the app finds them in its environment. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Linux takes 128 KiB for one variable (MAX_ARG_STRLEN), with its name and a NUL. */
const maxSettingsBytes = 128 * 1024 - 64;

/**
 * Works out how an image is run here. It touches nothing.
 * @throws ConfigError CONFIG_NEEDS_UNMET
 * @throws ImageError IMAGE_MANIFEST when start or health can't be filled in.
 */
export function planLaunch(manifest: Manifest, supplies: Supplies): LaunchPlan {
  const values = resolveNeeds(manifest, supplies);
  const settings = JSON.stringify(manifest.settings ?? {});
  if (Buffer.byteLength(settings) > maxSettingsBytes) {
    throw refused(`settings are longer than ${maxSettingsBytes} bytes, which no variable can hold`);
  }
  return {
    start: manifest.start?.map((argument) => fillIn(argument, values, 'start')),
    health: manifest.health && planHealth(manifest.health, values),
    stop: { signal: manifest.stop?.signal ?? 'SIGTERM', graceMs: manifest.stop?.graceMs ?? 10_000 },
    values,
    environment: { ...Object.fromEntries(values), STARLING_SETTINGS: settings },
  };
}

/** What an app finds of the host's own environment; nothing else leaks into it. */
export function inheritedEnvironment(from: NodeJS.ProcessEnv): Record<string, string> {
  const names = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR'];
  const kept = names.flatMap((name) => {
    const value = from[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { PATH: '/usr/local/bin:/usr/bin:/bin', ...Object.fromEntries(kept) };
}

function planHealth(health: Health, values: ReadonlyMap<string, string>): HealthPlan {
  switch (health.type) {
    case 'http': {
      const text = fillIn(health.url, values, 'health.url');
      const url = URL.canParse(text) ? new URL(text) : undefined;
      if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
        throw refused(`health.url is ${text}, which is not an http or https URL`);
      }
      return { ...health, url };
    }
    case 'tcp': {
      const port = fillIn(String(health.port), values, 'health.port');
      if (!isPort(port)) throw refused(`health.port is ${port}, which is not a port`);
      return { ...health, host: fillIn(health.host, values, 'health.host'), port: Number(port) };
    }
    case 'exec':
      return {
        ...health,
        command: health.command.map((argument) => fillIn(argument, values, 'health.command')),
      };
  }
}

function refused(why: string): ImageError {
  return new ImageError(
    'IMAGE_MANIFEST',
    `The manifest can't be used here: ${why}; bake it again with another value.`,
  );
}
