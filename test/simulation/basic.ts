import type { ServerFrame } from '../../src/protocol/frames.ts';
import { Client, type Person } from './client.ts';
import type { Server } from './server.ts';
import type { World } from './world.ts';

/** A client of protocol 0, in one room, which only receives messages. */
export class Basic extends Client {
  /** The messages of this connection, by id. */
  shown = new Map<number, { seq: number; content: string }>();
  isJoined = false;

  constructor(
    world: World,
    name: string,
    person: Person,
    servers: Server[],
    readonly room: string,
  ) {
    super(world, name, person, servers);
  }

  protected opened(): void {
    this.shown = new Map();
    this.isJoined = false;
    this.#join();
  }

  protected closed(): void {
    this.isJoined = false;
  }

  #join(): void {
    const { name } = this.person;
    this.ask({ type: 'join', username: name, room: this.room });
  }

  protected handle(frame: ServerFrame): void {
    if (frame.type === 'system' && frame.event === 'welcome') {
      this.isJoined = true;
      this.shown = new Map();
    }
    if (frame.type === 'error') {
      this.isJoined = false;
      this.world.after(this.world.between(1000, 5000), () => {
        if (this.line && !this.isJoined) this.#join();
      });
    }
    if (!['message', 'system', 'error', 'pong', 'ack'].includes(frame.type)) {
      this.accuse(`protocol 0 got ${frame.type}`);
    }
    if (frame.type !== 'message') return;
    const { id, seq, content } = frame as { id: number; seq: number; content: string };
    if (this.shown.has(id)) this.accuse(`message ${id} is shown twice`);
    this.shown.set(id, { seq, content });
  }
}
