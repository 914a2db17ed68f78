import { expect, test } from 'bun:test';
import { LiveCore } from '../../support/live-core.ts';

async function coreWithBoth() {
  const core = new LiveCore();
  await core.send('basic', { type: 'join', username: 'ben' });
  await core.join('full', 'ana');
  core.take('basic');
  core.take('full');
  return core;
}

test('a message comes to both protocols, to each in its shape', async () => {
  const core = await coreWithBoth();
  const { id, createdAt } = core.post('general', 'cleo', 'hi');
  const common = { type: 'message', id, room: 'general', seq: 1, username: 'cleo', content: 'hi' };
  const { id: userId } = core.database.user('cleo');
  expect(core.take('basic')).toEqual([{ ...common, timestamp: createdAt }] as never);
  expect(core.take('full')).toEqual([{ ...common, userId, rev: 1, createdAt }] as never);
  core.close();
});

test('edits and deletions come to protocol 1 alone, and newcomers of both find them done', async () => {
  const core = await coreWithBoth();
  const first = core.post('general', 'cleo', 'first');
  const second = core.post('general', 'cleo', 'second');
  core.change('general', first.id, 'edited');
  core.change('general', second.id, null);
  expect(core.takeContents('basic')).toEqual(['first', 'second']);
  expect(core.take('full').map(({ type }) => type)).toEqual([
    'message',
    'message',
    'update',
    'update',
  ]);
  await core.send('newcomer', { type: 'join', username: 'dora' });
  expect(core.take('newcomer')).toMatchObject([
    { type: 'system', event: 'welcome', username: 'dora' },
    { type: 'message', content: 'edited' },
  ]);
  core.close();
});

test('a message that was edited before it could be shown is shown to protocol 0 once', async () => {
  const core = await coreWithBoth();
  const lost = core.database.post('general', 'cleo', 'lost');
  core.change('general', lost.id, 'edited');
  core.post('general', 'cleo', 'next');
  await core.clock.advance(50);
  expect(core.takeContents('basic')).toEqual(['edited', 'next']);
  expect(core.take('full')).toMatchObject([
    { type: 'update', content: 'edited', seq: 1, rev: 2 },
    { type: 'message', content: 'next', seq: 3, rev: 3 },
  ]);
  core.close();
});

test('a room that catches up past a message that was edited meanwhile shows it to protocol 0 all the same, once', async () => {
  const core = await coreWithBoth();
  const lost = core.database.post('general', 'cleo', 'lost');
  core.database.post('general', 'cleo', 'newer');
  core.database.change('general', lost.id, 'edited');
  core.bus.publish({ kind: 'resync' });
  await core.clock.advance(50);
  core.change('general', lost.id, 'edited again');
  core.post('general', 'cleo', 'newest');
  expect(core.takeContents('basic')).toEqual(['newer', 'edited', 'newest']);
  core.close();
});

test('joins and leaves come to each protocol in its shape', async () => {
  const core = await coreWithBoth();
  await core.join('phone', 'dora');
  await core.send('phone', { type: 'leave' });
  expect(core.take('basic')).toMatchObject([
    { type: 'system', event: 'joined', username: 'dora', content: 'dora joined the chat' },
    { type: 'system', event: 'left', username: 'dora' },
  ]);
  expect(core.take('full')).toMatchObject([
    { type: 'presence', username: 'dora', status: 'online' },
    { type: 'presence', username: 'dora', status: 'offline' },
  ]);
  core.close();
});

test('typing is shown to the others of protocol 1, and on no connection of the user that types', async () => {
  const core = await coreWithBoth();
  await core.join('ana’s laptop', 'ana');
  await core.join('other', 'dora');
  for (const id of ['basic', 'full', 'ana’s laptop', 'other']) core.take(id);
  await core.send('full', { type: 'typing', id: 't' });
  expect(core.take('full')).toMatchObject([{ type: 'ack', id: 't' }]);
  expect(core.take('ana’s laptop')).toEqual([]);
  expect(core.take('basic')).toEqual([]);
  expect(core.take('other')).toMatchObject([{ type: 'typing', username: 'ana' }]);
  core.post('general', 'cleo', 'and messages go on');
  expect(core.takeContents('ana’s laptop')).toEqual(['and messages go on']);
  core.close();
});

test('a sender gets its own message and its acknowledgement, in the order of the commits', async () => {
  const core = await coreWithBoth();
  for (const n of [1, 2, 3]) {
    await core.send('full', { type: 'message', content: `${n}`, id: `m${n}` });
  }
  const frames = core.take('full');
  expect(frames.flatMap((frame) => (frame.type === 'ack' ? frame.id : []))).toEqual([
    'm1',
    'm2',
    'm3',
  ]);
  expect(frames.flatMap((frame) => (frame.type === 'message' ? frame.content : []))).toEqual([
    '1',
    '2',
    '3',
  ]);
  core.close();
});
