import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, onTestFinished, test } from 'vitest';
import { EtcdCluster } from '../interop/etcd-cluster.ts';
import { describeWithProgram } from '../interop/installed.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { AuditedTracker, expectRefused, type Answer } from './audited-tracker.ts';
import { describeWithDisks } from './disk-test.ts';
import { MemoryDisk } from './mounted-disk.ts';

await describeWithDisks('a tracker whose disk is full', () => {
  test('refuses changes and keeps what it acknowledged, reads go on, and so do changes when there is room', async () => {
    const directory = await temporaryDirectory();
    const disk = await MemoryDisk.create(join(directory, 'disk'), 1_024);
    const tracker = await AuditedTracker.start(directory, `sqlite:${join(disk.path, 'store.db')}`);
    for (const app of ['first', 'second']) expect((await tracker.set(app)).status).toBe(200);
    expect((await tracker.approve()).status).toBe(200);
    const refused = await fill(disk, tracker);
    for (const answer of refused) expectRefused(answer, 'the disk is full');
    expect(await tracker.announce()).toBe(200);
    await tracker.expectAllThere();
    await disk.resize(16_384);
    await tracker.untilTaken('after');
    expect((await tracker.createToken()).status).toBe(201);
    await tracker.killAndStart();
    await tracker.expectAllThere();
    await tracker.expectAudit();
  });
});

/**
 * Makes changes of all kinds, and takes what room is left by a file beside, until each kind was refused.
 * @returns the refusals of the last round
 */
async function fill(disk: MemoryDisk, tracker: AuditedTracker): Promise<Answer[]> {
  const kinds = [
    (round: number) => tracker.set(`app-${round}`),
    () => tracker.createToken(),
    () => tracker.approve(),
    () => tracker.revoke(),
  ];
  for (let round = 0; round < 500; round++) {
    const answers: Answer[] = [];
    for (const change of kinds) {
      await takeRoom(disk);
      answers.push(await change(round));
    }
    if (answers.every(({ status }) => status >= 400)) return answers;
  }
  throw new Error('the disk did not become full');
}

async function takeRoom(disk: MemoryDisk): Promise<void> {
  await using file = await open(join(disk.path, 'filler'), 'a');
  const block = Buffer.alloc(4_096, 1);
  for (;;) {
    const written = await file.write(block).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      return undefined;
    });
    if (written === undefined) return;
  }
}

describe('a tracker whose database is locked by another program', () => {
  test.each(['IMMEDIATE', 'EXCLUSIVE'])(
    'refuses changes and serves all else meanwhile (%s)',
    async (lock) => {
      const directory = await temporaryDirectory();
      const path = join(directory, 'tracker', 'store.db');
      const tracker = await AuditedTracker.start(directory, `sqlite:${path}`);
      expect((await tracker.set('before')).status).toBe(200);
      const other = new DatabaseSync(path);
      onTestFinished(() => {
        other.close();
      });
      other.exec(`BEGIN ${lock}`);
      expectRefused(await servedMeanwhile(tracker, tracker.set('during')), 'is locked by another');
      for (const change of [tracker.createToken(), tracker.approve(), tracker.revoke()]) {
        expectRefused(await change, 'is locked by another');
      }
      await tracker.expectAllThere();
      other.exec('COMMIT');
      await tracker.untilTaken('after');
      await tracker.killAndStart();
      await tracker.expectAllThere();
      await tracker.expectAudit();
    },
  );
});

/** Announces are answered while a change waits for the lock. @returns how the change was answered */
async function servedMeanwhile(tracker: AuditedTracker, change: Promise<Answer>): Promise<Answer> {
  let isAnswered = false;
  const answer = change.finally(() => (isAnswered = true));
  for (let served = 0; served < 5; served++) {
    expect(await tracker.announce()).toBe(200);
    expect(isAnswered, `answered after ${served} announces`).toBe(false);
  }
  return await answer;
}

describeWithProgram('etcd', 'a tracker whose etcd is gone', () => {
  test('refuses changes and serves swarms, and has all that it acknowledged when etcd is back', async () => {
    const directory = await temporaryDirectory();
    const cluster = await EtcdCluster.forTest(1);
    const [etcd] = cluster.members;
    const tracker = await AuditedTracker.start(directory, `etcd://${cluster.hosts.join(',')}`);
    // One after the other, so that they are in the log in the order in which they were acknowledged.
    for (const change of [
      () => tracker.set('before'),
      () => tracker.approve(),
      () => tracker.createToken(),
    ]) {
      expect((await change()).status).toBeLessThan(300);
    }
    await etcd?.kill();
    const changes = [
      () => tracker.set('during'),
      () => tracker.createToken(),
      () => tracker.approve(),
      () => tracker.revoke(),
    ];
    for (const change of changes) {
      const { status, type, body } = await change();
      expect(status).toBe(503);
      expect(type).toContain('application/problem+json');
      expect(body.code).toMatch(/^STORE_(READ_ONLY|FAILED)$/);
      expect(body.detail).toMatch(/etcd does not answer.*try again later/);
      expect(await tracker.announce()).toBe(200);
    }
    await etcd?.start();
    await tracker.untilTaken('after');
    await tracker.expectAllThere();
    await tracker.killAndStart();
    await tracker.expectAllThere();
    await tracker.expectAudit();
  });
});
