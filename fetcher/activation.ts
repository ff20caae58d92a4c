import { ActivationError } from '../src/errors.ts';
import { readManifest, type Manifest } from '../src/image/index.ts';
import { Turns } from './abortable.ts';
import { defaultActivationConfig } from './activation-config.ts';
import type {
  ActivatableImage,
  ActivationComponents,
  ActivationInit,
  ActivationOptions,
  ActivationProgress,
  ActivationStatus,
  OpenReport,
} from './activation-types.ts';
import type { Candidate } from './app-runner.ts';
import { AppRunner } from './app-runner.ts';
import type { Generation } from './generation-record.ts';
import { Generations } from './generations.ts';
import { generationBefore, noGeneration, prunable, rollbackTarget } from './go-back.ts';
import { planLaunch } from './launch-plan.ts';
import { resolveNeeds, unmetNeeds } from './needs.ts';
import { endStaleProcesses } from './process-record.ts';

/**
 * Activates images for one followed app and channel: each as a new generation, which becomes the
 * current one by one atomic switch and stays it if it is healthy; else the one before it is back.
 * All calls that change something take turns. One Activation at a time may use a directory: the
 * caller sees to that.
 */
export class Activation implements AsyncDisposable {
  readonly #components: ActivationComponents;
  readonly #init: ActivationInit;
  readonly #generations: Generations;
  readonly #runner: AppRunner;
  readonly #turns = new Turns();
  readonly #closing = new AbortController();
  #current: Generation | undefined;
  /** How the current one was run when it was started last. */
  #ran: Candidate | undefined;
  /** The generation that is tried just now. */
  #trying: Generation | undefined;
  #lastFailed: Generation | undefined;
  #since: Date;

  constructor(components: ActivationComponents, init: ActivationInit) {
    this.#components = components;
    this.#init = init;
    this.#generations = new Generations(components, init);
    this.#runner = new AppRunner(components, {
      directory: init.directory,
      config: { ...defaultActivationConfig, ...init.config },
      settingsSocket: init.settingsSocket,
    });
    this.#since = components.now();
  }

  /**
   * Brings the directory into a whole state after whatever happened to the last fetcher: removes
   * what is half made, ends processes it left, and starts the current generation. One that was
   * never healthy must become so now, or it goes back to the one before it.
   * @throws ConfigError CONFIG_NEEDS_UNMET when the current generation can't be run with these
   *   supplies; all else is mended then, other images may be activated, and `startCurrent` starts
   *   it when there are others.
   * @throws StorageError
   */
  async open(options: { readonly signal: AbortSignal }): Promise<OpenReport> {
    return await this.#inTurn(options.signal, async (signal) => {
      await this.#runner.stop();
      const removed = await this.#generations.open();
      const newest = (await this.#generations.list()).at(-1);
      if (newest?.state === 'failed') this.#lastFailed = newest;
      const stale = await endStaleProcesses(this.#init.directory);
      if (stale) this.#components.log.warn({ ...stale }, 'ended an app that a fetcher left');
      const found = await this.#generations.current();
      const broken = !found || found.state === 'failed' || !(await this.#generations.treeOf(found));
      const first = broken ? await this.#mend(found) : found;
      this.#setCurrent(first);
      if (first) await this.#openCurrent(first, signal);
      const current = this.#current;
      const wentBack = found && found.number !== current?.number ? found.number : undefined;
      return { removed, endedStale: stale?.generation, wentBackFrom: wentBack, current };
    });
  }

  /**
   * Activates an image as a new generation. The old app is stopped when all of the new generation is
   * on disk. When it is aborted the generation before is back, or nothing runs if this Activation
   * is being disposed of.
   * @throws ConfigError CONFIG_NEEDS_UNMET, ImageError IMAGE_MANIFEST, what `begin` throws; nothing
   *   was touched.
   * @throws ActivationError ACTIVATION_START or ACTIVATION_UNHEALTHY; the generation is `failed` and
   *   the one before it is back.
   * @throws StorageError; the generation before is back.
   */
  async activate(image: ActivatableImage, options: ActivationOptions): Promise<Generation> {
    return await this.#inTurn(options.signal, async (signal) => {
      const plan = planLaunch(image.manifest, this.#init.supplies);
      const generation = await this.#generations.create({
        ...image,
        createdAt: this.#components.now(),
        before: this.#current?.number,
      });
      this.#tell(options, 'written', generation);
      const tree = (await this.#generations.treeOf(generation)) ?? image.tree;
      const { manifest } = image;
      try {
        await this.#begin(generation, options);
      } catch (error) {
        await this.#generations.remove([generation.number]);
        throw error;
      }
      return await this.#change({ generation, tree, manifest, plan }, { ...options, signal });
    });
  }

  /**
   * Goes back, as the operator says: to the healthy generation before the current one, or to a
   * number. If that one is not healthy any more, the current one is back.
   * @throws ActivationError ACTIVATION_NO_GENERATION when there is none to go to; nothing was
   *   touched. Else as activate.
   */
  async rollback(options: ActivationOptions & { readonly to?: number }): Promise<Generation> {
    return await this.#inTurn(options.signal, async (signal) => {
      const generation = await this.#targetOf(options.to);
      if (generation.number === this.#current?.number) return generation;
      return await this.#change(await this.#candidate(generation), { ...options, signal });
    });
  }

  /**
   * Leaves an image, if it is the current one: goes back to the generation before it.
   * @throws as rollback
   */
  async leave(imageId: string, options: ActivationOptions): Promise<void> {
    await this.#inTurn(options.signal, async (signal) => {
      if (this.#current?.imageId !== imageId) {
        await options.begin?.();
        return;
      }
      const candidate = await this.#candidate(await this.#targetOf(undefined));
      await this.#begin(candidate.generation, options);
      await this.#change(candidate, { ...options, signal });
    });
  }

  /**
   * Starts the current generation, which open could not for want of values. One that runs, or files,
   * are left as they are.
   * @throws ConfigError CONFIG_NEEDS_UNMET when there still are not all of them; StorageError
   */
  async startCurrent(options: { readonly signal: AbortSignal }): Promise<void> {
    await this.#inTurn(options.signal, async (signal) => {
      if (this.#current && this.#state() === 'stopped') {
        await this.#openCurrent(this.#current, signal);
      }
    });
  }

  /** All generations, lowest number first, and which one is current. */
  async generations(): Promise<(Generation & { readonly current: boolean })[]> {
    const current = await this.#generations.current();
    return (await this.#generations.list()).map((generation) => ({
      ...generation,
      current: generation.number === current?.number,
    }));
  }

  /** The names of those needs of an image that are not met here just now. */
  unmet(manifest: Manifest): readonly string[] {
    try {
      resolveNeeds(manifest, this.#init.supplies);
      return [];
    } catch (error) {
      return Object.keys(unmetNeeds(error) ?? {});
    }
  }

  /** What is current here and how its app does, just now. */
  status(): ActivationStatus {
    const app = this.#runner.status();
    const generation = this.#trying ?? this.#current;
    return {
      state: this.#state(),
      generation,
      condition: app?.condition,
      lastFailed: this.#lastFailed,
      pid: app?.pid,
      restarts: app?.restarts ?? 0,
      lastExit: app?.lastExit,
      health: app?.health,
      since: app && app.since > this.#since ? app.since : this.#since,
    };
  }

  /**
   * Removes old generations: not the newest ones, the current one, or the one to go back to.
   * @returns the images that no generation here refers to any more; their removal is on disk.
   * @throws StorageError
   */
  async prune(options: { readonly signal: AbortSignal }): Promise<string[]> {
    return await this.#inTurn(options.signal, async () => {
      const all = await this.#generations.list();
      const removed = prunable(all, this.#current, this.#init.keepGenerations);
      await this.#generations.remove(removed.map((generation) => generation.number));
      const used = await this.imagesInUse();
      return [...new Set(removed.map(({ imageId }) => imageId))].filter((id) => !used.has(id));
    });
  }

  /** The images that generations here refer to. */
  async imagesInUse(): Promise<Set<string>> {
    return new Set((await this.#generations.list()).map((generation) => generation.imageId));
  }

  /** Aborts what is under way and stops the app. No process is left. The switch stays. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#turns.take(new AbortController().signal, () => this.#runner.stop());
  }

  async #inTurn<T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const either = AbortSignal.any([signal, this.#closing.signal]);
    return await this.#turns.take(either, () => work(either));
  }

  /** Starts the generation that a last fetcher left as the current one. */
  async #openCurrent(generation: Generation, signal: AbortSignal): Promise<void> {
    const candidate = await this.#candidate(generation);
    if (generation.state === 'healthy') {
      await this.#start(candidate).catch((error: unknown) => {
        // A host that can't start its app still follows: the next release may cure it.
        this.#components.log.error({ err: error }, 'the current generation can not be started');
      });
      return;
    }
    try {
      this.#setTrying(generation);
      await this.#start(candidate);
      await this.#runner.untilHealthy({ signal });
      // An app that serves is not stopped because its state can't be written: it is tried again.
      await this.#step('writing that it is healthy', async () => {
        this.#setCurrent(await this.#generations.update({ ...generation, state: 'healthy' }));
      });
    } catch (error) {
      await this.#runner.stop();
      if (!(error instanceof ActivationError)) throw error;
      this.#components.log.error({ err: error }, 'the current generation failed; going back');
      await this.#step('marking the generation', () => this.#markFailed(generation, error));
      const before = await this.#mend(generation);
      this.#setCurrent(before);
      if (before) await this.#startAgain(before);
    } finally {
      this.#setTrying(undefined);
    }
  }

  /** Makes the one before a failed or broken current generation the current one. */
  async #mend(broken: Generation | undefined): Promise<Generation | undefined> {
    const usable = await this.#usable();
    const healthy = usable.filter(({ state }) => state === 'healthy');
    const others = healthy.filter(({ number }) => number !== broken?.number);
    const before = (broken && generationBefore(broken, usable)) ?? others.at(-1);
    if (!before && !broken && !(await this.#generations.hasCurrent())) return undefined;
    this.#components.log.error(
      { from: broken?.number, to: before?.number },
      'the current generation is not usable; switching to another',
    );
    await this.#generations.switchTo(before?.number);
    return before;
  }

  async #begin(generation: Generation, { begin }: ActivationOptions): Promise<void> {
    if (begin === undefined) return;
    this.#setTrying(generation);
    try {
      await begin();
    } catch (error) {
      this.#setTrying(undefined);
      throw error;
    }
  }

  /** From the current generation to another, or back to it. */
  async #change(candidate: Candidate, options: ActivationOptions): Promise<Generation> {
    const { generation } = candidate;
    const { signal } = options;
    const before = this.#current;
    let touched = false;
    this.#setTrying(generation);
    try {
      signal.throwIfAborted();
      await this.#runner.findProgram(candidate);
      this.#tell(options, 'stopping', generation);
      touched = true;
      await this.#runner.stop();
      signal.throwIfAborted();
      await this.#generations.switchTo(generation.number);
      this.#tell(options, 'switched', generation);
      await this.#runner.start(candidate);
      await this.#runner.untilHealthy({ signal });
      const healthy =
        generation.state === 'healthy'
          ? generation
          : await this.#generations.update({ ...generation, state: 'healthy' });
      if (generation.number > (this.#lastFailed?.number ?? 0)) this.#lastFailed = undefined;
      this.#setCurrent(healthy);
      this.#ran = candidate;
      this.#tell(options, 'healthy', generation);
      return healthy;
    } catch (error) {
      this.#tell(options, 'going-back', generation);
      await this.#goBack(generation, before, touched, error);
      throw error;
    } finally {
      this.#setTrying(undefined);
    }
  }

  /** Every step is tried, also when one before it failed: an old app that runs is worth the most. */
  async #goBack(
    from: Generation,
    before: Generation | undefined,
    touched: boolean,
    error: unknown,
  ): Promise<void> {
    const numbers = { from: from.number, to: before?.number };
    this.#components.log.warn({ err: error, ...numbers }, 'going back');
    if (touched) await this.#step('stopping the app', () => this.#runner.stop());
    // Only what failed by its own fault is marked; one that was healthy before stays so.
    if (error instanceof ActivationError && from.state === 'created') {
      await this.#step('marking the generation', () => this.#markFailed(from, error));
    }
    if (!touched) return;
    await this.#step('switching back', () => this.#generations.switchTo(before?.number));
    if (before && !this.#closing.signal.aborted) {
      await this.#step('starting the generation before', () => this.#startAgain(before));
    }
  }

  /** A step that must not keep those after it from being done. */
  async #step(what: string, work: () => Promise<void>): Promise<void> {
    await work().catch((error: unknown) => {
      this.#components.log.error({ err: error }, `${what} failed`);
    });
  }

  /** A listener that throws must not leave an activation half done. */
  #tell(options: ActivationOptions, type: ActivationProgress['type'], of: Generation): void {
    try {
      options.onProgress?.({ type, generation: of.number });
    } catch (error) {
      this.#components.log.error({ err: error }, 'telling of the progress failed');
    }
  }

  async #markFailed(generation: Generation, error: Error): Promise<void> {
    const failed: Generation = { ...generation, state: 'failed', reason: error.message };
    this.#lastFailed = failed;
    await this.#generations.update(failed);
  }

  /** With the values that it ran with before, if those of now do not do. */
  async #startAgain(generation: Generation): Promise<void> {
    const candidate = await this.#candidate(generation).catch((error: unknown) => {
      const ran = this.#ran?.generation.number === generation.number ? this.#ran : undefined;
      if (ran && unmetNeeds(error)) return ran;
      throw error;
    });
    await this.#start(candidate);
  }

  async #start(candidate: Candidate): Promise<void> {
    await this.#runner.start(candidate);
    this.#ran = candidate;
  }

  /** How a generation on disk is run here. */
  async #candidate(generation: Generation): Promise<Candidate> {
    const tree = await this.#generations.treeOf(generation);
    if (tree === undefined)
      throw noGeneration(generation, `the tree of ${generation.number} is gone`);
    const manifest = await readManifest(tree);
    return { generation, tree, manifest, plan: planLaunch(manifest, this.#init.supplies) };
  }

  async #targetOf(to: number | undefined): Promise<Generation> {
    return rollbackTarget(await this.#usable(), { ...this.#init, current: this.#current, to });
  }

  async #usable(): Promise<Generation[]> {
    const all = await this.#generations.list();
    const trees = await Promise.all(all.map((generation) => this.#generations.treeOf(generation)));
    return all.filter((_, index) => trees[index] !== undefined);
  }

  #setCurrent(generation: Generation | undefined): void {
    this.#current = generation;
    this.#since = this.#components.now();
    this.#components.onChange?.();
  }

  #setTrying(generation: Generation | undefined): void {
    this.#trying = generation;
    this.#since = this.#components.now();
    this.#components.onChange?.();
  }

  #state(): ActivationStatus['state'] {
    if (this.#trying) return 'activating';
    if (!this.#current) return 'empty';
    if (this.#runner.filesOnly) return 'files';
    return this.#runner.status()?.state ?? 'stopped';
  }
}
