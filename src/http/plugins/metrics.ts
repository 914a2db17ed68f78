import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { Bus } from '../../bus/bus.ts';

/** The parts that a scrape reads. */
export interface Measured {
  gateway: { size: number };
  live: { hub: { size: number }; presence: { size: number } };
  /** Undefined without `REDIS_URL`. */
  isConnected: (() => boolean) | undefined;
}

/** The metrics of the process, shared by all servers in it. */
let ofProcess: Registry | undefined;

/** @returns a function that renders the metrics in Prometheus' text format */
export function createMetrics(
  { gateway, live, isConnected }: Measured,
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
  const doubts = new Counter({
    name: 'ws_chat_doubts_total',
    help: 'Resyncs from the database after the bus may have lost changes',
    registers,
  });
  bus.subscribe({
    messages: ({ messages }) => changes.inc(messages.length),
    resync: () => doubts.inc(),
    'server.lost': () => doubts.inc(),
  });
  return () => {
    if (!ofProcess) {
      ofProcess = new Registry();
      collectDefaultMetrics({ register: ofProcess });
    }
    return Registry.merge([ofProcess, registry]).metrics();
  };
}
