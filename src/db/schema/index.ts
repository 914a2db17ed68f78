export { messages, reactions } from './messages.ts';
export { notifications } from './notifications.ts';
export { deletedRooms, readPositions, roomPeople, rooms } from './rooms.ts';
export { users } from './users.ts';
