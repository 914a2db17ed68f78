import { expect, test } from 'bun:test';
import { startServer } from '../support/server.ts';

const server = await startServer();

test('names have only visible characters', async () => {
  for (const invisible of [
    '\u{16FE4}',
    '\u{13440}',
    '\u{1BC9D}',
    '\u2D7F',
    '\u{1107F}',
    '\u3164',
    '\u034f',
    '\u180f',
  ]) {
    const reply = await server.post('/users', { username: `ana${invisible}` });
    expect({ invisible, status: reply.status }).toEqual({ invisible, status: 400 });
  }
  for (const name of ['ကျော်', 'ភាសា', 'é\u0323', 'नमस्ते', '김철수']) {
    expect((await server.post('/users', { username: name })).status).toBeWithin(200, 202);
  }
});
