import { describe, expect, test } from 'bun:test';
import { MAX_PAGE_CHANGES } from '../../../src/protocol/frames.ts';
import { LiveCore } from '../../support/live-core.ts';
import { View } from '../../support/room-view.ts';

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
   * last message, so that its memory does not reach back.
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
