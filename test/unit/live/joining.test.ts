import { describe, expect, test } from 'bun:test';
import { MAX_PAGE_CHANGES } from '../../../src/protocol/frames.ts';
import { LiveCore, View } from '../../support/live-core.ts';

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

describe('a client that resumes', () => {
  /** A client that has seen three messages, while another one stays in the room. */
  async function coreWithReturner() {
    const core = new LiveCore();
    const view = new View();
    await core.join('other', 'cleo');
    for (const text of ['1', '2', '3']) core.post('general', 'ben', text);
    await core.resume('phone', 'ana', view);
    await core.drop('phone');
    core.database.asked.length = 0;
    return { core, view };
  }

  /**
   * A client that has seen three messages of thirty. The room has seen more changes than a page holds, of the
   * last message, so that what it remembers does not reach back.
   */
  async function coreThatRemembersLittle() {
    const core = new LiveCore();
    const posted = Array.from({ length: 30 }, (_, n) =>
      core.database.post('general', 'ben', `${n}`),
    );
    await core.join('other', 'cleo');
    for (let n = 0; n <= MAX_PAGE_CHANGES; n++) {
      core.change('general', posted[29]?.id ?? 0, `edit ${n}`);
    }
    const { epoch } = core.database.room('general').room;
    return { core, posted, view: Object.assign(new View(), { rev: 3, epoch }) };
  }

  test('gets the changes of the replay buffer without a read of messages from the database', async () => {
    const { core, view } = await coreWithReturner();
    core.post('general', 'ben', '4');
    core.change('general', [...view.messages.keys()][0] ?? 0, 'edited');
    await core.resume('phone', 'ana', view);
    expect(view.breaches).toEqual([]);
    expect(view.contents).toEqual(['edited', '2', '3', '4']);
    expect(core.database.asked).not.toContain('changes');
    core.close();
  });

  test('gets all changes in order, page by page, when they reach beyond the replay buffer', async () => {
    const { core, view } = await coreWithReturner();
    const [first] = [...view.messages.keys()];
    for (let n = 0; n < 2 * MAX_PAGE_CHANGES + 10; n++) core.post('general', 'ben', `more ${n}`);
    core.change('general', first ?? 0, 'edited');
    await core.resume('phone', 'ana', view);
    expect(view.breaches).toEqual([]);
    expect(view.contents).toHaveLength(3 + 2 * MAX_PAGE_CHANGES + 10);
    expect(view.contents[0]).toBe('edited');
    core.post('general', 'ben', 'live');
    view.take(core.take('phone'));
    expect(view.breaches).toEqual([]);
    expect(view.contents.at(-1)).toBe('live');
    core.close();
  });

  test('gets each message in its latest state when a page grows and changes while it is read', async () => {
    const { core, view } = await coreWithReturner();
    const posted = Array.from({ length: MAX_PAGE_CHANGES + 20 }, (_, n) =>
      core.post('general', 'ben', `more ${n}`),
    );
    const release = core.database.hold('changes');
    const resuming = core.resume('phone', 'ana', view);
    await core.clock.advance(0);
    core.change('general', posted[5]?.id ?? 0, 'edited meanwhile');
    core.change('general', posted[6]?.id ?? 0, null);
    core.post('general', 'ben', 'new meanwhile');
    release();
    await resuming;
    view.take(core.take('phone'));
    expect(view.breaches).toEqual([]);
    expect(view.contents).toHaveLength(3 + MAX_PAGE_CHANGES + 20);
    expect(view.contents[8]).toBe('edited meanwhile');
    expect(view.contents.at(-1)).toBe('new meanwhile');
    core.close();
  });

  test('gets each message once when messages change before they are shown', async () => {
    const { core, view, posted } = await coreThatRemembersLittle();
    const unpublished = core.database.post('general', 'ben', 'stored and not shown yet');
    const release = core.database.hold('changes');
    const resuming = core.resume('phone', 'ana', view);
    await core.clock.advance(0);
    core.bring(unpublished);
    core.change('general', posted[10]?.id ?? 0, 'edited meanwhile');
    const late = core.database.post('general', 'ben', 'shown after the join');
    release();
    await resuming;
    core.bring(late);
    view.take(core.take('phone'));
    expect(view.breaches).toEqual([]);
    expect(view.contents).toEqual([
      ...posted
        .slice(3, 29)
        .map(({ content }) => (content === '10' ? 'edited meanwhile' : content)),
      `edit ${MAX_PAGE_CHANGES}`,
      'stored and not shown yet',
      'shown after the join',
    ]);
    core.close();
  });

  test('gets a message that it could have read before it was shown only once', async () => {
    const { core, view } = await coreThatRemembersLittle();
    const unpublished = core.database.post('general', 'ben', 'stored and not shown yet');
    await core.resume('phone', 'ana', view);
    expect(view.contents).not.toContain('stored and not shown yet');
    core.bring(unpublished);
    view.take(core.take('phone'));
    expect(view.breaches).toEqual([]);
    expect(view.contents.at(-1)).toBe('stored and not shown yet');
    core.close();
  });

  test('gets a message once that changes while the room reads further back', async () => {
    const core = new LiveCore();
    const posted = Array.from({ length: 100 }, (_, n) =>
      core.database.post('general', 'ben', `${n}`),
    );
    await core.join('other', 'cleo');
    const view = new View();
    const release = core.database.hold('changes');
    const resuming = core.resume('phone', 'ana', view);
    await core.clock.advance(0);
    core.change('general', posted[50]?.id ?? 0, 'edited meanwhile');
    release();
    await resuming;
    expect(view.breaches).toEqual([]);
    expect(view.contents).toEqual(
      posted.map(({ content }) => (content === '50' ? 'edited meanwhile' : content)),
    );
    core.close();
  });

  test('misses nothing from any cursor, even at the edge of the replay buffer', async () => {
    const { core } = await coreWithReturner();
    for (let n = 0; n < MAX_PAGE_CHANGES + 10; n++) core.post('general', 'ben', `more ${n}`);
    const { epoch } = core.database.room('general').room;
    for (let since = 0; since < 30; since++) {
      await core.send('phone', { type: 'join', username: 'ana', protocol: 1, since, epoch });
      const joined = core.take('phone').find((frame) => frame.type === 'joined');
      expect(joined?.messages[0]?.rev).toBe(since + 1);
    }
    core.close();
  });

  test('misses nothing when the room moves on while it is read further back', async () => {
    const core = new LiveCore();
    for (let n = 0; n < 300; n++) core.database.post('general', 'ben', `${n}`);
    await core.join('other', 'cleo');
    const { epoch } = core.database.room('general').room;
    const resume = async (rev: number) => {
      const [id, view] = [`from ${rev}`, Object.assign(new View(), { rev, epoch })];
      await core.resume(id, 'ana', view);
      view.take(core.take(id));
      expect(view.breaches).toEqual([]);
      expect(view.contents).toHaveLength(300 + MAX_PAGE_CHANGES + 1 - rev);
    };
    const release = core.database.hold('changes');
    const reading = resume(100);
    await core.clock.advance(0);
    for (let n = 300; n < 300 + MAX_PAGE_CHANGES + 1; n++) core.post('general', 'ben', `${n}`);
    release();
    await reading;
    for (const rev of [250, 295]) await resume(rev);
    core.close();
  });

  test('starts anew when it comes from another history', async () => {
    const { core, view } = await coreWithReturner();
    for (const cursor of [
      { since: 2, epoch: 'another' },
      { since: 4 },
      { since: '$' as const, epoch: 'x' },
    ]) {
      await core.send('phone', { type: 'join', username: 'ana', protocol: 1, ...cursor });
      expect(core.take('phone')).toMatchObject([
        { type: 'joined', reset: true, complete: true, rev: 3, messages: [{}, {}, {}] },
      ]);
    }
    expect(view.rev).toBe(3);
    core.close();
  });

  test('does not start anew when it comes from a server that was ahead: this one catches up first', async () => {
    const { core, view } = await coreWithReturner();
    core.database.post('general', 'ben', 'seen elsewhere');
    core.database.post('general', 'ben', 'new');
    view.rev = 4;
    await core.resume('phone', 'ana', view);
    expect(view.breaches).toEqual([]);
    expect(view.rev).toBe(5);
    expect(core.takeContents('other').slice(-2)).toEqual(['seen elsewhere', 'new']);
    core.close();
  });

  test('is out of the room until its page is complete', async () => {
    const { core, view } = await coreWithReturner();
    for (let n = 0; n < MAX_PAGE_CHANGES + 10; n++) core.post('general', 'ben', `more ${n}`);
    await core.send('phone', { type: 'join', username: 'ana', protocol: 1, since: 3 });
    expect(core.take('phone')).toMatchObject([{ type: 'joined', complete: false }]);
    core.post('general', 'ben', 'next');
    await core.send('phone', { type: 'message', content: 'hi', id: 'm' });
    expect(core.take('phone')).toMatchObject([{ type: 'error', code: 'not_joined' }]);
    expect(view.breaches).toEqual([]);
    core.close();
  });

  test('at the end gets no earlier changes, and all later ones', async () => {
    const { core } = await coreWithReturner();
    await core.send('phone', { type: 'join', username: 'ana', protocol: 1, since: '$' });
    expect(core.take('phone')).toMatchObject([{ type: 'joined', rev: 3, messages: [] }]);
    core.post('general', 'ben', '4');
    expect(core.takeContents('phone')).toEqual(['4']);
    core.close();
  });
});
