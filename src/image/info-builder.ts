import { binaryKey, encodeBencode, type BencodeInput } from './bencode.ts';

/** An entry of the tree to describe, in the order of `compareTreePaths`. */
export type InfoEntry =
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly sizeBytes: number;
      readonly executable: boolean;
      readonly root: Uint8Array | undefined;
    }
  | { readonly kind: 'link'; readonly path: string; readonly target: string };

export interface InfoDraft {
  readonly name: string;
  readonly pieceSizeBytes: number;
  readonly entries: readonly InfoEntry[];
  /** SHA-1 of every piece, 20 bytes each: makes the dictionary a hybrid (BEP 52, 'Upgrade Path'). */
  readonly v1Pieces: Uint8Array | undefined;
}

/**
 * The bencoded info dictionary, byte for byte what libtorrent 2.0 makes of the same tree: a link
 * has the attributes `xl`, and its target is relative to its own directory (docs/decisions.md).
 */
export function encodeInfo(draft: InfoDraft): Buffer {
  const info: Record<string, BencodeInput | undefined> = {
    'file tree': fileTree(draft.entries),
    files: draft.v1Pieces === undefined ? undefined : v1Files(draft),
    'meta version': 2,
    name: draft.name,
    'piece length': draft.pieceSizeBytes,
    pieces: draft.v1Pieces,
  };
  return encodeBencode(info);
}

type Tree = Map<string, BencodeInput>;

function fileTree(entries: readonly InfoEntry[]): Tree {
  const root: Tree = new Map();
  for (const entry of entries) {
    let node = root;
    for (const part of entry.path.split('/')) {
      const key = binaryKey(part);
      const next = (node.get(key) as Tree | undefined) ?? new Map<string, BencodeInput>();
      node.set(key, next);
      node = next;
    }
    node.set('', treeProperties(entry));
  }
  return root;
}

function treeProperties(entry: InfoEntry): BencodeInput {
  if (entry.kind === 'link') return { attr: 'xl', 'symlink path': entry.target.split('/') };
  return {
    attr: entry.executable ? 'x' : undefined,
    length: entry.sizeBytes,
    'pieces root': entry.sizeBytes > 0 ? entry.root : undefined,
  };
}

function v1Files(draft: InfoDraft): BencodeInput {
  const files: BencodeInput[] = [];
  draft.entries.forEach((entry) => {
    const path = entry.path.split('/');
    if (entry.kind === 'link') {
      files.push({ attr: 'xl', length: 0, path, 'symlink path': entry.target.split('/') });
      return;
    }
    files.push({ attr: entry.executable ? 'x' : undefined, length: entry.sizeBytes, path });
    if (!isPadded(draft.entries.length)) return;
    const pad = paddingBytes(entry.sizeBytes, draft.pieceSizeBytes);
    if (pad > 0) files.push({ attr: 'p', length: pad, path: ['.pad', String(pad)] });
  });
  return files;
}

/**
 * Whether the files of a hybrid are filled up to a whole piece (BEP 47): as libtorrent does it, all
 * of them, also the last; but not a file that is alone.
 */
export const isPadded = (entryCount: number): boolean => entryCount > 1;

/** How many zero bytes fill a file of this size up to a whole number of pieces. */
export function paddingBytes(sizeBytes: number, pieceSizeBytes: number): number {
  const rest = sizeBytes % pieceSizeBytes;
  return rest === 0 ? 0 : pieceSizeBytes - rest;
}
