/**
 * `bun --preload recorder.ts workload.ts <messages>`: a server on a new data folder, `RECORD_ROOT`,
 * with four users that post, edit and delete in a room, and checkpoints in between. Ends without
 * closing anything, and prints an {@link Account}.
 */
import { statSync } from 'node:fs';
import { sql } from 'drizzle-orm';
import { createApp } from '../../../src/app.ts';
import { readSettings } from '../../../src/config.ts';
import { openDatabase } from '../../../src/db/index.ts';
import { rooms, UNINDEXED } from '../../../src/db/schema/index.ts';
import { createLogger } from '../../../src/log.ts';

/** The acknowledged changes, with the lengths that the recording had at the time. */
export interface Account {
  /** The operation at which the server began to serve. */
  servedFrom: number;
  checkpoints: number[];
  end: number;
  /** By the client's id, the states that a message went through, one after the other's ack. */
  messages: Record<string, State[]>;
}

interface State {
  /** Null: it was deleted. */
  content: string | null;
  sent: number;
  acked?: number;
}

const { RECORD_ROOT: dataDir = '', RECORD_TO: log = '' } = process.env;
const recorded = () => statSync(log).size;
const wanted = Number(process.argv[2]);
const UNLIMITED = { MESSAGE_RATE: '0', REQUEST_RATE: '0', MAX_CONNECTIONS_PER_IP: '0' };

const settings = { ...readSettings(UNLIMITED), port: 0, dataDir };
const database = await openDatabase(settings);
// Enough messages that the next ones go into the index of words, too.
await database.db.insert(rooms).values({ name: 'cut', rev: UNINDEXED });
const { listen } = await createApp({ settings, database, log: createLogger('silent') });
const url = `${listen().replace('http', 'ws')}/ws`;
const account: Account = { servedFrom: recorded(), checkpoints: [], end: 0, messages: {} };

let posts = 0;
async function person(name: string): Promise<void> {
  const socket = new WebSocket(url);
  await new Promise((open) => socket.addEventListener('open', open));
  const waiting = new Map<string, (messageId: number) => void>();
  socket.addEventListener('message', ({ data }) => {
    const frame = JSON.parse(data);
    if (frame.type === 'error') {
      console.error(data);
      process.exit(1);
    }
    if (frame.type === 'ack') waiting.get(frame.id)?.(frame.messageId);
  });
  const ask = (frame: object & { id: string }) => {
    socket.send(JSON.stringify(frame));
    return new Promise<number>((acked) => waiting.set(frame.id, acked));
  };
  socket.send(JSON.stringify({ type: 'join', username: name, room: 'cut', protocol: 1 }));

  /** Posts messages one after the other, each with all of its changes. */
  const talk = async () => {
    while (posts < wanted) {
      posts += 1;
      const key = `${name}-${posts}`;
      const states: State[] = [];
      account.messages[key] = states;
      let messageId = 0;
      const becomes = async (content: string | null, frame: object) => {
        const state: State = { content, sent: recorded() };
        states.push(state);
        const acked = await ask({ id: `${key}-${states.length}`, ...frame });
        state.acked = recorded();
        return acked;
      };
      const content = `${key} is new ${'word '.repeat(posts % 50)}`.trim();
      messageId = await becomes(content, { type: 'message', room: 'cut', content, id: key });
      if (posts % 3 === 0) {
        const edited = `${key} is edited`;
        await becomes(edited, { type: 'edit', messageId, content: edited });
      }
      if (posts % 5 === 0) await becomes(null, { type: 'delete', messageId });
    }
  };
  await Promise.all(Array.from({ length: 8 }, talk));
}

const people = Promise.all(['ana', 'ben', 'cyd', 'dee'].map(person));
let isDone = false;
people.finally(() => {
  isDone = true;
});
while (!isDone) {
  await Bun.sleep(200);
  await database.db.execute(sql`checkpoint`);
  account.checkpoints.push(recorded());
}
account.end = recorded();
console.log(JSON.stringify(account));
process.exit();
