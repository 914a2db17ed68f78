import { expect, test } from 'bun:test';
import { MemoryBus } from '../../src/bus/memory.ts';
import { createLogger } from '../../src/log.ts';
import type { MessageReader } from '../../src/services/message-reader.ts';
import type { RoomStates } from '../../src/services/room-states.ts';
import type { StoredMessage } from '../../src/types/rest.ts';
import { Hub } from '../../src/ws/hub.ts';
import { ROOM as room } from '../support/room.ts';

function message(rev: number): StoredMessage {
  const createdAt = new Date(0).toISOString();
  const who = { userId: 1, username: 'ana', content: `${rev}` };
  return { id: rev, room: room.name, seq: rev, rev, createdAt, ...who };
}

test('what the database answers to a room that all have left is not shown to those who have come since', async () => {
  const bus = new MemoryBus();
  const answers: ((found: StoredMessage[]) => void)[] = [];
  const messages = {
    changes: () => new Promise<StoredMessage[]>((done) => answers.push(done)),
  } as unknown as MessageReader;
  const published: string[] = [];
  const publish = (_: string, render: () => string) => void published.push(render());
  const parts = { messages, states: {} as RoomStates, publish, log: createLogger('silent') };
  const hub = new Hub(parts, bus);

  const opening = hub.open(room, hub.changes);
  answers.shift()?.([message(1)]);
  const before = await opening;
  bus.publish({ kind: 'doubt', rooms: [room.name] });
  await Bun.sleep(0);
  const [late] = answers.splice(0) as [(found: StoredMessage[]) => void];
  if (before) hub.release(before);

  const again = hub.open(room, hub.changes);
  answers.shift()?.([message(1), message(2)]);
  expect((await again)?.log.rev).toBe(2);
  late([message(2)]);
  await Bun.sleep(0);
  expect(published).toEqual([]);
  hub.close();
});
