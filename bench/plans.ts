/**
 * `bun bench/plans.ts <database URL>`: prints the query plans of Postgres for pages, resumes and searches, as the
 * server asks for them, in the room that `history-maker.ts` makes; docs/search.md shows them for ten million messages.
 */
import { sql } from 'drizzle-orm';
import { MessageReader } from '../src/chat/reader.ts';
import { Search } from '../src/chat/search.ts';
import { WordIndex } from '../src/chat/word-index.ts';
import { readSettings } from '../src/config.ts';
import { openDatabase, rows } from '../src/db/index.ts';
import { systemClock } from '../src/lib/clock.ts';
import { Limits } from '../src/limits/limits.ts';
import { createLogger } from '../src/log.ts';
import { RoomService } from '../src/rooms/room.service.ts';
import { ROOM } from './history-maker.ts';

const { db, close } = await openDatabase({ databaseUrl: process.argv[2] ?? '', dataDir: '' });
const limits = new Limits({ clock: systemClock }, readSettings({}));
const rooms = new RoomService({ db, limits });
const { room } = await rooms.authorize({ identity: { kind: 'key' } }, ROOM);
const reader = new MessageReader({ db });
const search = new Search({
  db,
  messages: reader,
  words: new WordIndex({ db, clock: systemClock, log: createLogger('silent') }),
});
const newest = await reader.page(room, { limit: 1 });
const end = newest.messages[0]?.seq ?? 0;

const asked: { text: string; params: unknown[] }[] = [];
const { session } = db as unknown as {
  session: { client: { unsafe(text: string, params: unknown[]): unknown } };
};
const { unsafe } = session.client;
session.client.unsafe = function spy(text, params) {
  asked.push({ text, params });
  return unsafe.call(this, text, params);
};

const questions: [what: string, ask: () => Promise<unknown>][] = [
  ['The first page', () => reader.page(room, { limit: 50 })],
  ['The 10,000th page', () => reader.page(room, { before: end - 9999 * 50 + 1, limit: 50 })],
  ['A resume in the middle', () => reader.changes(room, { after: end / 2, limit: 500 })],
  ['A search for a common word', () => search.find(room, 'w1', { limit: 50 }, [''])],
  ['A search for a rare word', () => search.find(room, 'w2000', { limit: 50 }, [''])],
];

for (const [what, ask] of questions) {
  asked.length = 0;
  await ask();
  console.log(`\n${what}\n`);
  for (const { text, params } of [...asked]) {
    const literal = (value: unknown) =>
      typeof value === 'number' ? `${value}` : `'${String(value).replaceAll("'", "''")}'`;
    const whole = text.replace(/\$(\d+)/g, (_, n) => literal(params[n - 1]));
    const plan = await rows<{ 'QUERY PLAN': string }>(
      db,
      sql.raw(`explain (analyze, costs off, timing off) ${whole}`),
    );
    console.log(plan.map((row) => `    ${row['QUERY PLAN']}`).join('\n'), '\n');
  }
}
await close();
process.exit();
