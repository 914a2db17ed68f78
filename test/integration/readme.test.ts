import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { openDatabase } from '../../src/db/index.ts';
import { startServer } from '../support/server.ts';
import { testWith } from '../support/services.ts';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
/** The blocks of one language that hold a word. */
const blocks = (language: string, word: string) =>
  [...readme.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 'gs'))]
    .map(([, block]) => block as string)
    .filter((block) => block.includes(word));

const testWithCurl = testWith('curl and bash', Boolean(Bun.which('curl') && Bun.which('bash')));

testWithCurl('what the README does with curl works, one after the other', async () => {
  // A database of its own: what the README makes accounts are guests elsewhere.
  const database = await openDatabase({ dataDir: 'memory' });
  const server = await startServer({}, { database });
  const script = blocks('sh', 'curl')
    .join('\n')
    .replaceAll('localhost:3000', new URL(server.url).host);
  expect(script.match(/^.*curl/gm)?.length).toBeGreaterThan(8);
  const child = Bun.spawn(['bash', '-e', '-c', `curl() { command curl -sSf "$@"; }\n${script}`], {
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const stderr = await new Response(child.stderr).text();
  expect({ code: await child.exited, stderr }).toEqual({ code: 0, stderr: '' });
  await server.stop();
  await database.close();
});

test('the frames of protocol 1 that the README shows are taken, one after the other', async () => {
  // Of its own, in which the first message has the id 1.
  const database = await openDatabase({ dataDir: 'memory' });
  const server = await startServer({}, { database });
  await server.post('/users', { username: 'ben' });
  const client = await server.enter('ana', 'general');
  const [frames = ''] = blocks('json', '"react"');
  const sent = frames.trim().split('\n');
  expect(sent.length).toBeGreaterThan(6);
  for (const frame of sent) {
    client.send(frame);
    await client.settle();
  }
  const errors = client.received.filter(({ type }) => type === 'error');
  // Those that settling waits for.
  expect(errors).toHaveLength(sent.length);
  const types = new Set(client.received.map(({ type }) => type));
  expect([...types].sort()).toEqual(['ack', 'error', 'joined', 'message', 'update']);
  await server.stop();
  await database.close();
});

test('the frames that the README shows are taken', async () => {
  const server = await startServer();
  const client = await server.connect();
  const [frames = ''] = blocks('json', '"leave"');
  for (const line of frames.trim().split('\n')) client.send(line);
  await client.settle();
  const types = client.received.map(({ type }) => type);
  expect(types).toEqual(expect.arrayContaining(['system', 'message', 'ack']));
  // The one error is the answer that settling waits for.
  expect(client.received.filter(({ type }) => type === 'error')).toHaveLength(1);
});
