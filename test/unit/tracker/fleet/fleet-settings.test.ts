import { expect, test } from 'vitest';
import type { NeedType } from '../../../../src/image/index.ts';
import { listAudit } from '../../../../tracker/audit/index.ts';
import { FleetSettings } from '../../../../tracker/fleet/fleet-settings.ts';
import { openMembers } from './open-members.ts';

async function openSettings(types: Readonly<Record<string, readonly NeedType[]>> = {}) {
  const { store, audit } = await openMembers();
  const needTypes = (_app: string, name: string) => types[name] ?? [];
  return { store, settings: new FleetSettings({ store, audit, needTypes }) };
}

const at = (name: string, zone = '') => ({ app: 'web', name, zone });

test('each change makes a revision of the app, with all its values', async () => {
  const { settings } = await openSettings();
  expect(await settings.of('web')).toEqual({ revision: 0, values: {} });
  expect(await settings.set(at('DB'), 'a:1', 'anna')).toBe(1);
  expect(await settings.set(at('DB', 'eu'), 'b:1', 'anna')).toBe(2);
  expect(await settings.of('web')).toEqual({ revision: 2, values: { DB: 'a:1', 'DB@eu': 'b:1' } });
  expect(await settings.remove(at('DB'), 'anna')).toBe(3);
  expect(await settings.of('web')).toEqual({ revision: 3, values: { 'DB@eu': 'b:1' } });
  expect(await settings.of('other')).toEqual({ revision: 0, values: {} });
});

test('changes at the same moment are all made', async () => {
  const { settings } = await openSettings();
  const names = ['A', 'B', 'C', 'D', 'E'];
  const revisions = await Promise.all(names.map((name) => settings.set(at(name), name, 'anna')));
  expect(revisions.sort()).toEqual([1, 2, 3, 4, 5]);
  expect(Object.keys((await settings.of('web')).values).sort()).toEqual(names);
});

test('a value of another type than a released image needs is refused, and nothing is changed', async () => {
  const { settings } = await openSettings({ PORT: ['port'], DB: ['endpoint', 'url'] });
  await expect(settings.set(at('PORT'), 'many', 'anna')).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    evidence: { app: 'web', name: 'PORT', type: 'port' },
  });
  // Two channels may run images that need it differently.
  await expect(settings.set(at('DB'), '10.0.0.1:1', 'anna')).rejects.toMatchObject({
    evidence: { type: 'url' },
  });
  const wrong = settings.set(at('DB'), 'nowhere', 'anna');
  await expect(wrong).rejects.toThrow('needs a value of type endpoint');
  expect(await settings.set(at('PORT'), '80', 'anna')).toBe(1);
});

test('what is not there can not be removed, and what is too long can not be set', async () => {
  const { settings } = await openSettings();
  await expect(settings.remove(at('DB'), 'anna')).rejects.toThrow('has no value DB');
  await expect(settings.set(at('DB'), 'x'.repeat(300_000), 'anna')).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
  });
  expect((await settings.of('web')).revision).toBe(0);
});

test('the log says who changed what, and not the value, which may be a secret', async () => {
  const { settings, store } = await openSettings();
  await settings.set(at('PASSWORD', 'eu'), 'swordfish', 'anna');
  const [entry] = await listAudit(store);
  expect(entry).toMatchObject({
    ...{ actor: 'anna', action: 'settings.set', subject: 'web' },
    detail: { name: 'PASSWORD', zone: 'eu', bytes: 9, revision: 1 },
  });
  expect(JSON.stringify(entry)).not.toContain('swordfish');
});
