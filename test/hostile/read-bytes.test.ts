import { expect } from 'bun:test';
import { MAX_PAGE_BYTES } from '../../src/protocol/frames.ts';
import { Client } from '../support/client.ts';
import { cuttableProxy } from '../support/cuttable-proxy.ts';
import { API_KEY } from '../support/people.ts';
import { startReady } from '../support/process.ts';
import { freshPostgres, testWithPostgres } from '../support/services.ts';

const MESSAGES = 60;
/** About 36 KB. */
const LARGE = { content: `@victim ${'x'.repeat(3990)}`, data: { text: 'x'.repeat(32_000) } };

testWithPostgres(
  'reads from the database are bounded, however much a request or a frame asks for',
  async () => {
    const line = await cuttableProxy(await freshPostgres());
    const server = await startReady({ DATABASE_URL: line.url, API_KEY });
    /** The bytes between server and database meanwhile. */
    const bytesOf = async (act: () => Promise<unknown>) => {
      const before = line.bytes();
      await act();
      return line.bytes() - before;
    };
    const headers = { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' };
    const ask = async (path: string, init: RequestInit = {}) => {
      const reply = await fetch(server.url + path, { ...init, headers });
      const text = await reply.text();
      expect({ path, status: reply.status }).toEqual({ path, status: init.method ? 201 : 200 });
      return JSON.parse(text);
    };
    const join = async (username: string, room: string, more = {}) => {
      const client = await Client.connect(server.ws);
      client.send({ type: 'join', username, room, protocol: 1, ...more });
      return client;
    };

    await ask('/users', { method: 'POST', body: '{"username":"victim"}' });
    const writer = await join('writer', 'large');
    await writer.untilType('joined');
    for (let n = 0; n < MESSAGES; n++) {
      writer.send({ type: 'message', room: 'large', ...LARGE, id: `${n}` });
      await writer.untilType('ack');
    }
    for (let n = 0; n < 20; n++) {
      writer.send({ type: 'join', username: 'writer', room: `own-${n}`, protocol: 1 });
      await writer.untilType('joined');
      writer.send({ type: 'message', room: `own-${n}`, ...LARGE, content: 'hi', id: 'm' });
      await writer.untilType('ack');
    }
    await writer.close();

    // The words of new messages are read once, by the first search at the latest.
    await ask('/messages/search?room=large&q=victim&limit=1');
    for (const path of [
      '/messages?room=large&limit=100',
      '/messages?room=large&limit=100&after=0',
      '/messages/search?room=large&q=victim&limit=100',
      '/notifications?username=victim&limit=100',
      '/me/rooms?username=writer&limit=100',
    ]) {
      const bytes = await bytesOf(async () => expect(await ask(path)).not.toHaveLength(0));
      expect({ path, isWithin: bytes < MAX_PAGE_BYTES + 64 * 1024 }).toEqual({
        path,
        isWithin: true,
      });
    }
    const since = await bytesOf(async () => {
      const client = await join('reader', 'large', { since: 0 });
      expect((await client.untilType('joined')).messages).not.toHaveLength(0);
      await client.close();
    });
    // The latest changes of the room are read too, and those before them, for all who join it.
    expect(since).toBeLessThan(3 * MAX_PAGE_BYTES + 64 * 1024);

    const repeater = await join('writer', 'large', { since: '$' });
    await repeater.untilType('joined');
    const conflicts = await bytesOf(async () => {
      for (let n = 0; n < MESSAGES; n++) {
        repeater.send({ type: 'message', room: 'large', content: 'short', id: `${n}` });
      }
      for (let n = 0; n < MESSAGES; n++) {
        expect((await repeater.untilType('error')).code).toBe('conflict');
      }
    });
    expect(conflicts).toBeLessThan(MAX_PAGE_BYTES / 2);
    await repeater.close();
  },
  120_000,
);
