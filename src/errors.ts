/**
 * All errors of the server in one table: the `code` of an `error` frame and of a problem+json reply, with its
 * HTTP status for REST, and its meaning for authors of clients.
 */
export const errorCodes = {
  invalid_frame: {
    status: 400,
    title: 'Invalid request',
    meaning: 'The frame or request does not match its schema; the sentence names the field.',
  },
  unknown_type: {
    status: 400,
    title: 'Unknown frame type',
    meaning: 'There is no frame of this type, or none in the protocol of this connection.',
  },
  not_joined: {
    status: 409,
    title: 'Not joined',
    meaning: 'The connection must join first, or join this room.',
  },
  not_found: {
    status: 404,
    title: 'Not found',
    meaning: 'The resource does not exist, or this user may not see it.',
  },
  unauthorized: {
    status: 401,
    title: 'Unauthorized',
    meaning: 'A token is required, or the given one is invalid, expired or ended.',
  },
  forbidden: {
    status: 403,
    title: 'Forbidden',
    meaning: 'The token is valid, but does not allow this.',
  },
  banned: {
    status: 403,
    title: 'Banned',
    meaning: 'The user is banned from the room or the server.',
  },
  muted: {
    status: 403,
    title: 'Muted',
    meaning: 'The user may read in this room, but not write.',
  },
  name_taken: {
    status: 409,
    title: 'Name taken',
    meaning: 'The name belongs to an account.',
  },
  too_long: {
    status: 413,
    title: 'Too long',
    meaning: 'The content, the data or the request is longer than the limit.',
  },
  rate_limited: {
    status: 429,
    title: 'Too many requests',
    meaning: 'Sent too fast; wait for `retryAfter` seconds.',
  },
  overloaded: {
    status: 503,
    title: 'Overloaded',
    meaning: 'The server has too much waiting work; wait, then try again.',
  },
  unavailable: {
    status: 503,
    title: 'Service unavailable',
    meaning:
      'The database does not answer, or the server is stopping; try again. A message that is sent again with its `id` is stored once.',
  },
  conflict: {
    status: 409,
    title: 'Conflict',
    meaning:
      'The request contradicts the present state, such as an `id` that was used for other content.',
  },
  internal: {
    status: 500,
    title: 'Internal server error',
    meaning: 'A fault of the server; it has been logged.',
  },
  method_not_allowed: {
    status: 405,
    title: 'Method not allowed',
    meaning: 'REST: the path does not have this method; `Allow` lists its methods.',
  },
  unsupported_media_type: {
    status: 415,
    title: 'Unsupported media type',
    meaning: 'REST: the body must be sent as `application/json`.',
  },
  upgrade_required: {
    status: 426,
    title: 'Upgrade required',
    meaning: 'REST: this path accepts only WebSocket handshakes.',
  },
} as const;

export type ErrorCode = keyof typeof errorCodes;

/**
 * The reasons for which the server closes a WebSocket, and whether the client should reconnect: `now`, `later` (after
 * `reconnectIn`, or with backoff), with another `token`, or not at all (`no`).
 */
export const closeCodes = {
  restart: {
    code: 1012,
    meaning: 'The server stops or restarts. In protocol 1, `draining` says when to reconnect.',
    reconnect: 'later',
  },
  /** Sent by the runtime itself. */
  tooBig: { code: 1009, meaning: 'A frame over 64 KiB.', reconnect: 'no' },
  fault: { code: 1011, meaning: 'A fault of the server: use backoff.', reconnect: 'later' },
  invalid: { code: 4400, meaning: '20 invalid frames in a minute.', reconnect: 'no' },
  unauthorized: {
    code: 4401,
    meaning:
      'The token is missing, invalid, expired or ended, or the name of a guest became an account.',
    reconnect: 'token',
  },
  banned: { code: 4403, meaning: 'Banned from the server.', reconnect: 'no' },
  slow: { code: 4408, meaning: 'The client reads too slowly: resume.', reconnect: 'now' },
  flooding: {
    code: 4429,
    meaning: 'Flooding after warnings: wait a minute.',
    reconnect: 'later',
  },
} as const satisfies Record<string, CloseCode>;

interface CloseCode {
  code: number;
  meaning: string;
  reconnect: 'now' | 'later' | 'token' | 'no';
}

/**
 * An error for clients: a sentence about the fault and the expected input. It contains no content of
 * messages, so it may be logged.
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

/** One fault of an input. */
export interface Fault {
  /** A JSON Pointer as a fragment: `#/username`; `#` is the whole input. */
  pointer: string;
  /** The expected value: `must be …`. */
  detail: string;
}

/** An input that does not match its schema. */
export class InvalidInput extends ChatError {
  /** @param faults at least one; the sentence is about the first */
  constructor(
    readonly faults: [Fault, ...Fault[]],
    sentence = `${subjectOf(faults[0].pointer)} ${faults[0].detail}`,
  ) {
    super('invalid_frame', sentence);
  }
}

/** An invalid field. @param detail `must be …` */
export function invalidField(field: string, detail: string): InvalidInput {
  return new InvalidInput([{ pointer: `#/${field}`, detail }]);
}

/** The field with the fault: `#/to/3` is `"to"`. */
function subjectOf(pointer: string): string {
  const [, field] = pointer.split('/');
  return field === undefined ? 'The input' : `"${field}"`;
}

/** The errors that may end a connection, and their close codes. */
const closeOf: Partial<Record<ErrorCode, keyof typeof closeCodes>> = {
  unauthorized: 'unauthorized',
  banned: 'banned',
  invalid_frame: 'invalid',
  unknown_type: 'invalid',
  rate_limited: 'flooding',
};

/** An error that ends the connection; {@link closeCodes} says whether to reconnect. */
export class Disconnect extends ChatError {
  readonly closeCode: number;

  constructor({ code, message, retryAfter }: ChatError) {
    super(code, message, retryAfter);
    this.closeCode = closeCodes[closeOf[code] ?? 'fault'].code;
  }
}
