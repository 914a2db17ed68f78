import type { Room } from '../../src/types/room.ts';

/** A public room, for tests that need no database. */
export const ROOM: Room = {
  id: 1,
  name: 'general',
  epoch: 'e',
  topic: null,
  isPrivate: false,
  ownerId: null,
  isModerated: false,
  direct: null,
};
