import { expect, test } from 'bun:test';
import { visitor } from '../support/browser.ts';
import { Client } from '../support/client.ts';
import { dataFolder, startReady } from '../support/process.ts';

test('a browser’s EventSource misses nothing and gets nothing twice over a restart of the server', async () => {
  const dataDir = await dataFolder();
  let server = await startReady({ DATA_DIR: dataDir });
  const port = new URL(server.url).port;
  const say = async (from: number, to: number) => {
    const ana = await Client.connect(server.ws);
    ana.send({ type: 'join', username: 'ana', protocol: 1 });
    for (let n = from; n <= to; n++) ana.send({ type: 'message', content: `${n}`, id: `${n}` });
    for (let n = from; n <= to; n++) await ana.untilType('ack');
    await ana.close();
  };

  await say(1, 5);
  const { page } = await visitor('/test', server.url);
  await page.evaluate(`
    window.seen = [];
    window.source = new EventSource('/events?since=0');
    window.source.onmessage = ({ data }) => window.seen.push(JSON.parse(data).seq);
  `);
  const seen = (last: number) =>
    page.waitForFunction(
      (last) => (globalThis as unknown as { seen: number[] }).seen.at(-1) === last,
      last,
      { timeout: 20_000 },
    );
  await seen(5);
  await say(6, 50);
  await seen(50);

  server.kill('SIGKILL');
  await server.exited;
  server = await startReady({ DATA_DIR: dataDir, PORT: port });
  await say(51, 700);
  await seen(700);
  server.kill('SIGTERM');
  await server.exited;
  server = await startReady({ DATA_DIR: dataDir, PORT: port });
  await say(701, 710);
  await seen(710);
  expect(await page.evaluate('window.seen')).toEqual(Array.from({ length: 710 }, (_, n) => n + 1));
}, 90_000);
