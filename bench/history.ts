/**
 * Pages and searches in a room of ten million messages, beside the same in one of ten thousand, on one
 * Postgres. Making them takes minutes, so this runs only when it is named; `HISTORY_MESSAGES` makes it fewer.
 */
import { makeHistory, ROOM } from './history-maker.ts';
import type { Result } from './result.ts';
import { startServer, withDatabase } from './support.ts';

const MANY = Number(process.env.HISTORY_MESSAGES ?? 10_000_000);
const FEW = 10_000;
const PAGE = 50;
const ROUNDS = 300;

/** Requests for a room with a number of messages. */
const questions: [what: string, path: (messages: number) => string, aim: string][] = [
  ['the first page', () => `/messages?room=${ROOM}&limit=${PAGE}`, '≤ 2'],
  [
    `the 10,000th page (of the few: the 200th, which is the last)`,
    (messages) => {
      const pages = Math.min(10_000, messages / PAGE);
      return `/messages?room=${ROOM}&limit=${PAGE}&before=${messages - (pages - 1) * PAGE + 1}`;
    },
    '≤ 2',
  ],
  ['a search for a word in two messages of five', () => search('w1'), ''],
  ['a search for a word in one message of 100', () => search('w75'), ''],
  ['a search for a word in one message of 2,700', () => search('w2000'), ''],
  ['a search for two words, each in one message of 28', () => search('w20 w21'), ''],
  ['a search for a word that nobody has said', () => search('absent'), ''],
];

function search(words: string): string {
  return `/messages/search?room=${ROOM}&limit=${PAGE}&q=${encodeURIComponent(words)}`;
}

async function timed(url: string): Promise<number> {
  const start = performance.now();
  const response = await fetch(url);
  await response.arrayBuffer();
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return performance.now() - start;
}

const median = (times: number[]) => times.toSorted((a, b) => a - b)[times.length >> 1] as number;

export async function history(): Promise<Result[]> {
  return withDatabase((few) =>
    withDatabase(async (many) => {
      await makeHistory(few, FEW);
      console.log(`${MANY} messages made in ${Math.round(await makeHistory(many, MANY))} s`);
      const small = await startServer({ DATABASE_URL: few });
      const big = await startServer({ DATABASE_URL: many });
      const results: Result[] = [];
      for (const [what, path, aim] of questions) {
        const [times, peers]: [number[], number[]] = [[], []];
        // In turns, so that other load on the machine affects both.
        for (let round = 0; round < ROUNDS; round++) {
          times.push(await timed(big.http + path(MANY)));
          peers.push(await timed(small.http + path(FEW)));
        }
        const peerName = `ms, of ${FEW} messages`;
        results.push({
          what: `${what}, ms`,
          value: median(times),
          peer: median(peers),
          peerName,
          aim,
        });
      }
      await small.stop();
      await big.stop();
      return results;
    }),
  );
}
