import { expect, test } from 'bun:test';
import type { ServerFrame } from '../../../src/protocol/frames.ts';
import { LiveCore } from '../../support/live-core.ts';

const GRACE_MS = 5000;

/** The joins and leaves, in short. */
function comings(frames: ServerFrame[]): string[] {
  return frames.flatMap((frame) =>
    frame.type === 'presence' ? `${frame.username} ${frame.status}` : [],
  );
}

async function coreWithWitness() {
  const core = new LiveCore({ presenceGrace: GRACE_MS / 1000 });
  await core.join('witness', 'wanda');
  core.take('witness');
  return core;
}

test('a user who leaves is offline at once, and was seen until then', async () => {
  const core = await coreWithWitness();
  await core.join('phone', 'ana');
  await core.clock.advance(1000);
  const now = core.clock.now();
  await core.send('phone', { type: 'leave', id: 'l' });
  expect(core.take('phone').at(-1)).toMatchObject({ type: 'left', id: 'l', room: 'general' });
  expect(comings(core.take('witness'))).toEqual(['ana online', 'ana offline']);
  expect(core.seen.get(core.database.user('ana').id)?.getTime()).toBe(now);
  core.close();
});

test('a user whose connection is lost is offline when the grace period is over, and was seen until the loss', async () => {
  const core = await coreWithWitness();
  await core.join('phone', 'ana');
  await core.clock.advance(1000);
  const lostAt = core.clock.now();
  await core.drop('phone');
  await core.clock.advance(GRACE_MS - 1);
  expect(comings(core.take('witness'))).toEqual(['ana online']);
  await core.clock.advance(1);
  expect(comings(core.take('witness'))).toEqual(['ana offline']);
  expect(core.seen.get(core.database.user('ana').id)?.getTime()).toBe(lostAt);
  core.close();
});

test('a user who reconnects within the grace period has never left', async () => {
  const core = await coreWithWitness();
  await core.join('phone', 'ana');
  await core.drop('phone');
  await core.clock.advance(GRACE_MS - 1);
  await core.join('phone again', 'ana');
  await core.clock.advance(10 * GRACE_MS);
  expect(comings(core.take('witness'))).toEqual(['ana online']);
  core.close();
});

test('a user with two connections is online until the last one is gone, and is counted once', async () => {
  const core = await coreWithWitness();
  await core.join('phone', 'ana');
  await core.join('laptop', 'ana');
  expect(core.take('laptop')[0]).toMatchObject({ type: 'joined', userCount: 2 });
  await core.send('phone', { type: 'leave' });
  await core.clock.advance(GRACE_MS);
  expect(comings(core.take('witness'))).toEqual(['ana online']);
  await core.drop('laptop');
  await core.clock.advance(GRACE_MS);
  expect(comings(core.take('witness'))).toEqual(['ana offline']);
  core.close();
});

test('a user who is evicted is offline at once', async () => {
  const core = await coreWithWitness();
  await core.join('phone', 'ana');
  core.setMembership('general', 'ana', { isBanned: true });
  expect(comings(core.take('witness'))).toEqual(['ana online', 'ana offline']);
  core.close();
});

test('users of a lost server stay until the grace period, its silence included, is over', async () => {
  const core = await coreWithWitness();
  const { room } = core.database.room('general');
  const [stays, goes] = [core.database.user('stays'), core.database.user('goes')];
  for (const person of [stays, goes]) {
    core.bus.publish({ kind: 'presence.entered', server: 'other', room, person });
  }
  core.bus.publish({ kind: 'server.lost', server: 'other', silent: 2000 });
  await core.clock.advance(GRACE_MS - 2000 - 1);
  await core.join('phone', 'stays');
  expect(comings(core.take('witness'))).toEqual(['stays online', 'goes online']);
  await core.clock.advance(1);
  expect(comings(core.take('witness'))).toEqual(['goes offline']);
  core.close();
});

test('joins in a crowded room are gathered, one frame a second, with the name of a single user', async () => {
  const core = await coreWithWitness();
  await core.send('basic', { type: 'join', username: 'basic' });
  for (let n = 0; n < 120; n++) await core.join(`c${n}`, `user ${n}`);
  core.take('witness');
  const before = core.take('basic').length;
  expect(before).toBeLessThan(105);
  await core.clock.advance(1000);
  expect(core.take('basic')).toMatchObject([
    { type: 'system', event: 'joined', content: '22 people joined the chat' },
  ]);
  await core.join('late', 'cleo');
  await core.clock.advance(1000);
  expect(core.take('basic')).toMatchObject([
    { type: 'system', event: 'joined', username: 'cleo', content: 'cleo joined the chat' },
  ]);
  await core.clock.advance(10_000);
  expect(core.take('basic')).toEqual([]);
  core.close();
});
