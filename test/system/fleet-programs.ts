import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { resultOf, type JsonObject, type ProgramName } from './ended-program.ts';
import { RunningProgram, type ProgramEvent } from './running-program.ts';
import { freePort } from './test-fleet.ts';

/** Starts a program that ends with the test. */
export function startProgram(program: ProgramName, args: readonly string[]): RunningProgram {
  const running = new RunningProgram(program, args);
  onTestFinished(() => running[Symbol.asyncDispose]());
  return running;
}

/** A tracker with a fleet and its keys, and what is needed to operate it, to seed and to join; all real. */
export class FleetPrograms {
  readonly directory: string;
  /** Where a fetcher looks for its tracker. */
  url: string;
  /** What says to a program which tracker it calls, and that it may. */
  readonly operator: readonly string[];

  private constructor(directory: string, { url, tokenPath }: ProgramEvent) {
    this.directory = directory;
    this.url = String(url);
    this.operator = ['--tracker', String(url), '--token-file', String(tokenPath)];
  }

  static async start(): Promise<FleetPrograms> {
    const directory = await temporaryDirectory();
    const keys = join(directory, 'keys');
    const own = join(directory, 'tracker');
    await resultOf('seeder', ['keys', 'init', '--keys', keys]);
    await resultOf('tracker', ['fleet', 'init', '--dir', own]);
    const ports = ['--port', '0', '--no-udp', '--control-port', String(await freePort())];
    const where = ['--dir', own, '--root', join(keys, 'root.json')];
    const ttl = ['--credential-ttl', '1m'];
    const tracker = startProgram('tracker', ['serve', ...where, ...ports, ...ttl]);
    return new FleetPrograms(directory, await tracker.untilEvent('listening'));
  }

  at(...names: readonly string[]): string {
    return join(this.directory, ...names);
  }

  /** Calls the tracker as an operator does. */
  operate(...args: readonly string[]): Promise<JsonObject> {
    return resultOf('tracker', [...args, ...this.operator]);
  }

  async tokenFor(...grant: readonly string[]): Promise<string> {
    return String((await this.operate('token', 'create', ...grant)).token);
  }

  async bake(tree: string): Promise<string> {
    const baked = await resultOf('seeder', ['bake', tree, '--store', this.at('store')]);
    return String(baked.id);
  }

  /** Releases an image of the store to web/stable. */
  async release(imageId: string): Promise<void> {
    const keys = ['--keys', this.at('keys'), '--store', this.at('store')];
    await resultOf('seeder', ['release', 'web', 'stable', imageId, ...keys, ...this.operator]);
  }

  /** Seeds what is in the store. */
  async seed(): Promise<RunningProgram> {
    const join = ['--join', await this.tokenFor('--role', 'seeder', '--app', '*')];
    const own = ['--store', this.at('store'), '--identity', this.at('seeder.key'), '--app', 'web'];
    const tracker = ['--tracker', this.url, '--host', '127.0.0.1'];
    const seeder = startProgram('seeder', ['seed', ...own, ...join, ...tracker]);
    await seeder.untilEvent('seeding');
    return seeder;
  }

  /** A fetcher that follows web/stable; without a token, as one that has joined before. */
  host(name: string, token?: string): RunningProgram {
    const follow = ['--follow', 'web/stable', '--root', this.at('keys', 'root.json')];
    const own = ['--dir', this.at(name), '--host', '127.0.0.1', '--poll', '200ms'];
    const told = ['--supply', `OUT=${this.at(`${name}.told`)}`];
    const join = token === undefined ? [] : ['--join', token];
    const args = ['run', '--tracker', this.url, ...follow, ...own, ...told, ...join];
    return startProgram('fetcher', args);
  }
}
