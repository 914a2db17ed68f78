import type { Room } from '../../client/index.ts';
import { Store } from './store.ts';

/** The key of the message that is being edited; and texts on their way back into the box. */
class Editing extends Store<string | undefined> {
  readonly #boxes = new Map<Room, (text: string) => void>();

  start(key: string): void {
    this.set(key);
  }

  stop(): void {
    this.set(undefined);
  }

  /** The box of a room takes texts back. @returns the function that ends it */
  onReturn(room: Room, take: (text: string) => void): () => void {
    this.#boxes.set(room, take);
    return () => void this.#boxes.delete(room);
  }

  /** A text that was refused goes back into the box. */
  giveBack(room: Room, text: string): void {
    this.#boxes.get(room)?.(text);
  }
}

export const editing = new Editing(undefined);
