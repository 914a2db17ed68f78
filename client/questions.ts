import { ChatError } from './error.ts';
import type { ServerFrame } from './protocol.ts';

/** Is called with what the server says against it; with nothing when the connection was lost. */
export type Refuse = (error?: ChatError) => void;

interface Question {
  askedAt: number;
  reply(frame: never): void;
  refuse: Refuse;
}

/** The frames that wait for an answer with their id. */
export class Questions {
  readonly #open = new Map<unknown, Question>();

  add(id: string, question: Question): void {
    this.#open.set(id, question);
  }

  /** @returns whether the frame answers one of them, which is told within this turn */
  answer(frame: ServerFrame & { id?: unknown }): boolean {
    const question = this.#open.get(frame.id);
    if (!question) return false;
    this.#open.delete(frame.id);
    if (frame.type !== 'error') question.reply(frame as never);
    else question.refuse(new ChatError(frame.code, frame.content, frame.retryAfter));
    return true;
  }

  /** Whether one was asked before this time. */
  isOverdue(before: number): boolean {
    return [...this.#open.values()].some(({ askedAt }) => askedAt < before);
  }

  /** No answer will come. */
  lost(): void {
    const lost = [...this.#open.values()];
    this.#open.clear();
    for (const { refuse } of lost) refuse();
  }
}
