// A bot for Node 22 and Bun that rolls dice on the command "/roll":
//   npm install ws-chat-client && node dice-bot.mjs
import { ChatClient } from 'ws-chat-client';

const chat = new ChatClient(process.env.CHAT_URL ?? 'http://localhost:3000', { username: 'dice' });
const room = chat.room('general');
const roll = () => 1 + Math.floor(Math.random() * 6);

for await (const { username, content } of room) {
  if (content === '/roll') await room.send(`${username} rolls ${roll()} and ${roll()}`);
}
