/**
 * A load: clients that join a room, are disconnected while messages are posted there, and all reconnect at once.
 *
 * Input: `{ url, databaseUrl, clients, missed, prepare }`, `prepare` being false after a run that has prepared the
 * room; output: the `seconds` until the last client has resumed, and the `transactions` of the database meanwhile.
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
/** Lengths of the replies: equal, since all clients missed the same messages and have names of one length. */
const lengths = new Set<number>();

/** Joins and returns when the reply has arrived. */
async function join(n: number, since: number | '$') {
  const joined = Promise.withResolvers<void>();
  const username = `user${n}`.padEnd(10, '_');
  const socket = await rawWebSocket(input.url, (buffer, from, to) => {
    const head = buffer.toString('latin1', from, from + JOINED.length);
    if (head.startsWith('{"type":"error"'))
      joined.reject(new Error(buffer.toString('utf8', from, to)));
    if (head !== JOINED) return;
    // Parsing every reply would cost the load more than sending it costs the server.
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

/** A reply must hold all missed messages. */
function check(reply: { complete: boolean; messages: unknown[] }): void {
  if (reply.messages.length !== input.missed || !reply.complete) {
    throw new Error(`a client got ${reply.messages.length} messages`);
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

/** Committed transactions by the database's own count, which lags by up to a second. */
async function transactions(): Promise<number> {
  await Bun.sleep(2500);
  const [row] = await database`
    select xact_commit::float8 as n from pg_stat_database where datname = current_database()`;
  return row.n;
}

/** Connects all clients, disconnects them, and posts the messages that they then miss. */
async function prepare(): Promise<void> {
  const sender = await join(input.clients, '$');
  for (const socket of await joinAll('$')) socket.close();
  for (let n = 0; n < input.missed; n++) {
    sender.send(JSON.stringify({ type: 'message', room, content: `missed ${n}` }));
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
// The query that reads the count is a transaction too.
console.log(JSON.stringify({ seconds, transactions: seen - 1 }));
process.exit();
