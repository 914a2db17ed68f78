export { messages, reactionCounts, reactions } from './messages.ts';
export { notifications } from './notifications.ts';
export { memberships, readCursors, rooms, tombstones } from './rooms.ts';
export { secrets } from './secrets.ts';
export { isolatedServers } from './servers.ts';
export { users } from './users.ts';
export { messageWords, UNINDEXED, wordCursors } from './words.ts';
