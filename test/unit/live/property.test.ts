import { expect, test } from 'bun:test';
import { LiveCore } from '../../support/live-core.ts';
import { chooseSeed, seeded } from '../../support/random.ts';
import { View } from '../../support/room-view.ts';

const RUNS = 150;
const STEPS = 120;
/** How long a direct room that nobody has joined stays open without changes, in milliseconds. */
const LINGER_MS = 30_000;

interface Client {
  id: string;
  username: string;
  view: View;
  isConnected: boolean;
  joining?: Promise<void>;
}

/** A run: commits, a bus that loses, repeats and reorders, a slow database, clients that come and go. */
async function play(seed: number): Promise<string[]> {
  const random = seeded(seed);
  const core = new LiveCore({ presenceGrace: 1 });
  const clients: Client[] = Array.from({ length: 4 }, (_, n) => ({
    id: `c${n}`,
    username: `user ${n}`,
    view: new View('allowed'),
    isConnected: false,
  }));
  const underWay: (() => void)[] = [];
  const posted: number[] = [];
  const releases: (() => void)[] = [];
  let connections = 0;
  let isInDoubt = false;

  // Of protocol 0, and there from the first message on.
  await core.send('basic', { type: 'join', username: 'basic' });
  // Two users write to each other, and have joined no direct room.
  const direct = core.database.direct('eve', 'fay');
  await core.join('eve', 'eve');

  const travel = (bring: () => void) => {
    const fate = random.integer(10);
    if (fate === 0) isInDoubt = true;
    else if (fate < 4) underWay.push(bring);
    else bring();
    if (fate === 4) bring();
  };
  const drain = (client: Client) => {
    if (client.isConnected && !client.joining) client.view.take(core.take(client.id));
  };
  const steps = [
    () => {
      const message = core.database.post('general', 'author', `m${posted.length}`);
      posted.push(message.id);
      travel(() => core.bring(message));
    },
    () => {
      if (posted.length === 0) return;
      const content = random.integer(4) === 0 ? null : `edit ${random.integer(1000)}`;
      const changed = core.database.change('general', random.pick(posted), content);
      travel(() => core.bring(changed));
    },
    () => {
      const [late] = underWay.splice(random.integer(underWay.length), 1);
      late?.();
    },
    async () => {
      const client = random.pick(clients);
      if (client.joining) return;
      if (client.isConnected) {
        drain(client);
        client.isConnected = false;
        await core.drop(client.id);
        return;
      }
      connections += 1;
      client.id = `${client.username} ${connections}`;
      client.isConnected = true;
      client.joining = core.resume(client.id, client.username, client.view).finally(() => {
        delete client.joining;
      });
      await core.clock.advance(0);
    },
    // Now and then long enough for an idle room to be closed.
    () => core.clock.advance(random.integer(20) === 0 ? 40_000 : random.integer(60)),
    () => {
      releases.push(core.database.hold(random.pick(['changes', 'newest', 'cursors', 'authorize'])));
    },
    () => {
      releases.splice(random.integer(releases.length), 1)[0]?.();
    },
    () => {
      const message = core.database.post(direct, random.pick(['eve', 'fay']), 'direct');
      travel(() => core.bring(message));
    },
    () => core.bus.publish({ kind: 'resync' }),
    () => {
      const { username } = random.pick(clients);
      const isBanned = random.integer(2) === 0;
      const membership = core.database.setMembership('general', username, { isBanned });
      const { room } = core.database.room('general');
      const { id: userId } = core.database.user(username);
      travel(() => core.bus.publish({ kind: 'membership.updated', room, userId, membership }));
    },
  ];
  // Most steps write.
  const weighted = [...steps, ...steps.slice(0, 3), ...steps.slice(0, 2)];
  for (let n = 0; n < STEPS; n++) {
    await random.pick(weighted)();
    for (const client of clients) drain(client);
  }

  for (const release of releases) release();
  await core.clock.advance(0);
  for (const late of underWay) late();
  if (isInDoubt) core.bus.publish({ kind: 'resync' });
  await core.clock.advance(5000);
  const last = core.post('general', 'author', 'last');
  const stored = core.database.room('general');
  const expected = [...stored.messages.values()]
    .filter(({ deletedAt }) => !deletedAt)
    .sort((a, b) => a.seq - b.seq)
    .map(({ content }) => content);
  const wrong: string[] = [];
  for (const client of clients) {
    const { id, username, view } = client;
    await client.joining;
    if (client.isConnected) view.take(core.take(id));
    const { isBanned } = core.database.membership(stored, core.database.user(username).id);
    if (isBanned && view.messages.has(last.id)) wrong.push(`${username} is banned and reads on`);
    await core.resume(`${username} at the end`, username, view);
    if (isBanned && view.messages.has(last.id)) wrong.push(`${username} is banned and enters`);
    wrong.push(...view.breaches.map((breach) => `${username}: ${breach}`));
    if (!isBanned && view.contents.join() !== expected.join()) {
      wrong.push(`${username} has ${view.contents}, and the room ${expected}`);
    }
  }
  const shownBasic = core
    .take('basic')
    .flatMap((frame) => (frame.type === 'message' ? frame.id : []));
  if (new Set(shownBasic).size < shownBasic.length) wrong.push('protocol 0 saw a message twice');
  for (const { id, content, deletedAt } of stored.messages.values()) {
    if (!deletedAt && !shownBasic.includes(id)) wrong.push(`protocol 0 never saw ${content}`);
  }
  // The room is closed, and no later change shows what the bus has lost.
  await core.clock.advance(2 * LINGER_MS);
  core.database.post(direct, 'fay', 'lost');
  core.bus.publish({ kind: 'resync' });
  await core.clock.advance(5000);
  const shownDirect = core
    .take('eve')
    .flatMap((frame) => (frame.type === 'message' && frame.room === direct ? frame.seq : []));
  const isDirectWhole = shownDirect.every((seq, n) => seq === n + 1);
  if (!isDirectWhole || shownDirect.length < core.database.room(direct).rev) {
    wrong.push(`eve was shown ${shownDirect} of ${core.database.room(direct).rev} direct messages`);
  }
  await core.join('newcomer', 'newcomer');
  const [joined] = core.take('newcomer');
  const shown = joined?.type === 'joined' ? joined.messages.map(({ content }) => content) : [];
  if (shown.join() !== expected.slice(-10).join()) {
    wrong.push(`a newcomer is shown ${shown}, and the room is ${expected}`);
  }
  core.close();
  return wrong;
}

test('whatever the bus, the database and the clients do, each client ends up with the state of the room', async () => {
  const seed = chooseSeed('the live core');
  for (let run = 0; run < RUNS; run++) {
    expect({ seed: seed + run, wrong: await play(seed + run) }).toEqual({
      seed: seed + run,
      wrong: [],
    });
  }
});
