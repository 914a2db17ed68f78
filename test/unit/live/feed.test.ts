import { describe, expect, test } from 'bun:test';
import { LiveCore } from '../../support/live-core.ts';
import { seeded } from '../../support/random.ts';
import { View } from '../../support/room-view.ts';

/** How long the hub waits for a change that is missing, in milliseconds. */
const HOLE_MS = 50;

async function coreWithReader() {
  const core = new LiveCore();
  await core.join('reader', 'ana');
  core.take('reader');
  core.database.asked.length = 0;
  return core;
}

describe('the order of a room', () => {
  test('holds whatever order the bus brings changes in, and however often', async () => {
    for (let seed = 0; seed < 50; seed++) {
      const core = await coreWithReader();
      const view = new View();
      const random = seeded(seed);
      const committed = Array.from({ length: 12 }, (_, n) =>
        core.database.post('general', 'ben', `${n}`),
      );
      const brought = [...committed, ...committed].sort(() => random.integer(3) - 1);
      for (const message of brought) core.bring(message);
      await core.clock.advance(HOLE_MS);
      view.take(core.take('reader'));
      expect({ seed, breaches: view.breaches }).toEqual({ seed, breaches: [] });
      expect(view.contents).toEqual(committed.map(({ content }) => content));
      expect(core.database.asked).toEqual([]);
      core.close();
    }
  });

  test('waits for a late change, without asking the database', async () => {
    const core = await coreWithReader();
    const [first, second] = ['1', '2'].map((text) => core.database.post('general', 'ben', text));
    core.bring(second as NonNullable<typeof second>);
    await core.clock.advance(HOLE_MS - 1);
    expect(core.takeContents('reader')).toEqual([]);
    core.bring(first as NonNullable<typeof first>);
    await core.clock.advance(HOLE_MS);
    expect(core.takeContents('reader')).toEqual(['1', '2']);
    expect(core.database.asked).toEqual([]);
    core.close();
  });

  test('is restored from the database when a change never comes, and the changes behind it follow', async () => {
    const core = await coreWithReader();
    core.database.post('general', 'ben', 'lost');
    core.post('general', 'ben', 'seen');
    await core.clock.advance(HOLE_MS - 1);
    expect(core.takeContents('reader')).toEqual([]);
    await core.clock.advance(1);
    expect(core.takeContents('reader')).toEqual(['lost', 'seen']);
    core.post('general', 'ben', 'next');
    expect(core.takeContents('reader')).toEqual(['next']);
    core.close();
  });

  test('is restored over several holes in a row', async () => {
    const core = await coreWithReader();
    for (let n = 0; n < 3; n++) {
      core.database.post('general', 'ben', `lost ${n}`);
      core.post('general', 'ben', `seen ${n}`);
      await core.clock.advance(HOLE_MS);
      expect(core.takeContents('reader')).toEqual([`lost ${n}`, `seen ${n}`]);
    }
    core.close();
  });

  test('leaves out a change that a later one has replaced', async () => {
    const core = await coreWithReader();
    const view = new View();
    const lost = core.database.post('general', 'ben', 'lost');
    core.database.post('general', 'ben', 'between');
    core.change('general', lost.id, 'edited');
    await core.clock.advance(HOLE_MS);
    const frames = core.take('reader');
    expect(frames).toMatchObject([
      { type: 'message', content: 'between', rev: 2 },
      { type: 'update', content: 'edited', rev: 3, seq: 1 },
    ]);
    core.post('general', 'ben', 'next');
    view.rev = 3;
    view.take(core.take('reader'));
    expect(view.breaches).toEqual([]);
    core.close();
  });
});

describe('a change that the bus did not bring', () => {
  test('is read after each commit with an unknown outcome', async () => {
    const core = await coreWithReader();
    const { room } = core.database.room('general');
    core.bus.publish({ kind: 'resync', roomIds: [room.id] });
    await core.clock.advance(0);
    core.database.post('general', 'ben', 'late');
    expect(core.takeContents('reader')).toEqual([]);
    core.bus.publish({ kind: 'resync', roomIds: [room.id] });
    await core.clock.advance(0);
    expect(core.takeContents('reader')).toEqual(['late']);
    core.close();
  });

  test('is read from every open room that has one, once any may be missing', async () => {
    const core = await coreWithReader();
    await core.join('reader', 'ana', 'quiet');
    core.take('reader');
    core.database.asked.length = 0;
    core.database.post('general', 'ben', 'missed');
    core.bus.publish({ kind: 'resync' });
    await core.clock.advance(0);
    expect(core.takeContents('reader')).toEqual(['missed']);
    expect(core.database.asked.filter((query) => query === 'changes')).toHaveLength(1);
    core.close();
  });

  test('is shown in order, however many there are', async () => {
    const core = await coreWithReader();
    const view = new View();
    for (let n = 0; n < 350; n++) core.database.post('general', 'ben', `${n}`);
    core.bus.publish({ kind: 'resync' });
    await core.clock.advance(0);
    view.take(core.take('reader'));
    expect(view.breaches).toEqual([]);
    expect(view.contents).toHaveLength(350);
    core.close();
  });

  test('is asked for again until the database answers', async () => {
    for (const query of ['snapshots', 'changes'] as const) {
      const core = await coreWithReader();
      core.database.post('general', 'ben', 'missed');
      const mend = core.database.fail(query);
      core.bus.publish({ kind: 'server.lost', server: 'other', silent: 5000 });
      await core.clock.advance(5000);
      expect(core.takeContents('reader')).toEqual([]);
      mend();
      await core.clock.advance(1000);
      expect(core.takeContents('reader')).toEqual(['missed']);
      core.close();
    }
  });

  test('is shown once, when the bus brings it while the database answers', async () => {
    const core = await coreWithReader();
    const view = new View();
    const missed = core.database.post('general', 'ben', 'missed');
    const release = core.database.hold('changes');
    core.bus.publish({ kind: 'resync', roomIds: [core.database.room('general').room.id] });
    await core.clock.advance(0);
    core.bring(missed);
    core.post('general', 'ben', 'new');
    core.change('general', missed.id, 'edited');
    release();
    await core.clock.advance(1000);
    view.take(core.take('reader'));
    expect(view.breaches).toEqual([]);
    expect(view.contents).toEqual(['edited', 'new']);
    core.close();
  });
});

describe('an open room without subscribers', () => {
  test('is closed, and a late answer is not shown to later subscribers', async () => {
    const core = await coreWithReader();
    const release = core.database.hold('changes', 1);
    core.database.post('general', 'ben', 'missed');
    core.bus.publish({ kind: 'resync', roomIds: [core.database.room('general').room.id] });
    await core.clock.advance(0);
    await core.send('reader', { type: 'leave' });
    expect(core.live.hub.size).toBe(0);
    await core.join('newcomer', 'cleo');
    release();
    await core.clock.advance(1000);
    const frames = core.take('newcomer');
    expect(frames).toMatchObject([{ type: 'joined', rev: 1, messages: [{ content: 'missed' }] }]);
    core.close();
  });
});

describe('a database that has gone back', () => {
  test('gives the room a new epoch: clients are sent away, and begin anew', async () => {
    const core = await coreWithReader();
    const view = new View();
    await core.resume('phone', 'cleo', view);
    for (const text of ['1', '2', '3']) core.post('general', 'ben', text);
    view.take(core.take('phone'));
    core.database.loseAfter('general', 2);
    core.bus.publish({ kind: 'resync' });
    await core.clock.advance(0);
    expect(core.closeCode('phone')).toBeDefined();
    core.post('general', 'ben', 'another 3');
    await core.resume('phone again', 'cleo', view);
    expect(view.contents).toEqual(['1', '2', 'another 3']);
    expect(view.breaches).toEqual([]);
    core.close();
  });
});
