import { carriedTree } from './carried-tree.ts';
import type { TorrentClient } from './torrent-client.ts';

/** The lines of a carriedTree that are no links, and don't lie behind one. */
export function withoutLinks(lines: readonly string[]): string[] {
  const links = lines.flatMap((line) => /^(.*) -> /.exec(line)?.[1] ?? []);
  return lines.filter((line) =>
    links.every((link) => !line.startsWith(`${link} -> `) && !line.startsWith(`${link}/`)),
  );
}

/**
 * What a client that knows no attributes (BEP 47) lays out of a tree: its files with their content,
 * no links. The padding files of hybrids, which such clients write, are passed over. One line a
 * file, sorted.
 */
export async function plainTree(tree: string, client: TorrentClient): Promise<string[]> {
  return withoutLinks(await carriedTree(tree))
    .filter((line) => !line.startsWith('.pad/'))
    .filter((line) => client.makesEmptyFiles || !line.includes(', 0 bytes, '))
    .map((line) => line.replace(': executable, ', ': file, '));
}
