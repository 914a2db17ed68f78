/**
 * A load: clients that join a room, are cut off while others talk there, and all come back at once.
 *
 * Input: `{ url, databaseUrl, clients, missed, prepare }`, without `prepare` after a run that did;
 * output: the `seconds` until the last one is current, and the `transactions` of the database meanwhile.
 */
import { SQL } from 'bun';
import { rawWebSocket } from './raw-websocket.ts';

const input: {
  url: string;
  databaseUrl: string;
  clients: number;
  missed: number;
  prepare: boolean;
} = JSON.parse(process.argv[2] as string);
const room = 'bench';
const database = new SQL(input.databaseUrl, { max: 1 });

const JOINED = '{"type":"joined"';
/** How long the replies are: all have missed the same, and have names of one length. */
const lengths = new Set<number>();

/** Joins and returns when the reply is there. */
async function join(n: number, since: number | '$') {
  const joined = Promise.withResolvers<void>();
  const username = `user${n}`.padEnd(10, '_');
  const socket = await rawWebSocket(input.url, (buffer, from, to) => {
    const head = buffer.toString('latin1', from, from + JOINED.length);
    if (head.startsWith('{"type":"error"'))
      joined.reject(new Error(buffer.toString('utf8', from, to)));
    if (head !== JOINED) return;
    // To read each to its end would cost the load more than it costs the server to send them.
    if (since !== '$' && !lengths.has(to - from)) {
      check(JSON.parse(buffer.toString('utf8', from, to)));
      lengths.add(to - from);
    }
    joined.resolve();
  });
  socket.send(JSON.stringify({ type: 'join', username, protocol: 1, room, since }));
  await joined.promise;
  return socket;
}

/** A reply must hold what was missed, to the end. */
function check(reply: { complete: boolean; messages: unknown[] }): void {
  if (reply.messages.length !== input.missed || !reply.complete) {
    throw new Error(`someone got ${reply.messages.length} messages`);
  }
}

/** In groups, because a kernel queues only so many connections that are not accepted yet. */
async function joinAll(since: number | '$') {
  const sockets = [];
  for (let n = 0; n < input.clients; n += 500) {
    const group = Array.from({ length: Math.min(500, input.clients - n) }, (_, k) =>
      join(n + k, since),
    );
    sockets.push(...(await Promise.all(group)));
  }
  return sockets;
}

/** What the database has done so far, by its own count, which is late by up to a second. */
async function transactions(): Promise<number> {
  await Bun.sleep(2500);
  const [row] = await database`
    select xact_commit::float8 as n from pg_stat_database where datname = current_database()`;
  return row.n;
}

/** All have been there, and were cut off before the messages that they now miss. */
async function prepare(): Promise<void> {
  const talker = await join(input.clients, '$');
  for (const socket of await joinAll('$')) socket.close();
  for (let n = 0; n < input.missed; n++) {
    talker.send(JSON.stringify({ type: 'message', room, content: `missed ${n}` }));
  }
  for (let stored = 0; stored < input.missed; ) {
    [{ stored }] = await database`select rev::float8 as stored from rooms where name = ${room}`;
  }
}

if (input.prepare) await prepare();
const before = await transactions();
const start = performance.now();
await joinAll(0);
const seconds = (performance.now() - start) / 1000;
const seen = (await transactions()) - before;
// One of them is the question itself.
console.log(JSON.stringify({ seconds, transactions: seen - 1 }));
process.exit();
