import * as z from 'zod';
import {
  appNameSchema,
  appSettingsOfFleetSchema,
  settingChangedSchema,
  settingNameSchema,
  settingValueSchema,
  zoneSchema,
} from '../../src/api/index.ts';
import { defineRoute, jsonAnswer, type RestRoute } from '../rest/index.ts';
import type { FleetSettings, SettingName } from './fleet-settings.ts';

/** A value has at most 64 KiB; each of its bytes may be escaped. */
const maxBodyBytes = 512 << 10;
const tag = 'settings';
const appParams = z.strictObject({ app: appNameSchema });
const settingParams = z.strictObject({ app: appNameSchema, name: settingNameSchema });
const zoneQuery = z.strictObject({ zone: zoneSchema.optional() });
const oneSetting = '/v1/apps/{app}/settings/{name}';

/** Endpoints and tunables. */
export const settingsRoutes = (settings: FleetSettings): readonly RestRoute[] => [
  listSettings(settings),
  putSetting(settings),
  removeSetting(settings),
];

const listSettings = (settings: FleetSettings): RestRoute =>
  defineRoute({
    id: 'getSettings',
    method: 'GET',
    path: '/v1/apps/{app}/settings',
    tag,
    summary: 'What the hosts of an app are told',
    params: appParams,
    answer: jsonAnswer(appSettingsOfFleetSchema, 'All values, by NAME or NAME@ZONE.'),
    handle: ({ params }) => settings.of(params.app),
  });

const putSetting = (settings: FleetSettings): RestRoute =>
  defineRoute({
    id: 'putSetting',
    method: 'PUT',
    path: oneSetting,
    tag,
    summary: 'Set an endpoint or tunable, for all hosts or those of one zone',
    description: 'It is answered when the change is durable; hosts are told at the same time.',
    params: settingParams,
    query: zoneQuery,
    body: { schema: settingValueSchema, maxBytes: maxBodyBytes },
    answer: jsonAnswer(settingChangedSchema, 'The revision that has it.'),
    handle: async ({ params, query, body, operator, note }) => {
      const at = nameOf(params, query);
      const revision = await settings.set(at, body.value, operator);
      note({ ...at, revision });
      return { revision };
    },
  });

const removeSetting = (settings: FleetSettings): RestRoute =>
  defineRoute({
    id: 'removeSetting',
    method: 'DELETE',
    path: oneSetting,
    tag,
    summary: 'Take an endpoint or tunable back',
    params: settingParams,
    query: zoneQuery,
    answer: jsonAnswer(settingChangedSchema, 'The revision that has it no more.'),
    handle: async ({ params, query, operator, note }) => {
      const at = nameOf(params, query);
      const revision = await settings.remove(at, operator);
      note({ ...at, revision });
      return { revision };
    },
  });

const nameOf = (
  { app, name }: z.output<typeof settingParams>,
  { zone = '' }: z.output<typeof zoneQuery>,
): SettingName => ({ app, name, zone });
