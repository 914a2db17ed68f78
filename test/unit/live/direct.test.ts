import { expect, test } from 'bun:test';
import { LiveCore } from '../../support/live-core.ts';
import { View } from '../../support/room-view.ts';

/** Ana and Ben are connected, and neither has joined their direct room; Cleo is there too. */
async function coreWithPair() {
  const core = new LiveCore();
  const room = core.database.direct('ana', 'ben');
  for (const username of ['ana', 'ben', 'cleo']) await core.join(username, username);
  await core.clock.advance(0);
  for (const username of ['ana', 'ben', 'cleo']) core.take(username);
  return { core, room };
}

test('direct messages come to both users, joined or not, and to nobody else', async () => {
  const { core, room } = await coreWithPair();
  core.post(room, 'ana', 'hi');
  await core.clock.advance(0);
  for (const username of ['ana', 'ben']) {
    expect(core.take(username)).toMatchObject([{ type: 'message', room, content: 'hi', rev: 1 }]);
  }
  expect(core.take('cleo')).toEqual([]);
  core.close();
});

test('direct messages come in order, each once, in whatever order the bus brings them', async () => {
  const { core, room } = await coreWithPair();
  const committed = ['1', '2', '3', '4'].map((text) => core.database.post(room, 'ana', text));
  for (const n of [1, 0, 3, 3, 1, 2]) {
    const message = committed[n];
    if (message) core.bring(message);
    await core.clock.advance(10);
  }
  await core.clock.advance(100);
  const view = new View();
  view.take(core.take('ben'));
  expect(view.breaches).toEqual([]);
  expect(view.contents).toEqual(['1', '2', '3', '4']);
  core.close();
});

test('a direct message that the bus did not bring comes with the next one, or with a resync', async () => {
  const { core, room } = await coreWithPair();
  core.database.post(room, 'ana', 'lost');
  core.post(room, 'ana', 'seen');
  await core.clock.advance(100);
  expect(core.takeContents('ben')).toEqual(['lost', 'seen']);
  // The room is open still, and then it is not.
  for (const text of ['lost too', 'lost later']) {
    core.database.post(room, 'ana', text);
    core.bus.publish({ kind: 'resync' });
    await core.clock.advance(100);
    expect(core.takeContents('ben')).toEqual([text]);
    await core.clock.advance(10 * 60_000);
  }
  core.close();
});

test('an idle direct room is closed, and shows nothing twice when it is opened again', async () => {
  const { core, room } = await coreWithPair();
  const first = core.post(room, 'ana', '1');
  await core.clock.advance(10 * 60_000);
  expect(core.live.hub.size).toBe(1);
  core.bring(first);
  core.post(room, 'ana', '2');
  await core.clock.advance(100);
  expect(core.takeContents('ben')).toEqual(['1', '2']);
  core.close();
});

test('a direct message that arrives before or during the look-up of the direct rooms comes once', async () => {
  for (const isHeld of [true, false]) {
    const core = new LiveCore();
    const room = core.database.direct('ana', 'ben');
    core.database.post(room, 'ana', 'before');
    const release = isHeld ? core.database.hold('snapshots') : core.database.fail('snapshots');
    await core.join('ben', 'ben');
    core.post(room, 'ana', 'meanwhile');
    await core.clock.advance(0);
    release();
    await core.clock.advance(1000);
    expect(core.takeContents('ben')).toEqual(['meanwhile']);
    core.close();
  }
});

test('a direct room that is closed while it lacks a message shows all of them once the database answers', async () => {
  const { core, room } = await coreWithPair();
  core.post(room, 'ana', '1');
  await core.clock.advance(100);
  const release = core.database.hold('changes');
  const late = core.database.post(room, 'ana', '2');
  core.post(room, 'ana', '3');
  await core.clock.advance(10 * 60_000);
  core.bring(late);
  release();
  await core.clock.advance(1000);
  expect(core.takeContents('ben')).toEqual(['1', '2', '3']);
  core.close();
});
