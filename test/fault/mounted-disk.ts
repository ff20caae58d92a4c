import { mkdir, mkdtemp, open, rm, rmdir, stat, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { eventually } from '../tools/eventually.ts';
import { runTool } from './run-tool.ts';

const blockBytes = 4_096;

/** EXT4_IOC_SHUTDOWN, and its flag for a cut without a flush of the journal. */
const cutPower = `
import fcntl, os, struct, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
fcntl.ioctl(fd, 0x8004587d, struct.pack('I', 2))
`;
const cutPowerInPerl = `
open(my $directory, '<', $ARGV[0]) or opendir($directory, $ARGV[0]) or die $!;
ioctl($directory, 0x8004587d, my $flag = pack('I', 2)) or die $!;
`;

/** A file system of its own that a test may spoil. It is unmounted when the test has ended. */
class MountedDisk {
  readonly path: string;
  protected mounted = false;

  protected constructor(path: string) {
    this.path = path;
    onTestFinished(async () => {
      // Also when something of a failed test still holds it open.
      if (this.mounted) await runTool('umount', ['--lazy', this.path]);
    });
  }

  protected async mount(args: readonly string[]): Promise<void> {
    await mkdir(this.path, { recursive: true });
    await runTool('mount', [...args, this.path]);
    this.mounted = true;
  }

  /** What a killed process has started may hold it open a little longer. */
  async unmount(): Promise<void> {
    const tryOnce = async () =>
      await runTool('umount', [this.path]).catch((error: unknown) => {
        if (!String(error).includes('busy')) throw error;
        return undefined;
      });
    await eventually(`${this.path} is unmounted`, tryOnce);
    this.mounted = false;
  }
}

/** A disk in memory, of a size that may be changed. */
export class MemoryDisk extends MountedDisk {
  static async create(path: string, sizeKib: number): Promise<MemoryDisk> {
    const disk = new MemoryDisk(path);
    await disk.mount(['-t', 'tmpfs', '-o', `size=${Math.ceil(sizeKib)}k`, 'starling-test']);
    return disk;
  }

  async usedKib(): Promise<number> {
    const { blocks, bfree, bsize } = await statfs(this.path);
    return ((blocks - bfree) * bsize) / 1_024;
  }

  async resize(sizeKib: number): Promise<void> {
    await runTool('mount', ['-o', `remount,size=${Math.ceil(sizeKib)}k`, this.path]);
  }
}

/** An ext4 file system on a loop device, whose power can be cut. */
export class Ext4Disk extends MountedDisk {
  readonly #backing: string;

  private constructor(path: string, backing: string) {
    super(path);
    this.#backing = backing;
  }

  /** @param backing the file that it lies in, which is made */
  static async create(path: string, backing: string, sizeMib: number): Promise<Ext4Disk> {
    const file = await open(backing, 'w');
    await file.truncate(sizeMib << 20);
    await file.close();
    await runTool('mkfs.ext4', ['-q', '-F', '-b', String(blockBytes), backing]);
    const disk = new Ext4Disk(path, backing);
    await disk.#thinOut();
    await disk.mountAgain();
    return disk;
  }

  /**
   * Leaves holes in the backing file for what is free, and for nothing else: when there is no room
   * below, it is the content of files that can't be written, and not the journal.
   */
  async #thinOut(): Promise<void> {
    const { size } = await stat(this.#backing);
    await runTool('fallocate', ['--length', String(size), this.#backing]);
    const groups = await runTool('dumpe2fs', [this.#backing]);
    const free = [...groups.matchAll(/^ {2}Free blocks: (.*)$/gm)].map(
      ([, ranges]) => ranges ?? '',
    );
    for (const [, first, last] of free.join(', ').matchAll(/(\d+)-(\d+)/g)) {
      const offset = String(Number(first) * blockBytes);
      const length = String((Number(last) - Number(first) + 1) * blockBytes);
      const range = ['--offset', offset, '--length', length];
      await runTool('fallocate', ['--punch-hole', ...range, this.#backing]);
    }
  }

  async mountAgain(): Promise<void> {
    await this.mount(['-o', 'loop', this.#backing]);
  }

  /** From now on nothing reaches the disk any more, as if its power was cut. */
  async cutPower(): Promise<void> {
    try {
      await runTool('/usr/bin/python3', ['-c', cutPower, this.path]);
    } catch (error) {
      if ((error as { cause?: { code?: unknown } }).cause?.code !== 'ENOENT') throw error;
      await runTool('perl', ['-e', cutPowerInPerl, this.path]);
    }
  }

  /** Makes the journal hold what was done so far, but not the content of the files. */
  async commitJournal(): Promise<void> {
    const file = await open(join(this.path, 'unrelated'), 'w');
    try {
      await file.writeFile('x');
      await file.sync();
    } finally {
      await file.close();
    }
  }
}

let reason: Promise<string | undefined> | undefined;

/** Why no file system can be mounted here; undefined: it can. */
export function whyNoMounts(): Promise<string | undefined> {
  reason ??= findReason();
  return reason;
}

async function findReason(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'it needs Linux';
  if (process.getuid?.() !== 0) return 'it needs root, to mount file systems';
  const control = await open('/dev/loop-control', 'r').catch(() => undefined);
  await control?.close();
  if (control === undefined) return 'there is no /dev/loop-control';
  // Where CI could do it, a fault in doing it is to be seen.
  if (process.env.CI !== undefined) return undefined;
  const directory = await mkdtemp(join(tmpdir(), 'starling-mount-'));
  const place = join(directory, 'disk');
  const backing = join(directory, 'backing');
  try {
    await mkdir(place);
    await runTool('truncate', ['--size', '8M', backing]);
    await runTool('mkfs.ext4', ['-q', '-F', backing]);
    await runTool('mount', ['-o', 'loop', backing, place]);
    await runTool('umount', [place]);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    await rm(backing, { force: true });
    await rmdir(place).catch(() => undefined);
    await rmdir(directory).catch(() => undefined);
  }
}
