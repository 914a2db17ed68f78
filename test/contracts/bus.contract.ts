import { afterAll, beforeAll, expect } from 'bun:test';
import type { Bus, BusEvent } from '../../src/bus/bus.ts';
import type { Room } from '../../src/protocol/room.ts';
import { ROOM } from '../support/room.ts';
import type { testWith } from '../support/services.ts';

/** Something on the bus that says only which it is; all of them stay in order. */
export function note(n: number): BusEvent & { room: Room } {
  return { kind: 'room.deleted', room: { ...ROOM, name: `${n}` } };
}

/** The kinds of events that these tests are about. */
const KINDS = ['room.deleted', 'messages', 'resync', 'server.lost'] as const;

/** Keeps the events that it gets until it is asked for them. */
export class Listener {
  readonly heard: BusEvent[] = [];
  #wake = () => {};
  readonly stop: () => void;

  constructor(bus: Bus) {
    const hear = (event: BusEvent) => {
      this.heard.push(event);
      this.#wake();
    };
    this.stop = bus.subscribe(Object.fromEntries(KINDS.map((kind) => [kind, hear])));
  }

  /** Returns once this holds of the events that came. */
  async until(holds: (heard: BusEvent[]) => boolean): Promise<void> {
    while (!holds(this.heard)) {
      await new Promise<void>((done) => {
        this.#wake = done;
      });
    }
  }

  /** The notes that were heard, by their numbers. */
  notes(): number[] {
    return this.heard.flatMap((event) =>
      event.kind === 'room.deleted' ? Number(event.room.name) : [],
    );
  }
}

export interface OpenBus {
  bus: Bus;
  close(): Promise<void>;
}

/** The guarantees of every bus, on one server and between servers that share it. */
export function busContract(open: () => Promise<OpenBus>, test: ReturnType<typeof testWith>) {
  let opened: OpenBus;
  beforeAll(async () => {
    opened = await open();
  });
  afterAll(() => opened?.close());

  test('publish returns once every listener has the event, in order', async () => {
    const { bus } = opened;
    const listeners = [new Listener(bus), new Listener(bus)];
    for (let n = 0; n < 100; n++) bus.publish(note(n));
    const all = Array.from({ length: 100 }, (_, n) => n);
    for (const listener of listeners) expect(listener.notes()).toEqual(all);
    for (const { stop } of listeners) stop();
  });

  test('an unsubscribed listener gets nothing more, the others do', async () => {
    const { bus } = opened;
    const [one, other] = [new Listener(bus), new Listener(bus)];
    bus.publish(note(1));
    one.stop();
    bus.publish(note(2));
    other.stop();
    expect([one.notes(), other.notes()]).toEqual([[1], [1, 2]]);
  });

  test('an event may be published while another is handled', async () => {
    const { bus } = opened;
    const listener = new Listener(bus);
    const stop = bus.subscribe({
      'room.deleted': ({ room }) => room.name === '1' && bus.publish(note(2)),
    });
    bus.publish(note(1));
    expect(listener.notes().toSorted()).toEqual([1, 2]);
    stop();
    listener.stop();
  });

  test('an arriving event is complete, and names its server', async () => {
    expect(opened.bus.isInSync).toBe(true);
    expect(opened.bus.server).toMatch(/^[0-9a-f-]{36}$/);
  });
}
