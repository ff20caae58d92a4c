import { readdir, readFile, readlink, realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import type { ActivationProgress } from '../../../fetcher/activation-types.ts';
import {
  ask,
  freePort,
  lives,
  makeActivation,
  makeImage,
  makePlace,
  makeScriptImage,
  makeServerImage,
  numberIn,
  processesWith,
  signal,
  summary,
  until,
} from './fixture.ts';

vi.setConfig({ testTimeout: 60_000 });

describe('an image that is activated', () => {
  test('runs as the next generation, in its tree, with its name and needs', async () => {
    const place = await makePlace();
    const script =
      'env > "$OUT/env.tmp"; pwd -P >> "$OUT/env.tmp"; mv "$OUT/env.tmp" "$OUT/env"; exec sleep 1000';
    const image = await makeScriptImage(place, '1', script, {
      needs: { OUT: { type: 'string' }, LEVEL: { type: 'number', default: 3 } },
      settings: { color: 'red' },
    });
    const activation = makeActivation(place, { supplies: { OUT: place.root, OTHER: 'x' } });
    await activation.open({ signal });
    const generation = await activation.activate(image, { signal });

    expect(generation).toMatchObject({ number: 1, state: 'healthy', imageId: image.imageId });
    expect(await readlink(join(place.directory, 'current'))).toBe('generations/1');
    const link = await readlink(join(place.directory, 'generations/1/image'));
    expect(link).toMatch(/^\.\.\//);
    expect(await realpath(join(place.directory, 'current/image'))).toBe(image.tree);
    const lines = await until('the app has written its environment', async () => {
      const text = await readFile(join(place.root, 'env'), 'utf8').catch(() => undefined);
      return text?.split('\n');
    });
    expect(lines).toEqual(
      expect.arrayContaining([
        'STARLING_APP=web',
        'STARLING_CHANNEL=stable',
        'STARLING_IMAGE=bimage1',
        'STARLING_GENERATION=1',
        'STARLING_VERSION=1',
        'STARLING_SETTINGS={"color":"red"}',
        'LEVEL=3',
        image.tree,
      ]),
    );
    expect(lines.filter((line) => /^(OTHER|VITEST)/.test(line))).toEqual([]);
    expect(activation.status()).toMatchObject({ state: 'running', restarts: 0 });
  });

  test('replaces the one before, and both are kept', async () => {
    const place = await makePlace();
    const port = await freePort();
    const activation = makeActivation(place, { supplies: { PORT: String(port) } });
    await activation.open({ signal });
    await activation.activate(await makeServerImage(place, '1'), { signal });
    expect(await ask(port)).toBe('1 1');
    const events: ActivationProgress['type'][] = [];
    await activation.activate(await makeServerImage(place, '2'), {
      signal,
      onProgress: (event) => events.push(event.type),
    });
    expect(await ask(port)).toBe('2 2');
    expect(events).toEqual(['written', 'stopping', 'switched', 'healthy']);
    expect(summary(await activation.generations())).toBe('1 healthy, 2* healthy');
    expect(activation.status().health).toMatchObject({ ok: true });
  });

  test('that does not become healthy is marked, and the one before serves again', async () => {
    const place = await makePlace();
    const port = await freePort();
    const activation = makeActivation(place, { supplies: { PORT: String(port) } });
    await activation.open({ signal });
    await activation.activate(await makeServerImage(place, '1'), { signal });
    const sick = await makeServerImage(place, '2', { sick: true, deadlineMs: 1_500 });
    await expect(activation.activate(sick, { signal })).rejects.toMatchObject({
      code: 'ACTIVATION_UNHEALTHY',
      message: expect.stringContaining('answered 503') as string,
    });
    expect(summary(await activation.generations())).toBe('1* healthy, 2 failed');
    await until('the old one serves', async () => (await ask(port)) === '1 1');
    const [, failed] = await activation.generations();
    expect(failed?.reason).toContain('was not healthy within 1500 ms');
    expect(await processesWith(sick.tree)).toEqual([]);
  });

  test('that fails as the first one leaves nothing current and nothing running', async () => {
    const place = await makePlace();
    const activation = makeActivation(place, { config: { settleMs: 20_000 } });
    await activation.open({ signal });
    const image = await makeScriptImage(place, '1', 'exit 3');
    await expect(activation.activate(image, { signal })).rejects.toMatchObject({
      code: 'ACTIVATION_START',
      message: expect.stringContaining('exit code 3') as string,
    });
    expect(summary(await activation.generations())).toBe('1 failed');
    expect(activation.status()).toMatchObject({ state: 'empty', generation: undefined });
    expect((await readdir(place.directory)).sort()).toEqual([
      'generations',
      'last-number',
      'output.log',
    ]);
  });

  test('whose program is missing fails before the old app is stopped', async () => {
    const place = await makePlace();
    const activation = makeActivation(place);
    await activation.open({ signal });
    await activation.activate(await makeScriptImage(place, '1', 'exec sleep 1000'), { signal });
    const { pid } = activation.status();
    const image = await makeImage(place, '2', { start: ['bin/missing'] });
    await expect(activation.activate(image, { signal })).rejects.toMatchObject({
      code: 'ACTIVATION_START',
    });
    expect(activation.status()).toMatchObject({ state: 'running', pid });
    expect(summary(await activation.generations())).toBe('1* healthy, 2 failed');
  });

  test('whose needs are unmet touches nothing and names them all', async () => {
    const place = await makePlace();
    const activation = makeActivation(place, { supplies: { PORT: '0' } });
    await activation.open({ signal });
    await activation.activate(await makeScriptImage(place, '1', 'exec sleep 1000'), { signal });
    const { pid } = activation.status();
    const image = await makeScriptImage(place, '2', '', {
      needs: { PORT: { type: 'port' }, DATABASE: { type: 'url' } },
    });
    await expect(activation.activate(image, { signal })).rejects.toMatchObject({
      code: 'CONFIG_NEEDS_UNMET',
      message: expect.stringMatching(/PORT must be a port.*DATABASE is not supplied/) as string,
    });
    expect(activation.status()).toMatchObject({ state: 'running', pid });
    expect(summary(await activation.generations())).toBe('1* healthy');
  });

  test('of files only is current without a process', async () => {
    const place = await makePlace();
    const activation = makeActivation(place);
    await activation.open({ signal });
    await activation.activate(await makeImage(place, '1', {}, { page: 'hello' }), { signal });
    expect(activation.status()).toMatchObject({ state: 'files', pid: undefined });
    expect(await readFile(join(place.directory, 'current/image/page'), 'utf8')).toBe('hello');
  });

  test('that ends before it is healthy is tried again until the deadline', async () => {
    const place = await makePlace();
    const script =
      'echo x >> "$OUT/starts"; [ $(wc -l < "$OUT/starts") -lt 4 ] && exit 1; exec sleep 1000';
    const image = await makeScriptImage(place, '1', script, {
      needs: { OUT: { type: 'string' } },
      health: {
        type: 'exec',
        command: ['sh', '-c', '[ $(wc -l < "$OUT/starts") -ge 4 ]'],
        intervalMs: 10,
      },
    });
    const activation = makeActivation(place, { supplies: { OUT: place.root } });
    await activation.open({ signal });
    await activation.activate(image, { signal });
    expect(activation.status()).toMatchObject({ state: 'running', restarts: 3 });
  });
});

describe('an app that is current', () => {
  test('is started again when it ends, with a new process', async () => {
    const place = await makePlace();
    const port = await freePort();
    const activation = makeActivation(place, { supplies: { PORT: String(port) } });
    await activation.open({ signal });
    await activation.activate(await makeServerImage(place, '1'), { signal });
    const { pid } = activation.status();
    await ask(port, '/crash');
    await until('it was started again', () => activation.status().restarts === 1);
    await until('it serves again', async () => (await ask(port)) === '1 1');
    const status = activation.status();
    expect(status).toMatchObject({ state: 'running', lastExit: 'ended with exit code 7' });
    expect(status.pid).not.toBe(pid);
  });

  test('has its output and errors kept', async () => {
    const place = await makePlace();
    const script = 'echo "out of $$"; echo "error of $$" >&2; exec sleep 1000';
    const activation = makeActivation(place);
    await activation.open({ signal });
    await activation.activate(await makeScriptImage(place, '1', script), { signal });
    const { pid } = activation.status();
    await until('the output is there', async () => {
      const output = await readFile(join(place.directory, 'output.log'), 'utf8');
      return output === `out of ${pid}\nerror of ${pid}\n`;
    });
  });

  test('is stopped without a trace when the activation is disposed of', async () => {
    const place = await makePlace();
    const activation = makeActivation(place);
    await activation.open({ signal });
    const image = await makeScriptImage(place, '1', 'sleep 1000 & setsid sleep 1000 & wait');
    await activation.activate(image, { signal });
    const pid = activation.status().pid ?? 0;
    await activation[Symbol.asyncDispose]();
    expect(await lives(pid)).toBe(false);
    expect(await readdir(place.directory)).not.toContain('process.json');
    expect(await readlink(join(place.directory, 'current'))).toBe('generations/1');
    await expect(activation.activate(image, { signal })).rejects.toThrow();
  });
});

describe('open', () => {
  test('starts the current generation', async () => {
    const place = await makePlace();
    const first = makeActivation(place);
    await first.open({ signal });
    await first.activate(await makeScriptImage(place, '1', 'exec sleep 1000'), { signal });
    await first[Symbol.asyncDispose]();
    const second = makeActivation(place);
    const report = await second.open({ signal });
    expect(report).toMatchObject({ removed: [], current: { number: 1 } });
    await until('the app runs', () => second.status().state === 'running');
  });

  test('goes back from a generation that was never healthy and is not now', async () => {
    const place = await makePlace();
    const first = makeActivation(place);
    await first.open({ signal });
    await first.activate(await makeScriptImage(place, '1', 'exec sleep 1000'), { signal });
    await first.activate(await makeScriptImage(place, '2', 'exec sleep 1000'), { signal });
    await first[Symbol.asyncDispose]();
    const path = join(place.directory, 'generations/2/generation.json');
    await writeFile(path, (await readFile(path, 'utf8')).replace('healthy', 'created'));
    await makeScriptImage(place, '2', 'exit 1');
    const second = makeActivation(place, { config: { settleMs: 20_000 } });
    expect(await second.open({ signal })).toMatchObject({
      wentBackFrom: 2,
      current: { number: 1 },
    });
    expect(summary(await second.generations())).toBe('1* healthy, 2 failed');
  });

  test('writes that a generation is healthy if it only now becomes so', async () => {
    const place = await makePlace();
    const first = makeActivation(place);
    await first.open({ signal });
    await first.activate(await makeScriptImage(place, '1', 'exec sleep 1000'), { signal });
    await first[Symbol.asyncDispose]();
    const path = join(place.directory, 'generations/1/generation.json');
    await writeFile(path, (await readFile(path, 'utf8')).replace('healthy', 'created'));
    const second = makeActivation(place);
    await second.open({ signal });
    expect(summary(await second.generations())).toBe('1* healthy');
  });

  test('with needs unmet says so, and another image can still be activated', async () => {
    const place = await makePlace();
    const first = makeActivation(place, { supplies: { LEVEL: '1' } });
    await first.open({ signal });
    const needy = await makeScriptImage(place, '1', 'exec sleep 1000', {
      needs: { LEVEL: { type: 'number' } },
    });
    await first.activate(needy, { signal });
    await first[Symbol.asyncDispose]();
    const second = makeActivation(place);
    await expect(second.open({ signal })).rejects.toMatchObject({ code: 'CONFIG_NEEDS_UNMET' });
    expect(second.status().state).toBe('stopped');
    await second.activate(await makeScriptImage(place, '2', 'exec sleep 1000'), { signal });
    expect(summary(await second.generations())).toBe('1 healthy, 2* healthy');
  });
});

describe('rollback', () => {
  test('goes to the healthy generation before, and to a number', async () => {
    const place = await makePlace();
    const port = await freePort();
    const activation = makeActivation(place, { supplies: { PORT: String(port) } });
    await activation.open({ signal });
    for (const version of ['1', '2', '3']) {
      await activation.activate(await makeServerImage(place, version), { signal });
    }
    expect(await activation.rollback({ signal })).toMatchObject({ number: 2 });
    expect(await ask(port)).toBe('2 2');
    expect(await activation.rollback({ to: 3, signal })).toMatchObject({ number: 3 });
    expect(await ask(port)).toBe('3 3');
    expect(await activation.rollback({ to: 1, signal })).toMatchObject({ number: 1 });
    expect(summary(await activation.generations())).toBe('1* healthy, 2 healthy, 3 healthy');
    await expect(activation.rollback({ signal })).rejects.toMatchObject({
      code: 'ACTIVATION_NO_GENERATION',
    });
    await expect(activation.rollback({ to: 9, signal })).rejects.toMatchObject({
      code: 'ACTIVATION_NO_GENERATION',
      message: expect.stringContaining('healthy: 1, 2, 3') as string,
    });
    // The next one counts on, and goes back to where it came from.
    const sick = await makeServerImage(place, '4', { sick: true, deadlineMs: 500 });
    await expect(activation.activate(sick, { signal })).rejects.toThrow();
    expect(summary(await activation.generations())).toBe(
      '1* healthy, 2 healthy, 3 healthy, 4 failed',
    );
  });
});

describe('prune', () => {
  test('removes old generations, keeps the one to go back to, never reuses a number', async () => {
    const place = await makePlace();
    const activation = makeActivation(place, { keepGenerations: 1 });
    await activation.open({ signal });
    const good = 'exec sleep 1000';
    for (const version of ['1', '2', '3']) {
      await activation.activate(await makeScriptImage(place, version, good), { signal });
    }
    const bad = await makeImage(place, '4', { start: ['missing/program'] });
    await expect(activation.activate(bad, { signal })).rejects.toThrow();
    await activation.rollback({ to: 2, signal });
    expect((await activation.prune({ signal })).sort()).toEqual(['bimage3']);
    expect(summary(await activation.generations())).toBe('1 healthy, 2* healthy, 4 failed');
    expect([...(await activation.imagesInUse())]).toEqual(['bimage1', 'bimage2', 'bimage4']);
    const next = await activation.activate(await makeScriptImage(place, '2', good), { signal });
    expect(next.number).toBe(5);
    // An image that another generation still has is not given up.
    expect((await activation.prune({ signal })).sort()).toEqual(['bimage4']);
    expect(summary(await activation.generations())).toBe('1 healthy, 5* healthy');
  });
});

describe('calls', () => {
  test('that come at the same time take turns', async () => {
    const place = await makePlace();
    const activation = makeActivation(place);
    await activation.open({ signal });
    const events: string[] = [];
    const all = ['1', '2', '3'].map(async (version) => {
      const image = await makeImage(place, version, { start: ['sleep', '1000'] });
      return await activation.activate(image, {
        signal,
        onProgress: ({ type, generation }) => events.push(`${generation} ${type}`),
      });
    });
    const numbers = (await Promise.all(all)).map(({ number }) => number);
    expect(numbers.sort()).toEqual([1, 2, 3]);
    const steps = ['written', 'stopping', 'switched', 'healthy'];
    expect(events).toEqual([1, 2, 3].flatMap((n) => steps.map((step) => `${n} ${step}`)));
  });

  test('that are aborted while they activate bring the old app back', async () => {
    const place = await makePlace();
    const port = await freePort();
    const activation = makeActivation(place, { supplies: { PORT: String(port) } });
    await activation.open({ signal });
    await activation.activate(await makeServerImage(place, '1'), { signal });
    const abort = new AbortController();
    const sick = await makeServerImage(place, '2', { sick: true });
    const activating = activation.activate(sick, {
      signal: abort.signal,
      onProgress: ({ type }) => {
        if (type === 'switched') abort.abort();
      },
    });
    await expect(activating).rejects.toMatchObject({ name: 'AbortError' });
    expect(summary(await activation.generations())).toBe('1* healthy, 2 created');
    await until('the old one serves', async () => (await ask(port)) === '1 1');
    expect(await processesWith(sick.tree)).toEqual([]);
  });

  test('that are cut short by disposal leave the old generation and no process', async () => {
    const place = await makePlace();
    const activation = makeActivation(place, { supplies: { OUT: place.root } });
    await activation.open({ signal });
    await activation.activate(await makeScriptImage(place, '1', 'exec sleep 1000'), { signal });
    const image = await makeScriptImage(place, '2', 'echo $$ > "$OUT/pid"; exec sleep 1000', {
      needs: { OUT: { type: 'string' } },
      health: { type: 'exec', command: ['false'] },
    });
    const activating = activation.activate(image, { signal });
    activating.catch(() => undefined);
    const pid = await numberIn(join(place.root, 'pid'));
    await activation[Symbol.asyncDispose]();
    await expect(activating).rejects.toMatchObject({ name: 'AbortError' });
    expect(await lives(pid)).toBe(false);
    expect(summary(await activation.generations())).toBe('1* healthy, 2 created');
    expect(activation.status().pid).toBeUndefined();
  });
});

describe('an activation that must be allowed', () => {
  test('asks when all is ready, while it is said to be activating, and touches nothing if not', async () => {
    const place = await makePlace();
    const activation = makeActivation(place);
    await activation.open({ signal });
    await activation.activate(await makeScriptImage(place, '1', 'exec sleep 1000'), { signal });
    const { pid } = activation.status();
    const seen: unknown[] = [];
    const begin = () => {
      const { state, generation } = activation.status();
      seen.push(state, generation?.number);
      return Promise.reject(new Error('it may not'));
    };
    const two = await makeImage(place, '2', {});
    await expect(activation.activate(two, { signal, begin })).rejects.toThrow('it may not');
    expect(seen).toEqual(['activating', 2]);
    expect(activation.status()).toMatchObject({ state: 'running', pid, lastFailed: undefined });
    expect(summary(await activation.generations())).toBe('1* healthy');
  });

  test('leaves an image, if that is current, when it is allowed', async () => {
    const place = await makePlace();
    const activation = makeActivation(place);
    await activation.open({ signal });
    await activation.activate(await makeImage(place, '1', {}), { signal });
    await activation.activate(await makeImage(place, '2', {}), { signal });
    const refused = { signal, begin: () => Promise.reject(new Error('it may not')) };
    await expect(activation.leave('bimage2', refused)).rejects.toThrow('it may not');
    expect(summary(await activation.generations())).toBe('1 healthy, 2* healthy');
    await activation.leave('bimage2', { signal });
    await activation.leave('bimage2', { signal });
    expect(summary(await activation.generations())).toBe('1* healthy, 2 healthy');
  });

  test('that failed is known as the last one, also after a restart, until one is healthy', async () => {
    const place = await makePlace();
    const first = makeActivation(place);
    await first.open({ signal });
    await first.activate(await makeImage(place, '1', {}), { signal });
    const broken = await makeImage(place, '2', { start: ['bin/missing'] });
    await expect(first.activate(broken, { signal })).rejects.toThrow();
    expect(first.status().lastFailed?.number).toBe(2);
    await first[Symbol.asyncDispose]();
    const next = makeActivation(place);
    await next.open({ signal });
    expect(next.status().lastFailed?.number).toBe(2);
    await next.activate(await makeImage(place, '3', {}), { signal });
    expect(next.status().lastFailed).toBeUndefined();
  });
});
