import { join } from 'node:path';
import type { ImageStore, StoredImage } from '../image/index.ts';
import type { ReusableFile } from './incoming-image.ts';

interface Place extends ReusableFile {
  readonly imageId: string;
}

/** Which contents this host has, by merkle root: what need not be fetched again. */
export class FileIndex {
  readonly #store: ImageStore;
  readonly #places = new Map<string, Place[]>();

  constructor(store: ImageStore) {
    this.#store = store;
  }

  /** Reads what the store has. An image with damaged metainfo is passed over. */
  async load(): Promise<void> {
    for (const imageId of await this.#store.list()) {
      const stored = await this.#store.read(imageId).catch(() => undefined);
      if (stored !== undefined) this.add(stored);
    }
  }

  add(stored: StoredImage): void {
    for (const file of stored.metainfo.info.files) {
      if (file.root === undefined) continue;
      const root = file.root.toString('hex');
      const places = this.#places.get(root) ?? [];
      if (places.some((place) => place.imageId === stored.imageId)) continue;
      const path = join(stored.tree, file.path);
      places.push({ path, executable: file.executable, imageId: stored.imageId });
      this.#places.set(root, places);
    }
  }

  forget(imageId: string): void {
    for (const [root, places] of this.#places) {
      const left = places.filter((place) => place.imageId !== imageId);
      if (left.length === 0) this.#places.delete(root);
      else this.#places.set(root, left);
    }
  }

  find(rootHex: string): readonly ReusableFile[] {
    return this.#places.get(rootHex) ?? [];
  }
}
