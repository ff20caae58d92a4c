import { describe, expect, test } from 'vitest';
import { verifyUpdate, type MetadataSet } from '../../../src/trust/metadata-set.ts';
import { generateKey } from '../../../src/trust/signing-key.ts';
import { DelegatedWorld } from './delegated-world.ts';
import {
  codeOf,
  edited,
  forge,
  imageNumber,
  makeRoot,
  signAny,
  versionOf,
  type Signed,
} from './repository.ts';

/*
 * The attacks of TUF 1.0, "1.5.2. Goals to protect against specific attacks", on apps that teams
 * release, against a host and a tracker. Each test names the function of src/trust that is its check,
 * and fails when that is taken out. Those on the top-level roles alone are in release-client.test.ts,
 * metadata-set.test.ts and trusted-state.test.ts.
 */

const targetOf = (number: number, release: number) => {
  const { infoBytes, infoHash, imageId, version } = imageNumber(number);
  const custom = { image: imageId, release, version };
  return { length: infoBytes, hashes: { sha256: infoHash }, custom };
};

/** A team that has released three times; a host has seen it, and is offered something. */
async function attacked() {
  const world = await DelegatedWorld.create();
  const { key } = generateKey();
  world.publish(world.release(1).update);
  world.publish(world.delegate('hello', [key]));
  world.publish(world.release(2, [key]).update);
  const second = world.published;
  world.publish(world.release(3, [key]).update);
  const third = world.published;
  await world.host().refresh();

  /** The codes with which tracker and host refuse a set; and the host stays at release 3. */
  const offer = async (next: MetadataSet, init: { root?: string } = {}) => {
    const { now, publisher } = world;
    const root = init.root ?? publisher.root;
    world.repository.publish(next);
    const codes = {
      tracker: await codeOf(() => verifyUpdate({ root, current: third, next, now })),
      host: await codeOf(() => world.host().refresh()),
    };
    expect(await world.host().releases()).toMatchObject([{ release: 3, version: '3.0.0' }]);
    return codes;
  };
  return { world, key, second, third, offer };
}

const both = (code: string) => ({ tracker: code, host: code });

/** What the holder of the keys of snapshot and timestamp could serve: these files, newly named. */
function named(world: DelegatedWorld, set: MetadataSet, app: string, version: number): MetadataSet {
  const change = (signed: Signed) => {
    signed.version = 90;
    Object.assign(signed.meta[`${app}.json`] ?? {}, { version });
  };
  const newer = (signed: Signed) => {
    signed.version = 90;
  };
  return forge(world.publisher, set, { snapshot: change, timestamp: newer });
}

describe('rollback', () => {
  test('of the whole repository (checkNotLower, checkMovesForward)', async () => {
    const { second, offer } = await attacked();
    expect(await offer(second)).toEqual(both('REPOSITORY_ROLLBACK'));
  });

  test('of the timestamp alone, which names the newest of all else (checkNotLower)', async () => {
    const { world, third, offer } = await attacked();
    const old = forge(world.publisher, third, { timestamp: (signed) => (signed.version = 1) });
    expect(await offer({ ...old, delegated: third.delegated })).toEqual(
      both('REPOSITORY_ROLLBACK'),
    );
  });

  test("of a team's file under a new snapshot (checkNamedNotLower)", async () => {
    const { world, second, offer } = await attacked();
    const old = named(world, second, 'hello', 1);
    expect(await offer(old)).toEqual(both('REPOSITORY_ROLLBACK'));
  });

  test('of a release number, by the team itself (checkReleases)', async () => {
    const { world, key, offer } = await attacked();
    const back = world.forgeDelegated('hello', [key], (signed) => {
      signed.targets = { 'hello/stable': targetOf(2, 2) };
    });
    expect(await offer(back)).toEqual(both('REPOSITORY_ROLLBACK'));
    const other = world.forgeDelegated('hello', [key], (signed) => {
      signed.targets = { 'hello/stable': targetOf(9, 3) };
    });
    expect(await offer(other)).toEqual(both('REPOSITORY_ROLLBACK'));
  });

  test('to before the app was handed over, for a host that has seen nothing (checkHandover)', async () => {
    const { world, key } = await attacked();
    const other = await DelegatedWorld.create();
    for (const number of [1, 2, 3]) other.publish(other.release(number).update);
    other.publish(other.delegate('hello', [key]));
    const handed = other.set;
    other.publish(other.release(4, [key]).update);
    const back = other.forgeDelegated('hello', [key], (signed) => {
      signed.version = 1;
      signed.targets = { 'hello/stable': targetOf(1, 1) };
    });
    other.repository.publish(back);
    expect(await codeOf(() => other.host().refresh())).toBe('REPOSITORY_ROLLBACK');
    const { root } = other.publisher;
    const update = { root, current: handed, next: back, now: world.now };
    expect(await codeOf(() => verifyUpdate(update))).toBe('REPOSITORY_ROLLBACK');
  });

  test('one version of a file has one content (checkSameOrHigher; at a host its hash)', async () => {
    const { world, key, third, offer } = await attacked();
    const again = world.forgeDelegated('hello', [key], (signed) => {
      signed.version -= 1;
      signed.targets = { 'hello/stable': targetOf(4, 4) };
    });
    const { now, publisher } = world;
    const update = { root: publisher.root, current: third, next: again, now };
    expect(await codeOf(() => verifyUpdate(update))).toBe('REPOSITORY_ROLLBACK');
    expect(versionOf(again.delegated?.hello ?? '')).toBe(2);
    world.repository.publish(third);
    expect((await offer(third)).host).toBe('returned');
  });
});

test("freeze: a team's file that has expired (checkExpiry)", async () => {
  const { world, key, offer } = await attacked();
  const ended = world.forgeDelegated('hello', [key], (signed) => {
    signed.expires = '2020-01-01T00:00:00Z';
  });
  expect(await offer(ended)).toEqual(both('REPOSITORY_EXPIRED'));
});

describe('mix and match', () => {
  test("a team's file of another release (checkContent)", async () => {
    const { world, key, second, offer } = await attacked();
    world.publish(world.release(4, [key]).update);
    const mixed = { ...world.published, delegated: second.delegated };
    world.repository.files.set('3.hello.json', second.delegated?.hello ?? '');
    const { now, publisher } = world;
    const update = { root: publisher.root, current: second, next: mixed, now };
    expect(await codeOf(() => verifyUpdate(update))).toBe('REPOSITORY_MIX_AND_MATCH');
    expect(await codeOf(() => world.host().refresh())).toBe('REPOSITORY_MIX_AND_MATCH');
    await expect(offer({ ...mixed, delegated: undefined })).resolves.toMatchObject({
      tracker: 'REPOSITORY_MIX_AND_MATCH',
    });
  });

  test('where only the version tells it (checkVersion)', async () => {
    const { world, key, offer } = await attacked();
    const mixed = world.forgeDelegated('hello', [key], () => undefined);
    const bare = forge(world.publisher, mixed, {
      snapshot: (signed) => (signed.meta['hello.json'] = { version: 9 }),
    });
    world.repository.files.set('9.hello.json', mixed.delegated?.hello ?? '');
    expect(await offer(bare)).toEqual(both('REPOSITORY_MIX_AND_MATCH'));
  });

  test("one team's file in the place of another's (checkContent, checkDelegatedSignatures)", async () => {
    const { world, third, offer } = await attacked();
    const other = generateKey().key;
    world.publish(world.delegate('other', [other]));
    world.publish(world.release(1, [other], 'other/stable').update);
    const now = world.published;
    const swapped = { ...now, delegated: { ...now.delegated, hello: now.delegated?.other ?? '' } };
    const { root } = world.publisher;
    const update = { root, current: third, next: swapped, now: world.now };
    expect(await codeOf(() => verifyUpdate(update))).toBe('REPOSITORY_MIX_AND_MATCH');
    const renamed = forge(world.publisher, swapped, {
      snapshot: (signed) =>
        (signed.meta['hello.json'] = signed.meta['other.json'] ?? { version: 1 }),
    });
    const given = { ...renamed, delegated: swapped.delegated };
    expect((await offer(given)).tracker).not.toBe('returned');
  });
});

test("endless data: a team's file is bounded too (checkSize)", async () => {
  const { world, key, third, offer } = await attacked();
  const { requests, files } = world.repository;
  world.publish(world.release(4, [key]).update);
  files.set('3.hello.json', Buffer.alloc(2 << 20, ' '));
  expect(await codeOf(() => world.host().refresh())).toBe('REPOSITORY_MALFORMED');
  expect(requests.find(({ name }) => name === '3.hello.json')?.maxBytes).toBe(1 << 20);
  world.set = third;
  const huge = world.forgeDelegated('hello', [key], (signed) => {
    signed.more = ' '.repeat(2 << 20);
  });
  expect(await offer(huge)).toEqual(both('REPOSITORY_MALFORMED'));
});

test('wrong key: nobody but the team signs for it (checkDelegatedSignatures)', async () => {
  const { world, offer } = await attacked();
  const { targets, snapshot } = world.publisher.keys;
  for (const wrong of [generateKey().key, targets, snapshot, world.publisher.rootKey]) {
    const forged = world.forgeDelegated('hello', [wrong], (signed) => {
      signed.targets = { 'hello/stable': targetOf(4, 4) };
    });
    expect(await offer(forged)).toEqual(both('REPOSITORY_SIGNATURE'));
  }
});

test('key below threshold: also when it signs twice (checkDelegatedSignatures, countSignatures)', async () => {
  const { world, key, offer } = await attacked();
  const others = [generateKey().key, generateKey().key];
  const two = world.publish(world.delegate('hello', [key, ...others], 2));
  await world.host().refresh();
  const released = world.publish(world.release(4, [key, ...others]).update);
  const file = JSON.parse(released.delegated?.hello ?? '') as { signed: Signed };
  world.set = two;
  for (const [tries, signers] of [[], [key], [key, generateKey().key]].entries()) {
    const one = forge(world.publisher, released, {
      snapshot: (signed) => {
        signed.version += tries;
        signed.meta['hello.json'] = { version: file.signed.version };
      },
      timestamp: (signed) => (signed.version += tries),
    });
    const delegated = { hello: signAny(file.signed, signers) };
    expect(await offer({ ...one, delegated })).toEqual(both('REPOSITORY_SIGNATURE'));
  }
});

describe('a delegation and what is outside it', () => {
  test.each(['other/stable', 'hello2/stable', 'hello.2/stable'])(
    'a team does not release %s (checkWithin)',
    async (path) => {
      const { world, key, offer } = await attacked();
      const outside = world.forgeDelegated('hello', [key], (signed) => {
        signed.targets[path] = targetOf(9, 1);
      });
      expect(await offer(outside)).toEqual(both('REPOSITORY_SIGNATURE'));
    },
  );

  test('a team does not delegate further, nor to a path of others (delegatedSigned, delegatedRole)', async () => {
    const { world, key, offer } = await attacked();
    const { delegations } = (JSON.parse(world.set?.targets ?? '') as { signed: Signed }).signed;
    const further = world.forgeDelegated('hello', [key], (signed) => {
      signed.delegations = delegations;
    });
    expect(await offer(further)).toEqual(both('REPOSITORY_MALFORMED'));
    for (const paths of [['*'], ['*/*'], ['other/*'], ['hello/*', 'other/*'], []]) {
      const wide = forge(world.publisher, world.published, {
        targets: (signed) => {
          signed.version = 9;
          const [role] = (signed.delegations as { roles: object[] }).roles;
          Object.assign(role ?? {}, { paths });
        },
        snapshot: (signed) => (signed.version = 9),
        timestamp: (signed) => (signed.version = 9),
      });
      const given = { ...wide, delegated: world.set?.delegated };
      expect((await offer(given)).tracker, String(paths)).toBe('REPOSITORY_MALFORMED');
    }
  });

  test('targets has no release of an app that is a team’s (targetsSigned)', async () => {
    const { world, offer } = await attacked();
    const newer = (signed: Signed) => {
      signed.version = 9;
    };
    const own = forge(world.publisher, world.published, {
      targets: (signed) => {
        newer(signed);
        signed.targets = { 'hello/stable': targetOf(9, 9) };
      },
      snapshot: newer,
      timestamp: newer,
    });
    const given = { ...own, delegated: world.set?.delegated };
    expect(await offer(given)).toEqual(both('REPOSITORY_MALFORMED'));
  });

  test('a file that targets does not lead to is not taken (delegatedTexts)', async () => {
    const { world, third, offer } = await attacked();
    const next = forge(world.publisher, third, { timestamp: (signed) => (signed.version = 9) });
    const given = {
      ...next,
      delegated: { ...third.delegated, other: third.delegated?.hello ?? '' },
    };
    expect((await offer(given)).tracker).toBe('REPOSITORY_MIX_AND_MATCH');
  });
});

test('fast-forward: a new root makes what a stolen key has signed bind nobody (trustedOf)', async () => {
  const { world, key } = await attacked();
  const { publisher, repository } = world;
  const highest = 2 ** 52;
  const far = world.forgeDelegated('hello', [key], (signed) => {
    signed.version = highest;
    signed.targets = { 'hello/stable': targetOf(9, highest) };
  });
  const forward = forge(publisher, far, {
    snapshot: (signed) => (signed.version = highest),
    timestamp: (signed) => (signed.version = highest),
  });
  repository.publish({ ...forward, delegated: far.delegated });
  await world.host().refresh();
  expect(await world.host().releases()).toMatchObject([{ release: highest }]);

  const keys = {
    targets: generateKey().key,
    snapshot: generateKey().key,
    timestamp: generateKey().key,
  };
  const root = makeRoot({
    version: 2,
    keys: {
      root: [publisher.rootKey],
      targets: [keys.targets],
      snapshot: [keys.snapshot],
      timestamp: [keys.timestamp],
    },
    signers: [publisher.rootKey],
  });
  repository.files.set('2.root.json', root);
  const good = world.published;
  const team = generateKey().key;
  const targets = edited(good.targets, keys.targets, (signed) => {
    signed.version += 1;
    const delegations = signed.delegations as { keys: object; roles: object[] };
    delegations.keys = { [team.key.keyID]: team.key.toJSON() };
    Object.assign(delegations.roles[0] ?? {}, { keyids: [team.key.keyID] });
  });
  const file = edited(good.delegated?.hello ?? '', team, (signed) => (signed.version += 1));
  const bare = { version: versionOf(file) };
  const back = forge(
    { keys },
    { ...good, targets },
    {
      targets: () => undefined,
      snapshot: (signed) => (signed.meta['hello.json'] = bare),
    },
  );
  repository.publish({ ...back, delegated: { hello: file } });
  await world.host().refresh();
  expect(await world.host().releases()).toMatchObject([{ release: 3, version: '3.0.0' }]);
});
