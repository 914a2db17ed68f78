import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { ChatClient, ChatError } from '../../client/index.ts';
import { openDatabase } from '../../src/db/index.ts';
import { startServer } from '../support/server.ts';

const read = (path: string) =>
  readFileSync(new URL(`../../client/${path}`, import.meta.url), 'utf8');
const readme = read('README.md');

/** The members of an interface or a class, as the code has them. */
function membersOf(file: string, start: string): string[] {
  const code = read(file);
  const from = code.indexOf(start);
  expect(from).toBeGreaterThan(-1);
  const body = code.slice(from).split('\n}')[0] ?? '';
  return [...body.matchAll(/^ {2}(?:readonly |async |get )*(\w+)[?:(]/gm)].flatMap(
    ([, name = '']) => (name === 'constructor' ? [] : name),
  );
}

/** The rows of a table in the README, by its heading: the name that a row begins with, and the other cells. */
function rowsOf(heading: string): Map<string, string[]> {
  const [, body] = readme.split(new RegExp(`^\\| ${heading} +\\|.*\n.*\n`, 'm'));
  const rows = body?.split('\n\n')[0]?.trim().split('\n') ?? [];
  return new Map(
    rows.map((row) => {
      const [, first = '', ...cells] = row.split(/(?<!\\)\|/).map((cell) => cell.trim());
      return [first.replaceAll('`', ''), cells.slice(0, -1)];
    }),
  );
}

const examples = [...readme.matchAll(/```js\n(.*?)```/gs)].map(([, block]) => block as string);

test('the README of the client has every option, with its default, its meaning and an example that runs', () => {
  const options = membersOf('options.ts', 'export interface ChatOptions');
  const rows = rowsOf('option');
  expect([...rows.keys()]).toEqual(options);
  for (const [name, [standard, meaning]] of rows) {
    expect([name, standard]).not.toEqual([name, '']);
    expect([name, meaning]).not.toEqual([name, '']);
    expect(examples.join()).toMatch(new RegExp(`\\b${name}[:,]`));
  }
  const [backoff = ''] = rows.get('backoff') ?? [];
  for (const name of membersOf('backoff.ts', 'export interface Backoff')) {
    expect(backoff).toContain(`${name}:`);
  }
  for (const name of membersOf('room-types.ts', 'export interface RoomOptions')) {
    expect(readme).toMatch(new RegExp(`\`${name}\` \\(default: `));
    expect(examples.join()).toContain(`{ ${name}:`);
  }
});

test.each([
  ['a client', 'chat', 'chat.ts', 'export interface ChatEvents'],
  ['a room', 'room', 'room-types.ts', 'export interface RoomEvents'],
])(
  'the README of the client has every event of %s, with an example that runs',
  (of, name, file, start) => {
    const rows = rowsOf(`event of ${of}`);
    const events = membersOf(file, start);
    expect([...rows.keys()].sort()).toEqual(events.sort());
    for (const [event, [meaning]] of rows) {
      expect([event, meaning]).not.toEqual([event, '']);
      expect(examples.join()).toContain(`${name}.on('${event}', `);
    }
  },
);

test('the README of the client has every method', () => {
  const methods = [
    ...membersOf('room.ts', 'export class Room'),
    ...membersOf('notifications.ts', 'export class Notifications').filter(
      (name) => name !== 'listened',
    ),
    ...membersOf('api.ts', 'export class Api'),
    ...['room', 'direct', 'connect', 'close', 'api', 'status', 'username', 'rooms'],
  ];
  expect(methods.length).toBeGreaterThan(40);
  expect(
    methods.filter((name) => !new RegExp(`\`[^\`]*\\b${name}\\b[^\`]*\``).test(readme)),
  ).toEqual([]);
});

test('every option and event of the client has a docstring, and every option its default', () => {
  for (const [file, start] of [
    ['options.ts', 'export interface ChatOptions'],
    ['backoff.ts', 'export interface Backoff'],
    ['room-types.ts', 'export interface RoomOptions'],
    ['room-types.ts', 'export interface RoomEvents'],
    ['chat.ts', 'export interface ChatEvents'],
  ] as const) {
    const body = read(file).split(start)[1]?.split('\n}')[0] ?? '';
    const documented = [...body.matchAll(/\/\*\*((?:(?!\*\/).)*)\*\/\s+(\w+)\??:/gs)];
    expect(documented.map(([, , name]) => name as string)).toEqual(membersOf(file, start));
    if (start.includes('Events')) continue;
    for (const [, text = '', name] of documented)
      expect([name, text]).toEqual([name, expect.stringMatching(/Default: /)]);
  }
});

test('the examples in the README of the client work, one block after the other', async () => {
  const database = await openDatabase({ dataDir: 'memory' });
  const server = await startServer({}, { database });
  await server.post('/users', { username: 'bot' });
  expect(examples.length).toBeGreaterThan(4);
  const script = examples
    .join('\n')
    .replace(/^import .*$/m, '')
    .replaceAll('http://localhost:3000', server.url);
  const errors: unknown[] = [];
  const log = { log: () => {}, error: (error: unknown) => errors.push(error) };
  const run = new Function(
    'ChatClient',
    'console',
    `return (async () => { ${script}\nreturn { chat, room }; })();`,
  );
  const { chat, room } = await run(ChatClient, log);
  expect(room.messages.map(({ content }: { content: string }) => content)).toEqual([
    'hi',
    '',
    'yours',
  ]);
  expect(chat.direct('bot').messages).toHaveLength(1);
  expect(errors).toEqual([]);
  expect(new ChatError('closed', 'why')).toMatchObject({ code: 'closed', message: 'why' });
  chat.close();
  await server.stop();
  await database.close();
}, 60_000);
