import type { ErrorCode } from './protocol.ts';

/**
 * The code of an error: one of the server's, or of the library's own:
 *
 * - `closed`: the client was closed, or the room was left
 * - `listener`: a listener of the application threw
 * - `protocol`: the server broke the protocol; the library resumes
 * - `store`: the store of unsent messages failed; they are still sent from memory
 */
export type ChatErrorCode = ErrorCode | 'closed' | 'listener' | 'protocol' | 'store';

/** An error, whose message is a sentence for the user. */
export class ChatError extends Error {
  override readonly name = 'ChatError';

  /** @param retryAfter how long to wait before trying again, in seconds, where that helps */
  constructor(
    readonly code: ChatErrorCode,
    message: string,
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}
