/**
 * A chat as samples of Bun and Drizzle have it: each message is two queries, one for the user and one that
 * inserts, and then a loop over the sockets. Stored in `DATABASE_URL`; no order, no resume, no duplicates found.
 */
import { type ServerWebSocket, SQL } from 'bun';
import { eq } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/bun-sql';
import { integer, pgTable, serial, text, timestamp } from 'drizzle-orm/pg-core';

const users = pgTable('sample_users', {
  id: serial().primaryKey(),
  username: text().notNull().unique(),
});
const messages = pgTable('sample_messages', {
  id: serial().primaryKey(),
  userId: integer().notNull(),
  room: text().notNull(),
  content: text().notNull(),
  timestamp: timestamp().notNull().defaultNow(),
});

const client = new SQL(process.env.DATABASE_URL ?? '');
await client`create table sample_users (id serial primary key, username text not null unique)`;
await client`create table sample_messages (id serial primary key, "userId" int not null,
  room text not null, content text not null, timestamp timestamp not null default now())`;
const db = drizzle({ client });

const sockets = new Set<ServerWebSocket<{ username: string }>>();
const server = Bun.serve<{ username: string }>({
  port: 0,
  hostname: '127.0.0.1',
  fetch: (request, server) =>
    server.upgrade(request, { data: { username: '' } })
      ? undefined
      : new Response('', { status: 400 }),
  websocket: {
    open: (ws) => void sockets.add(ws),
    close: (ws) => void sockets.delete(ws),
    async message(ws, raw) {
      const { type, username, room, content, id: clientId } = JSON.parse(`${raw}`);
      if (type === 'join') {
        ws.data.username = username;
        await db.insert(users).values({ username });
        ws.send('{"type":"joined"}');
        return;
      }
      const [user] = await db.select().from(users).where(eq(users.username, ws.data.username));
      if (!user) return;
      const values = { userId: user.id, room, content };
      const [stored] = await db.insert(messages).values(values).returning();
      const shown = { type: 'message', ...stored, username: user.username, clientId };
      const text = JSON.stringify(shown);
      for (const socket of sockets) socket.send(text);
    },
  },
});
console.log(`ready on http://127.0.0.1:${server.port}`);
