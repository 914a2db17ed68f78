import type { Room } from '../../src/protocol/room.ts';
import type { RoomService } from '../../src/rooms/room.service.ts';

/** A public room, for tests that need no database. */
export const ROOM: Room = {
  id: 1,
  name: 'general',
  epoch: 'e',
  version: 0,
  topic: null,
  isPrivate: false,
  ownerId: null,
  isModerated: false,
  direct: null,
};

/** The public room of this name, made if there is none. */
export async function roomOf(rooms: RoomService, name: string): Promise<Room> {
  return (await rooms.authorizeOrCreate({ identity: { kind: 'key' } }, name)).room;
}
