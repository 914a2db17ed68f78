// A bot for Bun that greets users who join: bun examples/welcome-bot.ts
import { ChatClient } from 'ws-chat-client';

const url = process.env.CHAT_URL ?? 'http://localhost:3000';
const room = new ChatClient(url, { username: 'welcome' }).room('general');
const greeted = new Set(['welcome']);

room.on('presence', async ({ username, status }) => {
  if (status === 'offline' || greeted.has(username)) return;
  greeted.add(username);
  await room.send(`Hello ${username}! There are ${room.userCount} of us.`);
});
