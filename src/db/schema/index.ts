export { messages } from './messages.ts';
export { deletedRooms, roomPeople, rooms } from './rooms.ts';
export { users } from './users.ts';
