import { describe, expect, test } from 'bun:test';
import { LiveCore } from '../../support/live-core.ts';
import { View } from '../../support/room-view.ts';

describe('a newcomer', () => {
  test('gets the ten newest messages that are not deleted, in their latest state, and the changes after them', async () => {
    const core = new LiveCore();
    const posted = Array.from({ length: 15 }, (_, n) =>
      core.database.post('general', 'ben', `${n}`),
    );
    core.database.change('general', posted[14]?.id ?? 0, null);
    core.database.change('general', posted[13]?.id ?? 0, 'edited');
    await core.join('phone', 'ana');
    const [joined] = core.take('phone');
    expect(joined).toMatchObject({ type: 'joined', rev: 17, complete: true, reset: false });
    const shown = joined?.type === 'joined' ? joined.messages.map(({ content }) => content) : [];
    expect(shown).toEqual([...Array.from({ length: 9 }, (_, n) => `${n + 4}`), 'edited']);
    core.post('general', 'ben', 'next');
    expect(core.take('phone')).toMatchObject([{ type: 'message', content: 'next', rev: 18 }]);
    core.close();
  });

  test('gets ten messages even when more than the remembered ones were deleted while the room was open', async () => {
    const core = new LiveCore();
    await core.join('early', 'ana');
    const posted = Array.from({ length: 40 }, (_, n) => core.post('general', 'ben', `${n}`));
    for (const { id } of posted.slice(12)) core.change('general', id, null);
    await core.join('late', 'cleo');
    const joined = core.take('late').find((frame) => frame.type === 'joined');
    expect(joined?.messages.map(({ content }) => content)).toEqual(
      Array.from({ length: 10 }, (_, n) => `${n + 2}`),
    );
    core.close();
  });

  test('gets messages in their new state when they change while they are read', async () => {
    const core = new LiveCore();
    await core.join('early', 'ana');
    const posted = Array.from({ length: 40 }, (_, n) => core.post('general', 'ben', `${n}`));
    for (const { id } of posted.slice(12)) core.change('general', id, null);
    const release = core.database.hold('newest');
    await core.join('late', 'cleo');
    core.change('general', posted[11]?.id ?? 0, 'edited');
    core.change('general', posted[10]?.id ?? 0, null);
    core.post('general', 'ben', 'new');
    release();
    await core.clock.advance(0);
    const joined = core.take('late').find((frame) => frame.type === 'joined');
    expect(joined?.messages.map(({ content }) => content)).toEqual([
      ...Array.from({ length: 8 }, (_, n) => `${n + 2}`),
      'edited',
      'new',
    ]);
    core.close();
  });

  test('misses nothing and gets nothing twice while the room is slow to load', async () => {
    const core = new LiveCore();
    const view = new View();
    core.database.post('general', 'ben', 'before');
    const release = core.database.hold('changes');
    await core.join('phone', 'ana');
    core.post('general', 'ben', 'meanwhile');
    core.database.post('general', 'ben', 'lost');
    core.post('general', 'ben', 'seen');
    expect(core.take('phone')).toEqual([]);
    release();
    await core.clock.advance(50);
    core.post('general', 'ben', 'after');
    view.take(core.take('phone'));
    expect(view.breaches).toEqual([]);
    expect(view.contents).toEqual(['before', 'meanwhile', 'lost', 'seen', 'after']);
    core.close();
  });

  test('whose join is slow gets the messages of the meantime once', async () => {
    const core = new LiveCore();
    const view = new View();
    await core.join('other', 'cleo');
    core.post('general', 'ben', 'before');
    const release = core.database.hold('cursors');
    await core.join('slow', 'ana');
    for (let n = 0; n < 15; n++) core.post('general', 'ben', `${n}`);
    expect(core.take('slow')).toEqual([]);
    release();
    await core.clock.advance(0);
    core.post('general', 'ben', 'after');
    const slow = new View();
    slow.take(core.take('slow'));
    expect(slow.breaches).toEqual([]);
    expect(slow.contents).toEqual([...Array.from({ length: 10 }, (_, n) => `${n + 5}`), 'after']);
    view.take(core.take('other'));
    expect(view.breaches).toEqual([]);
    core.close();
  });

  test('is refused when the database does not answer, and admitted when it does again', async () => {
    const core = new LiveCore();
    const mend = core.database.fail('changes');
    await core.join('phone', 'ana');
    expect(core.take('phone')).toMatchObject([{ type: 'error', id: 'join' }]);
    expect(core.live.hub.size).toBe(0);
    mend();
    await core.join('phone', 'ana');
    expect(core.take('phone')).toMatchObject([{ type: 'joined' }]);
    core.close();
  });

  test('that was answered “unavailable” does not enter later, when the database answers again', async () => {
    const core = new LiveCore();
    const release = core.database.hold('cursors');
    core.isDatabaseAnswering = false;
    await core.join('phone', 'ana');
    await core.clock.advance(5000);
    expect(core.take('phone')).toMatchObject([{ type: 'error', code: 'unavailable', id: 'join' }]);
    core.isDatabaseAnswering = true;
    release();
    await core.clock.advance(1000);
    core.post('general', 'ben', 'hello');
    await core.clock.advance(100);
    expect(core.take('phone')).toEqual([]);
    await core.join('phone', 'ana');
    expect(core.take('phone')).toMatchObject([{ type: 'joined', rev: 1 }]);
    core.close();
  });
});
