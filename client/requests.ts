import { ChatError } from './error.ts';
import type { ServerFrame } from './protocol.ts';

/** Is called with the server's error, or without one when the connection is lost. */
export type Refuse = (error?: ChatError) => void;

interface PendingRequest {
  askedAt: number;
  reply(frame: never): void;
  refuse: Refuse;
}

/** The frames that wait for answers, by id. */
export class PendingRequests {
  readonly #open = new Map<unknown, PendingRequest>();

  add(id: string, request: PendingRequest): void {
    this.#open.set(id, request);
  }

  /** Handles a frame that is an answer. @returns whether it is one */
  answer(frame: ServerFrame & { id?: unknown }): boolean {
    const request = this.#open.get(frame.id);
    if (!request) return false;
    this.#open.delete(frame.id);
    if (frame.type !== 'error') request.reply(frame as never);
    else request.refuse(new ChatError(frame.code, frame.content, frame.retryAfter));
    return true;
  }

  /** Whether one was sent before a time. */
  isOverdue(before: number): boolean {
    return [...this.#open.values()].some(({ askedAt }) => askedAt < before);
  }

  /** Refuses all: the connection is lost. */
  lost(): void {
    const lost = [...this.#open.values()];
    this.#open.clear();
    for (const { refuse } of lost) refuse();
  }
}
