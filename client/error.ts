import type { ErrorCode } from './protocol.ts';

/**
 * What went wrong: a code of the server, or one of the library's own.
 *
 * - `closed`: the client was closed, or the room was left
 * - `listener`: a listener of the application threw
 * - `protocol`: the server sent what it must not; the library resumes from there
 * - `store`: the store of unsent messages failed; they are still sent from memory
 */
export type ChatErrorCode = ErrorCode | 'closed' | 'listener' | 'protocol' | 'store';

/** Why something could not be done, in a sentence for the person who caused it. */
export class ChatError extends Error {
  override readonly name = 'ChatError';

  /** @param retryAfter seconds, where waiting helps */
  constructor(
    readonly code: ChatErrorCode,
    message: string,
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}
