import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';
import { runTufClient } from './tuf-client.ts';
import type { TufRepository } from './tuf-repository.ts';

/** A client under test, called as the conformance suite calls it, in this process. */
export class Client {
  readonly #directory: string;
  readonly #repository: TufRepository;

  private constructor(directory: string, repository: TufRepository) {
    this.#directory = directory;
    this.#repository = repository;
  }

  /** A client that trusts the first root of the repository, and nothing else. */
  static async init(repository: TufRepository): Promise<Client> {
    const directory = await temporaryDirectory();
    await repository.serve();
    const client = new Client(directory, repository);
    await mkdir(join(directory, 'targets'));
    await writeFile(join(directory, 'first.json'), repository.firstRoot);
    await runTufClient([...client.#where, 'init', join(directory, 'first.json')]);
    return client;
  }

  get #where(): string[] {
    return ['--metadata-dir', join(this.#directory, 'metadata')];
  }

  get refreshArgs(): string[] {
    return [...this.#where, '--metadata-url', `${this.#repository.url}/metadata`, 'refresh'];
  }

  refresh(): Promise<string> {
    return outcome(runTufClient(this.refreshArgs));
  }

  download(...paths: string[]): Promise<string> {
    return outcome(
      runTufClient([
        ...this.#where,
        ...['--metadata-url', `${this.#repository.url}/metadata`],
        ...paths.flatMap((path) => ['--target-name', path]),
        ...['--target-dir', join(this.#directory, 'targets')],
        ...['--target-base-url', `${this.#repository.url}/targets`],
        'download',
      ]),
    );
  }

  /** The versions of the files that it shows, by role. */
  async versions(): Promise<Record<string, number>> {
    const names = await readdir(join(this.#directory, 'metadata'));
    const versions: Record<string, number> = {};
    for (const name of names.filter((name) => name.endsWith('.json')).sort()) {
      const text = await readFile(join(this.#directory, 'metadata', name), 'utf8');
      const { signed } = JSON.parse(text) as { signed: { version: number } };
      versions[decodeURIComponent(name.slice(0, -5))] = signed.version;
    }
    return versions;
  }

  async downloaded(): Promise<string[]> {
    const folder = join(this.#directory, 'targets');
    const names = (await readdir(folder)).sort();
    return Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  }
}

async function outcome(call: Promise<void>): Promise<string> {
  try {
    await call;
    return 'good';
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'failed';
  }
}
