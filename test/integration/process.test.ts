import { describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { Client } from '../support/client.ts';
import { dataFolder, startProcess, startReady, temporaryFolder } from '../support/process.ts';
import { rawSocket } from '../support/raw-socket.ts';
import { freshPostgres, testWithPostgres } from '../support/services.ts';

describe('the server as a process', () => {
  const folder = temporaryFolder();
  const dataDir = join(folder, 'data');

  test('logs its address in one line, keeps messages over a restart, and exits with 0 on SIGTERM', async () => {
    const server = await startReady({ DATA_DIR: dataDir });
    const ana = await Client.connect(server.ws);
    ana.send({ type: 'join', username: 'ana' });
    ana.send({ type: 'message', content: 'kept', id: 'k1' });
    await ana.untilType('ack');
    server.kill('SIGTERM');
    expect(await ana.closed).toMatchObject({ code: 1012 });
    expect(await server.exited).toBe(0);
    const { stdout } = await server.output;
    expect(stdout.split('\n').filter((line) => line.includes('http://'))).toHaveLength(1);

    const again = await startReady({ DATA_DIR: dataDir });
    const [message] = await (await fetch(`${again.url}/messages`)).json();
    expect(message).toMatchObject({ content: 'kept', username: 'ana', seq: 1 });
    const { lastSeen } = await (await fetch(`${again.url}/users/ana`)).json();
    expect(Date.parse(lastSeen)).toBeGreaterThan(Date.now() - 60_000);
    again.kill('SIGINT');
    expect(await again.exited).toBe(0);
  });

  test('messages sent before SIGTERM are acknowledged or refused, and the acknowledged ones are stored', async () => {
    const server = await startReady({ DATA_DIR: dataDir });
    const ana = await Client.connect(server.ws);
    ana.send({ type: 'join', username: 'ana', room: 'stop' });
    for (let n = 0; n < 3000; n++) ana.send({ type: 'message', content: `${n}`, id: `${n}` });
    await ana.untilType('ack');
    server.kill('SIGTERM');
    expect(await ana.closed).toMatchObject({ code: 1012 });
    expect(await server.exited).toBe(0);
    const acked = ana.received.flatMap((frame) => (frame.type === 'ack' ? [frame.id] : []));

    const again = await startReady({ DATA_DIR: dataDir });
    const stored = await history(again.url, 'stop');
    expect(stored).toEqual([...new Set(stored)]);
    expect(acked.filter((id) => !stored.includes(id))).toEqual([]);
    again.kill('SIGTERM');
    await again.exited;
  });

  test('gives the reason when another server has its folder', async () => {
    const first = await startReady({ DATA_DIR: dataDir });
    const second = startProcess({ DATA_DIR: dataDir });
    expect(await second.exited).not.toBe(0);
    expect((await second.output).stderr).toMatch(
      /^[^\n]*DATA_DIR[^\n]*in use by another server \(process \d+\)[^\n]*\n$/,
    );
    expect((await fetch(`${first.url}/ready`)).status).toBe(200);
    first.kill('SIGTERM');
    expect(await first.exited).toBe(0);
  });

  test('compression, when it is on, is negotiated and changes no content', async () => {
    const server = await startReady({ DATA_DIR: await dataFolder(), COMPRESSION: 'on' });
    const browser = await rawSocket(server.url, ['Sec-WebSocket-Extensions: permessage-deflate']);
    expect(await browser.handshake).toContain('permessage-deflate');
    const ana = await Client.connect(server.ws);
    ana.send({ type: 'join', username: 'ana' });
    const content = 'hello '.repeat(500);
    ana.send({ type: 'message', content });
    expect(await ana.untilType('message')).toMatchObject({ content });
    server.kill('SIGTERM');
    expect(await server.exited).toBe(0);
  });
});

describe('a server a server killed in the middle of a load (delivery rule 1)', () => {
  const survives = async (settings: Record<string, string>) => {
    const server = await startReady(settings);
    const acked: string[] = [];
    const clients = await Promise.all(
      Array.from({ length: 8 }, async (_, c) => {
        const client = await Client.connect(server.ws);
        let sent = 0;
        const send = () => {
          client.send({ type: 'message', content: `${c}.${sent}`, id: `${c}.${sent}` });
          sent += 1;
        };
        client.socket.addEventListener('message', ({ data }) => {
          const frame = JSON.parse(data);
          if (frame.type !== 'ack') return;
          acked.push(frame.id);
          send();
        });
        client.send({ type: 'join', username: `user${c}`, room: 'load' });
        for (let n = 0; n < 20; n++) send();
        return client;
      }),
    );
    const [first] = clients;
    await first?.until(() => acked.length > 2000);
    server.kill('SIGKILL');
    await Promise.all(clients.map(({ closed }) => closed));
    await server.exited;

    const again = await startReady(settings);
    const stored = await history(again.url, 'load');
    expect(stored).toEqual([...new Set(stored)]);
    expect(acked.filter((id) => !stored.includes(id))).toEqual([]);
    // A stored message whose ack was lost is answered with its first ack.
    const unacked = stored.find((id) => !acked.includes(id)) ?? (stored.at(-1) as string);
    const back = await Client.connect(again.ws);
    back.send({ type: 'join', username: `user${unacked[0]}`, room: 'load' });
    back.send({ type: 'message', content: unacked, id: unacked });
    expect(await back.untilType('ack')).toMatchObject({ seq: stored.indexOf(unacked) + 1 });
    again.kill('SIGTERM');
    expect(await again.exited).toBe(0);
  };

  test('keeps every acknowledged message once in the embedded database', async () => {
    await survives({ DATA_DIR: await dataFolder() });
  });

  testWithPostgres('keeps every acknowledged message once in Postgres', async () => {
    await survives({ DATABASE_URL: await freshPostgres() });
  });
});

/** The contents of a room from the beginning; their `seq`s must be 1, 2, 3, … */
async function history(url: string, room: string): Promise<string[]> {
  const contents: string[] = [];
  for (;;) {
    const page = await (
      await fetch(`${url}/messages?room=${room}&limit=100&after=${contents.length}`)
    ).json();
    for (const { seq, content } of page) {
      contents.push(content);
      expect(seq).toBe(contents.length);
    }
    if (page.length < 100) return contents;
  }
}
