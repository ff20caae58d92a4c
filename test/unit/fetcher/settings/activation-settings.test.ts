import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { RunningSettings } from '../../../../fetcher/settings/running-settings.ts';
import {
  makeActivation,
  makePlace,
  makeScriptImage,
  silent,
  signal,
  summary,
  until,
  type Place,
} from '../fixture.ts';
import { openSettings } from './fixture.ts';

vi.setConfig({ testTimeout: 60_000 });

/** It writes down with which value of LEVEL it was started, and runs. */
const script = 'echo "$LEVEL $STARLING_SETTINGS_SOCKET" >> "$OUT/starts"; exec sleep 1000';
const needs = { LEVEL: { type: 'number' }, OUT: { type: 'string' } };

/** An activation with settings of the fleet, on a host of that place. */
async function makeHost(place: Place) {
  const settings = await openSettings(place.root, { supplies: new Map([['OUT', place.root]]) });
  const open = () => {
    const running = new RunningSettings({ settings, log: silent });
    const init = { supplies: settings, settingsSocket: 'the.sock' };
    return makeActivation(place, { components: { running }, init });
  };
  const untilStarted = (starts: readonly string[]) =>
    until(`it was started with ${starts.join(', ')}`, async () => {
      const text = await readFile(join(place.root, 'starts'), 'utf8').catch(() => '');
      return text === starts.map((level) => `${level} the.sock\n`).join('');
    });
  const setLevel = (revision: number, level?: string) =>
    settings.apply({ revision, values: level === undefined ? {} : { LEVEL: level } });
  return { open, setLevel, untilStarted };
}

describe('an app with settings of the fleet', () => {
  test('has the newest values when it is started again, and is not started for a change', async () => {
    const place = await makePlace();
    const { open, setLevel, untilStarted } = await makeHost(place);
    await setLevel(1, '1');
    const activation = open();
    await activation.open({ signal });
    await activation.activate(await makeScriptImage(place, '1', script, { needs }), { signal });
    await untilStarted(['1']);
    await setLevel(2, '2');
    expect(activation.status()).toMatchObject({ state: 'running', restarts: 0 });
    process.kill(activation.status().pid ?? 0, 'SIGKILL');
    await untilStarted(['1', '2']);
  });

  test('is started again with what it had, when a value has gone away', async () => {
    const place = await makePlace();
    const { open, setLevel, untilStarted } = await makeHost(place);
    await setLevel(1, '1');
    const activation = open();
    await activation.open({ signal });
    await activation.activate(await makeScriptImage(place, '1', script, { needs }), { signal });
    await setLevel(2);
    await untilStarted(['1']);
    process.kill(activation.status().pid ?? 0, 'SIGKILL');
    await untilStarted(['1', '1']);
  });

  test('is gone back to with what it had, when a value has gone away', async () => {
    const place = await makePlace();
    const { open, setLevel, untilStarted } = await makeHost(place);
    await setLevel(1, '1');
    const activation = open();
    await activation.open({ signal });
    await activation.activate(await makeScriptImage(place, '1', script, { needs }), { signal });
    await setLevel(2);
    const broken = await makeScriptImage(place, '2', 'exit 1');
    await expect(activation.activate(broken, { signal })).rejects.toMatchObject({
      code: 'ACTIVATION_START',
    });
    await untilStarted(['1', '1']);
    expect(summary(await activation.generations())).toBe('1* healthy, 2 failed');
  });

  test('that lacks a value when its fetcher starts is started when it has come', async () => {
    const place = await makePlace();
    const { open, setLevel, untilStarted } = await makeHost(place);
    await setLevel(1, '1');
    const first = open();
    await first.open({ signal });
    await first.activate(await makeScriptImage(place, '1', script, { needs }), { signal });
    await untilStarted(['1']);
    await first[Symbol.asyncDispose]();
    await setLevel(2);

    const second = open();
    const unmet = { code: 'CONFIG_NEEDS_UNMET', evidence: { needs: { LEVEL: 'is not supplied' } } };
    await expect(second.open({ signal })).rejects.toMatchObject(unmet);
    await expect(second.startCurrent({ signal })).rejects.toMatchObject(unmet);
    expect(second.status().state).toBe('stopped');
    await setLevel(3, '3');
    await second.startCurrent({ signal });
    await untilStarted(['1', '3']);
    const { pid } = second.status();
    await second.startCurrent({ signal });
    expect(second.status()).toMatchObject({ state: 'running', pid });
  });
});
