import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { Bus } from '../bus/bus.ts';

/** What is looked at when the metrics are asked for. */
export interface Measured {
  connections(): number;
  rooms(): number;
  people(): number;
  /** Undefined without `REDIS_URL`. */
  isConnected: (() => boolean) | undefined;
}

/** What is known of the process, whoever asks first. */
let ofProcess: Registry | undefined;

/** @returns what writes the metrics in Prometheus' text format */
export function createMetrics(measured: Measured, bus: Bus): () => Promise<string> {
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
  gauge('connections', 'Open WebSockets on this server', measured.connections);
  gauge('rooms', 'Rooms that someone on this server is in', measured.rooms);
  gauge('people', 'Users who are in a room, on any server', measured.people);
  const { isConnected } = measured;
  if (isConnected) {
    gauge(
      'redis_up',
      '1 while what happens here reaches the other servers, and the other way',
      () => Number(isConnected()),
    );
  }
  const changes = new Counter({
    name: 'ws_chat_changes_total',
    help: 'Messages, edits, deletions and reactions that were stored, by whichever server',
    registers,
  });
  const doubts = new Counter({
    name: 'ws_chat_doubts_total',
    help: 'How often the database was asked for what the bus may not have brought',
    registers,
  });
  bus.subscribe((event) => {
    if (event.kind === 'messages') changes.inc(event.messages.length);
    if (event.kind === 'doubt' || event.kind === 'lost') doubts.inc();
  });
  return () => {
    if (!ofProcess) {
      ofProcess = new Registry();
      collectDefaultMetrics({ register: ofProcess });
    }
    return Registry.merge([ofProcess, registry]).metrics();
  };
}
