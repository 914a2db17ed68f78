import { describe, expect, test } from 'bun:test';
import { LiveCore } from '../../support/live-core.ts';

describe('rights that change in the middle of a join', () => {
  test('a ban refuses the join, whatever it waits for at the time', async () => {
    for (const query of ['authorize', 'changes', 'cursors'] as const) {
      const core = new LiveCore();
      const release = core.database.hold(query);
      await core.join('phone', 'ana');
      core.setMembership('general', 'ana', { isBanned: true });
      release();
      await core.clock.advance(0);
      expect(core.take('phone')).toMatchObject([{ type: 'error', code: 'banned', id: 'join' }]);
      core.post('general', 'ben', 'not for ana');
      expect(core.take('phone')).toEqual([]);
      expect(core.live.hub.size).toBe(0);
      core.close();
    }
  });

  test('a room that is made private refuses the join, as if it did not exist', async () => {
    for (const query of ['authorize', 'changes', 'cursors'] as const) {
      const core = new LiveCore();
      const release = core.database.hold(query);
      await core.join('phone', 'ana');
      core.makePrivate('general');
      release();
      await core.clock.advance(0);
      expect(core.take('phone')).toMatchObject([{ type: 'error', code: 'not_found' }]);
      core.close();
    }
  });

  test('a room that is made private admits its members, which were not looked up before', async () => {
    const core = new LiveCore();
    await core.join('other', 'cleo');
    core.setMembership('general', 'ana', { isMember: true });
    const release = core.database.hold('cursors');
    await core.join('phone', 'ana');
    core.makePrivate('general');
    release();
    await core.clock.advance(0);
    expect(core.take('phone')).toMatchObject([{ type: 'joined' }]);
    core.close();
  });

  test('a room that is deleted and created again admits the join to the new one', async () => {
    for (const query of ['authorize', 'changes', 'cursors'] as const) {
      const core = new LiveCore();
      core.database.post('general', 'ben', 'of the old room');
      const release = core.database.hold(query);
      await core.join('phone', 'ana');
      core.deleteRoom('general');
      core.database.post('general', 'ben', 'of the new room');
      const { epoch } = core.database.room('general').room;
      release();
      await core.clock.advance(0);
      const [joined] = core.take('phone');
      expect(joined).toMatchObject({
        type: 'joined',
        epoch,
        messages: [{ content: 'of the new room' }],
      });
      core.post('general', 'ben', 'next');
      expect(core.takeContents('phone')).toEqual(['next']);
      core.close();
    }
  });
});

describe('rights that change afterwards', () => {
  test('a ban ends the subscription at once, and nothing more is shown', async () => {
    const core = new LiveCore();
    await core.join('phone', 'ana');
    await core.join('other', 'cleo');
    core.take('phone');
    core.setMembership('general', 'ana', { isBanned: true });
    core.post('general', 'ben', 'not for ana');
    await core.clock.advance(0);
    expect(core.take('phone')).toMatchObject([{ type: 'error', code: 'banned' }]);
    expect(core.takeContents('other')).toEqual(['not for ana']);
    core.close();
  });

  test('a mute that the bus did not bring holds once the rooms are compared', async () => {
    const core = new LiveCore();
    await core.join('phone', 'ana');
    core.database.setMembership('general', 'ana', { isMuted: true });
    core.bus.publish({ kind: 'resync' });
    await core.clock.advance(0);
    core.take('phone');
    await core.send('phone', { type: 'message', content: 'hi', id: 'm' });
    expect(core.take('phone')).toMatchObject([{ type: 'error', code: 'muted', id: 'm' }]);
    core.close();
  });

  test('a room that was deleted while the bus was away is gone once the rooms are compared', async () => {
    const core = new LiveCore();
    await core.join('phone', 'ana');
    core.take('phone');
    core.database.rooms.delete('general');
    core.bus.publish({ kind: 'resync' });
    await core.clock.advance(0);
    expect(core.take('phone')).toMatchObject([{ type: 'error', code: 'not_found' }]);
    expect(core.live.hub.size).toBe(0);
    core.close();
  });

  test('an older state of a room never replaces a newer one', async () => {
    const core = new LiveCore();
    core.setMembership('general', 'cleo', { isMember: true });
    await core.join('member', 'cleo');
    const { room: older } = core.database.room('general');
    core.makePrivate('general');
    await core.clock.advance(0);
    core.bus.publish({ kind: 'room.updated', room: older });
    await core.join('stranger', 'ben');
    expect(core.take('stranger')).toMatchObject([{ type: 'error', code: 'not_found' }]);
    core.close();
  });

  test('an older membership never replaces a newer one', async () => {
    const core = new LiveCore();
    await core.join('phone', 'ana');
    const { room } = core.database.room('general');
    const { id: userId } = core.database.user('ana');
    const [muted, unmuted] = [true, false].map((isMuted) =>
      core.database.setMembership('general', 'ana', { isMuted }),
    );
    for (const membership of [muted, unmuted, muted]) {
      if (membership) core.bus.publish({ kind: 'membership.updated', room, userId, membership });
    }
    await core.send('phone', { type: 'message', content: 'hi', id: 'm' });
    expect(core.take('phone')).toContainEqual(expect.objectContaining({ type: 'ack', id: 'm' }));
    core.close();
  });

  test('a change that the bus did not bring is noticed by the next one', async () => {
    for (const next of ['membership', 'room'] as const) {
      const core = new LiveCore();
      await core.join('phone', 'ana');
      await core.join('other', 'cleo');
      core.take('phone');
      core.database.setMembership('general', 'ana', { isBanned: true });
      if (next === 'membership') core.setMembership('general', 'ben', { isMember: true });
      else core.setTopic('general', 'news');
      await core.clock.advance(0);
      expect(core.take('phone')).toMatchObject([{ type: 'error', code: 'banned' }]);
      core.close();
    }
  });

  test('a room made private without an event on the bus is private once the rooms are compared', async () => {
    const core = new LiveCore();
    await core.join('phone', 'ana');
    core.take('phone');
    core.database.makePrivate('general');
    core.bus.publish({ kind: 'resync' });
    await core.clock.advance(0);
    expect(core.take('phone')).toMatchObject([{ type: 'error', code: 'not_found' }]);
    core.close();
  });

  test('rights to write come from the database while changes may have been missed', async () => {
    const core = new LiveCore();
    await core.join('phone', 'ana');
    core.take('phone');
    core.database.setMembership('general', 'ana', { isMuted: true });
    const release = core.database.hold('snapshots');
    core.bus.publish({ kind: 'resync' });
    await core.send('phone', { type: 'message', content: 'hi', id: 'm' });
    expect(core.take('phone')).toMatchObject([{ type: 'error', code: 'muted', id: 'm' }]);
    release();
    core.close();
  });

  test('a ban from the server closes a connection at its next join while news may be missing', async () => {
    const core = new LiveCore();
    await core.join('phone', 'ana');
    core.take('phone');
    core.database.banFromServer('ana');
    core.bus.hasAllNews = false;
    await core.join('phone', 'ana', 'tea');
    expect(core.take('phone')).toMatchObject([{ type: 'error', code: 'banned', id: 'join' }]);
    expect(core.closeCode('phone')).toBe(4403);
    core.close();
  });

  test('a refusal by the database ends the subscription, even before the news of it has come', async () => {
    const asks = [
      { type: 'join', id: 'again', username: 'ana', protocol: 1, room: 'general' },
      { type: 'message', id: 'again', room: 'general', content: 'hi' },
    ] as const;
    const changes: Record<'banned' | 'not_found', (core: LiveCore) => void> = {
      banned: ({ database }) => database.setMembership('general', 'ana', { isBanned: true }),
      not_found: ({ database }) => database.makePrivate('general'),
    };
    for (const ask of asks) {
      for (const [code, change] of Object.entries(changes)) {
        const core = new LiveCore();
        await core.join('phone', 'ana');
        core.take('phone');
        core.bus.hasAllNews = false;
        change(core);
        await core.send('phone', ask);
        const refused = { type: 'error', code };
        expect(core.take('phone')).toMatchObject([refused, { ...refused, id: 'again' }]);
        core.post('general', 'ben', 'not for ana');
        expect(core.take('phone')).toEqual([]);
        core.close();
      }
    }
  });
});
