import { expect, test } from 'bun:test';
import { MemoryBus } from '../../../src/bus/memory.ts';
import type { MessageReader } from '../../../src/chat/reader.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { Hub } from '../../../src/live/hub.ts';
import { Personal } from '../../../src/live/publisher.ts';
import { createLogger } from '../../../src/log.ts';
import { NO_MEMBERSHIP } from '../../../src/protocol/room.ts';
import type { RoomSnapshots } from '../../../src/rooms/snapshots.ts';
import { ROOM as room } from '../../support/room.ts';

test('a reader is looked up once, whatever changes in other rooms and for other users', async () => {
  const bus = new MemoryBus();
  const messages = {
    changes: async () => ({ messages: [], more: false }),
  } as unknown as MessageReader;
  const hub = new Hub({
    messages,
    snapshots: {} as RoomSnapshots,
    bus,
    publish: () => {},
    personal: new Personal(() => {}),
    clock: systemClock,
    log: createLogger('silent'),
  });
  let lookups = 0;
  const entered = await hub.enter(room.name, {
    principal: () => ({ identity: { kind: 'guest' }, user: { id: 1, username: 'ana' } }),
    authorize: async () => {
      lookups += 1;
      return { room, membership: NO_MEMBERSHIP };
    },
    read: async () => {
      const other = { ...room, id: 2, name: 'other', version: 7 };
      bus.publish({ kind: 'room.updated', room: other });
      const muted = { ...NO_MEMBERSHIP, isMuted: true, version: 1 };
      bus.publish({ kind: 'membership.updated', room, userId: 2, membership: muted });
      bus.publish({ kind: 'room.updated', room: { ...room, topic: 'new', version: 2 } });
    },
    subscribe: (live, membership) => ({ live, membership }),
  });
  expect(lookups).toBe(1);
  expect(entered.live.room).toMatchObject({ topic: 'new', isModerated: false });
  hub.close();
});
