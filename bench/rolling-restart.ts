/**
 * Two servers behind the nginx of examples/, restarted one after the other under load: the longest time
 * in which each client received nothing, beside the same without a restart.
 */
import { freePort } from '../test/support/free-port.ts';
import { nginx, startNginx } from '../test/support/nginx.ts';
import { Roamer } from '../test/support/roamer.ts';
import type { Result } from './result.ts';
import { redisUrl, startServer, withDatabase } from './support.ts';

const CLIENTS = 100;
const MESSAGES_PER_SECOND = 100;
const QUIET_SECONDS = 5;

export async function rollingRestart(): Promise<Result[]> {
  if (!nginx) {
    console.warn('rolling-restart is left out: there is no nginx here');
    return [];
  }
  return withDatabase(async (url) => {
    const ports: [number, number] = [await freePort(), await freePort()];
    const shared = {
      DATABASE_URL: url,
      REDIS_URL: redisUrl,
      AUTH_SECRET: crypto.randomUUID(),
      TRUST_PROXY: '127.0.0.1/32',
    };
    const start = (port: number) => startServer({ ...shared, PORT: `${port}` });
    const servers = await Promise.all(ports.map(start));
    const proxy = await startNginx(ports);
    const clients = Array.from(
      { length: CLIENTS },
      (_, n) => new Roamer(proxy.ws, `client${n}`, 'general'),
    );
    const until = async (holds: () => boolean) => {
      while (!holds()) await Bun.sleep(10);
    };
    const allLive = () => clients.every(({ isLive }) => isLive);
    await until(allLive);
    let isOver = false;
    const talking = (async () => {
      for (let n = 0; !isOver; n++) {
        clients[n % CLIENTS]?.say(`message ${n}`);
        await Bun.sleep(1000 / MESSAGES_PER_SECOND);
      }
    })();
    const listen = () => {
      for (const client of clients) client.listen();
    };
    const silences = () =>
      clients.map(({ longestSilence }) => longestSilence).sort((a, b) => a - b);

    listen();
    await Bun.sleep(QUIET_SECONDS * 1000);
    const quiet = silences();
    listen();
    for (const [n, server] of servers.entries()) {
      await server.stop();
      servers[n] = await start(ports[n] as number);
      await until(allLive);
    }
    await Bun.sleep(1000);
    const restarted = silences();
    isOver = true;
    await talking;
    await until(() => clients.every(({ unacked }) => unacked === 0));
    const newest = Math.max(...clients.map(({ rev }) => rev));
    await until(() => clients.every(({ rev }) => rev === newest));

    const breaches = clients.flatMap((client) => client.breaches);
    const acked = clients.reduce((sum, client) => sum + client.acked.size, 0);
    const lost = Math.max(...clients.map(({ seen }) => acked - seen.size));
    console.log(`${acked} messages acknowledged, ${lost} lost`, ...breaches);
    for (const client of clients) client.stop();
    await proxy.stop();
    for (const { stop } of servers) await stop();
    const at = (p: number, sorted: number[]) => sorted[Math.floor((CLIENTS - 1) * p)] as number;
    return [0.5, 1].map((p) => ({
      what: `ms of silence over a rolling restart, ${p === 1 ? 'the longest of all clients' : 'median of the clients’ longest'}`,
      value: at(p, restarted),
      peer: at(p, quiet),
      peerName: 'no restart',
      aim: '< 1000 ms',
    }));
  });
}
