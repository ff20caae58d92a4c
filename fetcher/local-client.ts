import type { FetcherClient } from '../src/api/index.ts';

/** Speaks with the fetcher that runs in a directory. */
export async function openClient(directory: string): Promise<FetcherClient> {
  const api = await import('../src/api/index.ts');
  const { FetcherDirectory } = await import('./fetcher-directory.ts');
  return new api.FetcherClient({ socketPath: new FetcherDirectory(directory).socket });
}
