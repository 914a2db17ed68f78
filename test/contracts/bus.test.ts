import { describe, expect, test } from 'bun:test';
import { RedisClient } from 'bun';
import type { BusEvent } from '../../src/bus/bus.ts';
import { MemoryBus } from '../../src/bus/memory.ts';
import { RedisStreams } from '../../src/bus/redis/streams.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { systemIds } from '../../src/lib/ids.ts';
import { createLogger } from '../../src/log.ts';
import type { StoredMessage } from '../../src/protocol/message.ts';
import { cuttableProxy } from '../support/cuttable-proxy.ts';
import { hasOwnRedis, ownRedis, testWithOwnRedis } from '../support/own-services.ts';
import { until } from '../support/until.ts';
import { busContract, Listener, note } from './bus.contract.ts';

describe('the bus in memory', () => {
  busContract(async () => ({ bus: new MemoryBus(), close: async () => {} }), test);
});

/** Of this file's own, so that what other tests do to theirs is not felt here. */
const url = hasOwnRedis ? (await ownRedis()).url : '';

const log = createLogger('silent');

async function join(url: string, cluster: string) {
  const roll = { say: async () => {}, all: async () => [] };
  const bus = new RedisStreams({ roll, clock: systemClock, ids: systemIds, log, url, cluster });
  const others = await bus.start();
  return { bus, others, listener: new Listener(bus), close: () => bus.close() };
}

function message(n: number, content: string): StoredMessage {
  const createdAt = new Date().toISOString();
  const who = { userId: 1, username: 'ana', content, createdAt };
  return { id: n, room: 'general', seq: n + 1, rev: n + 1, ...who };
}

const isDoubt = (event: BusEvent) => event.kind === 'resync' && !event.roomIds;

describe('the bus over Redis Streams', () => {
  busContract(async () => join(url, 'contract'), testWithOwnRedis);

  testWithOwnRedis(
    'brings what one server publishes to the others, once and in order',
    async () => {
      const servers = [
        await join(url, 'three'),
        await join(url, 'three'),
        await join(url, 'three'),
      ];
      expect(servers.map(({ others }) => others.length)).toEqual([0, 1, 2]);
      for (let n = 0; n < 500; n++) servers[0]?.bus.publish(note(n));
      for (const { listener } of servers) {
        await listener.until(() => listener.notes().length >= 500);
        expect(listener.notes()).toEqual(Array.from({ length: 500 }, (_, n) => n));
      }
      for (const { close } of servers) await close();
    },
  );

  testWithOwnRedis('leaves nothing in Redis for ever', async () => {
    const own = await ownRedis();
    const { bus, close } = await join(own.url, 'expiry');
    for (let n = 1; n <= 8; n++) bus.publish({ kind: 'resync', roomIds: [n] });
    bus.publish(note(1));
    const client = new RedisClient(own.url);
    const lasting = async () => {
      const keys = (await client.send('KEYS', ['ws-chat:expiry:[0-7]'])) as string[];
      const left = await Promise.all(keys.map((key) => client.send('TTL', [key])));
      return keys.length === 0 || left.some((seconds) => (seconds as number) < 0);
    };
    await until('the keys expire', async () => !(await lasting()));
    await close();
    expect(await client.send('ZCARD', ['ws-chat:expiry:servers'])).toBe(0);
    client.close();
  });

  testWithOwnRedis('keeps servers of different databases apart', async () => {
    const [one, other, another] = [
      await join(url, 'one'),
      await join(url, 'other'),
      await join(url, 'other'),
    ];
    one.bus.publish(note(1));
    another.bus.publish(note(2));
    await other.listener.until(() => other.listener.notes().length > 0);
    expect([one.listener.notes(), other.listener.notes()]).toEqual([[1], [2]]);
    for (const { close } of [one, other, another]) await close();
  });

  testWithOwnRedis('a message of any size arrives complete', async () => {
    const [one, other] = [await join(url, 'size'), await join(url, 'size')];
    const messages = Array.from({ length: 50 }, (_, n) => message(n, 'é'.repeat(20_000)));
    const { room } = note(1);
    one.bus.publish({ kind: 'messages', room, messages });
    const taken = () =>
      other.listener.heard.flatMap((e) => (e.kind === 'messages' ? e.messages : []));
    await other.listener.until(() => taken().length === 50);
    expect(taken()).toEqual(messages);
    for (const { close } of [one, other]) await close();
  });

  testWithOwnRedis(
    'a reader whose connection was cut continues from its cursor, after a resync',
    async () => {
      const proxy = await cuttableProxy(url);
      const [one, other] = [await join(url, 'cut'), await join(proxy.url, 'cut')];
      one.bus.publish(note(1));
      await other.listener.until(() => other.listener.notes().length === 1);
      proxy.cut();
      for (let n = 2; n < 50; n++) one.bus.publish(note(n));
      await proxy.mend();
      await other.listener.until(() => other.listener.notes().length === 49);
      expect(other.listener.notes()).toEqual(Array.from({ length: 49 }, (_, n) => n + 1));
      expect(other.listener.heard.some(isDoubt)).toBe(true);
      for (const { close } of [one, other]) await close();
    },
  );

  testWithOwnRedis('events that could not be published make the other servers resync', async () => {
    const proxy = await cuttableProxy(url);
    const [one, other] = [await join(url, 'owed'), await join(proxy.url, 'owed')];
    proxy.cut();
    await until('Redis is away', () => !other.bus.isConnected);
    other.bus.publish(note(1));
    expect(other.listener.notes()).toEqual([1]);
    await proxy.mend();
    await one.listener.until((heard) => heard.some(isDoubt));
    expect(one.listener.notes()).toEqual([]);
    for (const { close } of [one, other]) await close();
  });

  testWithOwnRedis('a reader that falls behind the length of a stream resyncs', async () => {
    const proxy = await cuttableProxy(url);
    const [one, witness] = [await join(url, 'behind'), await join(url, 'behind')];
    const other = await join(proxy.url, 'behind');
    proxy.cut();
    for (let n = 1; n <= 3000; n++) one.bus.publish(note(n));
    await witness.listener.until(() => witness.listener.notes().at(-1) === 3000);
    await proxy.mend();
    await other.listener.until(() => other.listener.notes().at(-1) === 3000);
    expect(other.listener.notes().length).toBeLessThan(3000);
    expect(other.listener.heard.filter(isDoubt).length).toBeGreaterThan(1);
    for (const { close } of [one, witness, other]) await close();
  });

  testWithOwnRedis(
    'events that a slow Redis does not accept make the other servers resync, and do not pile up',
    async () => {
      const own = await ownRedis();
      const [one, other] = [await join(own.url, 'slow'), await join(own.url, 'slow')];
      const { room } = note(1);
      own.pause();
      for (let n = 1; n <= 1000; n++) {
        one.bus.publish({ kind: 'messages', room, messages: [message(n, 'x'.repeat(60_000))] });
      }
      own.resume();
      // A doubt may come before all that was taken: while Redis hung, too.
      const isTaken = ({ kind }: BusEvent) => kind === 'messages';
      await other.listener.until(
        (heard) => heard.some(isDoubt) && heard.filter(isTaken).length > 100,
      );
      const taken = other.listener.heard.flatMap((e) => (e.kind === 'messages' ? e.messages : []));
      expect(taken.map(({ id }) => id)).toEqual(Array.from(taken, (_, n) => n + 1));
      expect(taken.length).toBeWithin(100, 1000);
      for (const { close } of [one, other]) await close();
    },
  );

  testWithOwnRedis(
    'a Redis that hangs, dies or comes back empty is survived',
    async () => {
      const own = await ownRedis();
      const servers = [await join(own.url, 'down'), await join(own.url, 'down')];
      const [one, other] = servers as [(typeof servers)[0], (typeof servers)[0]];
      const both = async (isConnected: boolean) => {
        for (const { bus } of servers) {
          await until(`it is ${isConnected}`, () => bus.isConnected === isConnected, 30_000);
        }
      };
      let n = 0;
      for (const [harm, heal] of [
        [() => own.pause(), () => own.resume()],
        [() => own.kill(), () => own.start()],
      ] as const) {
        await both(true);
        for (const { listener } of servers) listener.heard.length = 0;
        await harm();
        await both(false);
        one.bus.publish(note(++n));
        expect(one.listener.notes()).toEqual([n]);
        await heal();
        for (const { listener } of servers) await listener.until((heard) => heard.some(isDoubt));
        await both(true);
        one.bus.publish(note(++n));
        await other.listener.until(() => other.listener.notes().at(-1) === n);
      }
      // Nobody was taken for dead.
      expect(servers.flatMap(({ listener }) => listener.heard).map((e) => e.kind)).not.toContain(
        'lost',
      );
      for (const { close } of servers) await close();
    },
    60_000,
  );

  testWithOwnRedis(
    'a server without heartbeats counts as lost, and is informed of that when it is back',
    async () => {
      const proxy = await cuttableProxy(url);
      const [one, other] = [await join(url, 'lost'), await join(proxy.url, 'lost')];
      proxy.cut();
      await one.listener.until((heard) => heard.some(({ kind }) => kind === 'server.lost'));
      expect(one.listener.heard.find(({ kind }) => kind === 'server.lost')).toMatchObject({
        server: other.bus.server,
      });
      other.listener.heard.length = 0;
      await proxy.mend();
      await other.listener.until((heard) => heard.some(isDoubt));
      for (const { close } of [one, other]) await close();
    },
  );
});
