import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { ChatClient, ChatError } from '../../client/index.ts';
import { openDatabase } from '../../src/db/index.ts';
import { startServer } from '../support/server.ts';

const read = (path: string) =>
  readFileSync(new URL(`../../client/${path}`, import.meta.url), 'utf8');
const readme = read('README.md');

test('the README of the client names every option, event and method', () => {
  const namesIn = (text: string, start: string) => {
    const body = text.slice(text.indexOf(start)).split('\n}')[0] ?? '';
    return [...body.matchAll(/^ {2}(?:readonly )?(?:async )?(\w+)[?:(]/gm)].map(
      ([, name]) => name as string,
    );
  };
  const named = [
    ...namesIn(read('options.ts'), 'export interface ChatOptions'),
    ...namesIn(read('room-types.ts'), 'export interface RoomEvents'),
    ...namesIn(read('chat.ts'), 'export interface ChatEvents'),
    ...namesIn(read('room.ts'), 'export class Room'),
    ...namesIn(read('api.ts'), 'export class Api').filter((name) => name !== 'constructor'),
  ];
  expect(named.length).toBeGreaterThan(50);
  expect(
    named.filter((name) => !readme.includes(`\`${name}`) && !readme.includes(`\`${name}(`)),
  ).toEqual([]);
});

test('the examples in the README of the client work, one block after the other', async () => {
  const database = await openDatabase({ dataDir: 'memory' });
  const server = await startServer({}, { database });
  await server.post('/users', { username: 'bot' });
  const blocks = [...readme.matchAll(/```js\n(.*?)```/gs)].map(([, block]) => block as string);
  expect(blocks.length).toBeGreaterThan(4);
  const script = blocks
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
