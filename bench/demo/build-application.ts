import { copyFile, cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../../', import.meta.url));
const source = fileURLToPath(new URL('./application/server.js', import.meta.url));

/** One version of the demo's application. */
export interface ApplicationVersion {
  readonly version: string;
  readonly message: string;
  /** Whether it will answer its health check. */
  readonly healthy: boolean;
}

/**
 * Puts together a runnable application that needs nothing of its host: its code, its production
 * dependencies as they are installed here, and the Node that runs it.
 */
export async function buildApplication(
  directory: string,
  { version, message, healthy }: ApplicationVersion,
): Promise<void> {
  await mkdir(join(directory, 'bin'), { recursive: true });
  await mkdir(join(directory, '.starling'));
  await copyFile(process.execPath, join(directory, 'bin', 'node'));
  await copyFile(source, join(directory, 'server.js'));
  const dependencies = { fastify: '*' };
  await writeJson(join(directory, 'package.json'), { type: 'module', version, dependencies });
  for (const name of await productionPackages(Object.keys(dependencies))) {
    await cp(join(repository, name), join(directory, name), { recursive: true });
  }
  await writeJson(join(directory, '.starling', 'image.json'), {
    start: ['bin/node', 'server.js'],
    health: {
      type: 'http',
      url: 'http://127.0.0.1:${PORT}/health',
      intervalMs: 100,
      timeoutMs: 2_000,
      successes: 2,
      deadlineMs: healthy ? 60_000 : 6_000,
    },
    stop: { signal: 'SIGTERM', graceMs: 5_000 },
    settings: { message, healthy },
    needs: { PORT: { type: 'port' } },
  });
}

/** The folders of these packages and of all that they depend on, as Node would find them. */
async function productionPackages(names: readonly string[]): Promise<Set<string>> {
  const found = new Set<string>();
  const visit = async (name: string, from: string): Promise<void> => {
    for (let at = from; ; at = dirname(at)) {
      const folder = join(at, 'node_modules', name);
      const text = await readFile(join(repository, folder, 'package.json'), 'utf8').catch(
        () => undefined,
      );
      if (text === undefined) {
        if (at === '.') throw new Error(`the package ${name} is not installed`);
        continue;
      }
      if (found.has(folder)) return;
      found.add(folder);
      const { dependencies = {} } = JSON.parse(text) as { dependencies?: Record<string, string> };
      for (const inner of Object.keys(dependencies)) await visit(inner, folder);
      return;
    }
  };
  for (const name of names) await visit(name, '.');
  return found;
}

const writeJson = (path: string, value: object): Promise<void> =>
  writeFile(path, `${JSON.stringify(value, null, 2)}\n`);
