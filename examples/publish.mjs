// Sends a message to a room from a back end in Node, through Redis:
//   npm install redis
//   REDIS_URL=redis://localhost:6379 node examples/publish.mjs general bot "The build is green"
// Exactly one server stores it, and everyone in the room sees it. Entries that are refused go to the stream
// ws-chat:ingest:rejected, with a reason.
import { createClient } from 'redis';

const [room, username, content] = process.argv.slice(2);
if (!room || !username || !content) throw new Error('usage: publish.mjs ROOM USERNAME TEXT');

const client = createClient({ url: process.env.REDIS_URL ?? 'redis://localhost:6379' });
await client.connect();
// With an id of your own, an entry that is added again because the answer was lost is stored once.
const entry = { room, username, content, id: crypto.randomUUID() };
console.log(await client.xAdd('ws-chat:ingest', '*', entry));
await client.close();
