export { messages, reactions, UNINDEXED } from './messages.ts';
export { notifications } from './notifications.ts';
export { deletedRooms, readPositions, roomPeople, rooms } from './rooms.ts';
export { users } from './users.ts';
