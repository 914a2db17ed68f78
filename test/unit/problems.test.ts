import { expect, test } from 'bun:test';
import { Elysia } from 'elysia';
import { problems } from '../../src/http/plugins/problems.ts';
import type { Logger } from '../../src/log.ts';

test('a fault is logged with its route and its reason, and with nothing of its URL', async () => {
  const lines: object[] = [];
  const log = { error: (fields: object) => lines.push(fields) } as unknown as Logger;
  const app = new Elysia().use(problems(log, [])).get('/users/:username', () => {
    throw new Error('it broke');
  });
  const reply = await app.handle(new Request('http://localhost/users/secret?token=secret'));
  expect(reply.status).toBe(500);
  expect(await reply.text()).not.toContain('it broke');
  expect(lines).toMatchObject([{ method: 'GET', route: '/users/:username', reason: 'it broke' }]);
  expect(JSON.stringify(lines)).not.toContain('secret');
});
