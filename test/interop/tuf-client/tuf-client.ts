import { createReadStream } from 'node:fs';
import { copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { TargetFile } from '@tufjs/models';
import { TufClient } from '../../../src/trust/tuf-client.ts';
import type { Trusted } from '../../../src/trust/trusted-state.ts';
import { anyTufForm } from './any-tuf-form.ts';

const options = {
  'metadata-dir': { type: 'string' },
  'metadata-url': { type: 'string' },
  'target-name': { type: 'string', multiple: true },
  'target-dir': { type: 'string' },
  'target-base-url': { type: 'string' },
} as const;

/**
 * Answers one call of the TUF conformance suite (its CLIENT-CLI.md) by the reading code of src/trust.
 * What that believes is kept in its own form, and shown beside it in files of the names that the suite
 * looks at, as `root.json`.
 * @throws whatever makes the call fail
 */
export async function runTufClient(argv: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true });
  const need = (name: keyof typeof options): string => {
    const value = values[name];
    if (typeof value === 'string') return value;
    throw new Error(`--${name} is missing`);
  };
  const directory = need('metadata-dir');
  const [command, rootPath] = positionals;
  switch (command) {
    case 'init':
      if (rootPath === undefined) throw new Error('init needs the trusted root');
      await mkdir(directory, { recursive: true });
      await copyFile(rootPath, join(directory, pinnedFile));
      await copyFile(rootPath, join(directory, 'root.json'));
      return;
    case 'refresh':
      await refresh(directory, need('metadata-url'), []);
      return;
    case 'download': {
      const paths = values['target-name'] ?? [];
      const found = await refresh(directory, need('metadata-url'), paths);
      const to = { directory: need('target-dir'), url: need('target-base-url') };
      for (const path of paths) {
        const target = found.targets.get(path);
        if (target === undefined) throw new Error(`${path} is no target`);
        await download(target, { ...to, isPrefixed: found.isConsistent });
      }
      return;
    }
    default:
      throw new Error(`there is no command ${command ?? ''}`);
  }
}

const pinnedFile = 'pinned-root';

/** The suite cuts no power, and fsync is most of what a call costs. */
const nothingDurable = {
  syncFile: () => Promise.resolve(),
  syncDirectory: () => Promise.resolve(),
};

async function refresh(
  directory: string,
  url: string,
  paths: readonly string[],
): Promise<{ targets: ReadonlyMap<string, TargetFile>; isConsistent: boolean }> {
  const client = new TufClient(
    {
      fetchMetadata: (name, maxBytes) => get(url, encodeURIComponent(name), maxBytes),
      durability: nothingDurable,
    },
    {
      directory: join(directory, 'trusted'),
      root: await readFile(join(directory, pinnedFile), 'utf8'),
      form: anyTufForm,
      apps: [],
    },
  );
  try {
    const targets = await client.refresh({ paths });
    const { root } = await client.trusted();
    return { targets, isConsistent: root.metadata.signed.consistentSnapshot };
  } finally {
    await show(directory, await client.trusted());
  }
}

/** What is believed, in files; what is believed no more stays, as the suite wants it. */
async function show(directory: string, trusted: Trusted): Promise<void> {
  const { root, timestamp, snapshot, targets, releases } = trusted;
  for (const document of [root, timestamp, snapshot, targets, ...delegatedOf(releases)]) {
    if (document === undefined) continue;
    await writeFile(join(directory, `${encodeURIComponent(document.name)}.json`), document.text);
  }
}

const delegatedOf = (releases: Trusted['releases']) => [...(releases?.delegated.values() ?? [])];

/** TUF 1.0, "5.7. Fetch target". */
async function download(
  target: TargetFile,
  to: { directory: string; url: string; isPrefixed: boolean },
): Promise<void> {
  const path = join(to.directory, encodeURIComponent(target.path));
  if (await isGood(target, path)) return;
  const parts = target.path.split('/');
  const name = parts.pop() ?? '';
  const [digest = ''] = Object.values(target.hashes);
  const file = [...parts, to.isPrefixed ? `${digest}.${name}` : name].join('/');
  const bytes = await get(to.url, file, target.length);
  if (bytes === undefined) throw new Error(`${file} is not there`);
  const fresh = `${path}.fresh`;
  try {
    await writeFile(fresh, bytes);
    if (!(await isGood(target, fresh))) throw new Error(`${file} is not what was signed`);
    await rename(fresh, path);
  } finally {
    await rm(fresh, { force: true });
  }
}

async function isGood(target: TargetFile, path: string): Promise<boolean> {
  try {
    await target.verify(createReadStream(path));
    return true;
  } catch {
    // Not there, or of another length or hash: it is to be fetched.
    return false;
  }
}

/** @returns undefined when there is no such file */
async function get(url: string, file: string, maxBytes: number): Promise<Buffer | undefined> {
  const response = await fetch(`${url.replace(/\/$/, '')}/${file}`);
  if (response.status === 404 || response.status === 403) return undefined;
  if (!response.ok || response.body === null) throw new Error(`HTTP status ${response.status}`);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body as ReadableStream<Uint8Array>) {
    length += chunk.length;
    if (length > maxBytes) throw new Error(`${file} is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
