import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { Bus } from '../../bus/bus.ts';
import type { Clock } from '../../lib/clock.ts';
import { Histogram } from './histogram.ts';

/** The parts that a scrape reads. */
export interface Measured {
  gateway: { size: number; onAck(listener: (ms: number) => void): void };
  clock: Clock;
  live: { hub: { size: number }; presence: { size: number } };
  /** Undefined without `REDIS_URL`. */
  isConnected: (() => boolean) | undefined;
}

/** The metrics of the process, shared by all servers in it. */
let ofProcess: Registry | undefined;

/** @returns a function that renders the metrics in Prometheus' text format */
export function createMetrics(
  { gateway, live, clock, isConnected }: Measured,
  bus: Bus,
): () => Promise<string> {
  const registry = new Registry();
  const registers = [registry];
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      name: `ws_chat_${name}`,
      help,
      registers,
      collect() {
        this.set(value());
      },
    });
  gauge('connections', 'Open WebSockets on this server', () => gateway.size);
  gauge('rooms', 'Rooms with connections on this server', () => live.hub.size);
  gauge('people', 'Users in rooms, over all servers', () => live.presence.size);
  if (isConnected) {
    gauge('redis_up', '1 while this server exchanges changes with the others over Redis', () =>
      Number(isConnected()),
    );
  }
  const changes = new Counter({
    name: 'ws_chat_changes_total',
    help: 'Messages, edits, deletions and reactions stored by any server',
    registers,
  });
  const resyncs = new Counter({
    name: 'ws_chat_doubts_total',
    help: 'Resyncs from the database after the bus may have lost changes',
    registers,
  });
  const histogram = (name: string, help: string) =>
    new Histogram(`ws_chat_${name}_seconds`, help).register(registry);
  const acks = histogram(
    'ack',
    'From the arrival of a message over a WebSocket to its ack, the commit included',
  );
  const deliveries = histogram(
    'delivery',
    'From the timestamp of a message, which the database draws in its commit, to its delivery by this server',
  );
  gateway.onAck((ms) => acks.observe(ms / 1000));
  // Parts that show messages have subscribed before this one, and have shown them when it is called.
  bus.subscribe({
    messages: ({ messages }) => {
      changes.inc(messages.length);
      const now = clock.now();
      // Messages that were committed together have one time.
      let at: string | undefined;
      let delay = 0;
      for (const { createdAt, seq, rev } of messages) {
        if (seq !== rev) continue;
        if (createdAt !== at) delay = Math.max(0, now - Date.parse(createdAt)) / 1000;
        at = createdAt;
        deliveries.observe(delay);
      }
    },
    resync: () => resyncs.inc(),
    'server.lost': () => resyncs.inc(),
  });
  return () => {
    if (!ofProcess) {
      ofProcess = new Registry();
      collectDefaultMetrics({ register: ofProcess });
    }
    return Registry.merge([ofProcess, registry]).metrics();
  };
}
