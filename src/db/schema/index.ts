export { messages } from './messages.ts';
export { rooms } from './rooms.ts';
export { users } from './users.ts';
