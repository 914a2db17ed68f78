/**
 * Every way in which the server says no, in one table: the `code` of an `error` frame and of a
 * problem+json reply, with the HTTP status that carries it over REST.
 */
export const errorCodes = {
  invalid_frame: { status: 400, title: 'The input is not what is expected here' },
  unknown_type: { status: 400, title: 'There is no frame of this type' },
  not_joined: { status: 409, title: 'Join first' },
  not_found: { status: 404, title: 'Not found' },
  unauthorized: { status: 401, title: 'Not signed in' },
  forbidden: { status: 403, title: 'Not allowed' },
  banned: { status: 403, title: 'Banned' },
  muted: { status: 403, title: 'Muted' },
  name_taken: { status: 409, title: 'The name is taken' },
  too_long: { status: 413, title: 'Too long' },
  rate_limited: { status: 429, title: 'Too fast' },
  overloaded: { status: 503, title: 'Too much at once' },
  unavailable: { status: 503, title: 'Not available at the moment' },
  conflict: { status: 409, title: 'In conflict with what is there' },
  internal: { status: 500, title: 'A fault of the server' },
} as const;

export type ErrorCode = keyof typeof errorCodes;

/** Why the server closes a WebSocket. 1009 (a frame over 64 KiB) is sent by the runtime itself. */
export const closeCodes = {
  /** The server stops or restarts: reconnect. */
  restart: 1012,
  /** A fault of the server: reconnect with backoff. */
  fault: 1011,
  /** Twenty invalid frames in a minute: do not reconnect. */
  invalid: 4400,
  /** Token missing, bad, expired or ended, or a guest's name that was claimed: reconnect with a token. */
  unauthorized: 4401,
  /** Banned from the server: do not reconnect. */
  banned: 4403,
  /** Too slow to take what is sent: reconnect at once and resume. */
  slow: 4408,
  /** Flooding, after warnings: reconnect after a minute. */
  flooding: 4429,
} as const;

/**
 * What was wrong and what is expected, in a sentence for the person who caused it. It carries no
 * content of messages, so it may be logged.
 */
export class ChatError extends Error {
  override readonly name = 'ChatError';

  /**
   * @param code one of {@link errorCodes}
   * @param message a sentence for the reader
   * @param retryAfter seconds, where waiting helps
   */
  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

/** The errors that may end a connection, and how it is closed then. */
const closeCodeOf: Partial<Record<ErrorCode, number>> = {
  unauthorized: closeCodes.unauthorized,
  banned: closeCodes.banned,
  invalid_frame: closeCodes.invalid,
  unknown_type: closeCodes.invalid,
  rate_limited: closeCodes.flooding,
};

/** An error that ends the connection; {@link closeCodes} says whether to come back. */
export class Disconnect extends ChatError {
  readonly closeCode: number;

  constructor({ code, message, retryAfter }: ChatError) {
    super(code, message, retryAfter);
    this.closeCode = closeCodeOf[code] ?? closeCodes.fault;
  }
}
