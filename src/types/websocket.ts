import { type Static, type TObject, Type } from '@sinclair/typebox';
import { type TypeCheck, TypeCompiler } from '@sinclair/typebox/compiler';
import { ChatError, type ErrorCode } from '../errors.ts';
import { expected } from './text.ts';

/** Bytes of one frame, either way of encoding it: text, or binary that holds UTF-8. */
export const MAX_FRAME_BYTES = 64 * 1024;
/** The highest `protocol` that a `join` may ask for. */
export const PROTOCOL = 1;
/** What one `joined` or `history` holds at most: changes, and bytes of their JSON. */
export const MAX_PAGE_CHANGES = 500;
export const MAX_PAGE_BYTES = 256 * 1024;
export const DEFAULT_ROOM = 'general';

const Username = Type.String({ description: expected.username });
const Room = Type.String({ description: expected.room });
const Id = Type.String({ minLength: 1, maxLength: 64, description: expected.id });
const Seq = Type.Integer({
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  description: 'a `seq`: a whole number from 0 on',
});
const Content = Type.String({ description: expected.content });
const strict = { additionalProperties: false };

/** What a client may send, by `type`. Each carries an example that a person can read. */
export const clientFrames = {
  join: Type.Object(
    {
      type: Type.Literal('join'),
      username: Username,
      room: Type.Optional(Room),
      id: Type.Optional(Id),
      protocol: Type.Optional(
        Type.Union([Type.Literal(0), Type.Literal(1)], { description: '0 or 1' }),
      ),
      since: Type.Optional(
        Type.Union([Seq, Type.Literal('$')], {
          description: 'the last `rev` seen, a whole number from 0 on, or "$"; needs protocol 1',
        }),
      ),
      epoch: Type.Optional(
        Type.String({ maxLength: 64, description: 'the epoch seen with it; needs protocol 1' }),
      ),
    },
    {
      ...strict,
      description: 'Enter a room; the user and the room are made if they are not there.',
      examples: [{ type: 'join', username: 'string' }],
    },
  ),
  message: Type.Object(
    {
      type: Type.Literal('message'),
      content: Content,
      username: Type.Optional(Username),
      room: Type.Optional(Room),
      id: Type.Optional(Id),
      data: Type.Optional(Type.Unknown({ description: 'JSON for programs; needs protocol 1' })),
    },
    {
      ...strict,
      description:
        'Say something. With an id it is acknowledged, and stored once however often sent.',
      examples: [{ type: 'message', username: 'string', content: 'string' }],
    },
  ),
  leave: Type.Object(
    {
      type: Type.Literal('leave'),
      username: Type.Optional(Username),
      room: Type.Optional(Room),
      id: Type.Optional(Id),
    },
    {
      ...strict,
      description: 'Leave a room, or all of them.',
      examples: [{ type: 'leave', username: 'string' }],
    },
  ),
  history: Type.Object(
    {
      type: Type.Literal('history'),
      room: Type.Optional(Room),
      before: Type.Optional(Seq),
      after: Type.Optional(Seq),
      limit: Type.Optional(
        Type.Integer({ minimum: 1, maximum: 100, description: 'a limit, 1 to 100' }),
      ),
      id: Type.Optional(Id),
    },
    {
      ...strict,
      description:
        'Protocol 1: earlier messages; the newest, those before a seq, or those after one.',
      examples: [{ type: 'history', room: 'string', before: 100, limit: 50 }],
    },
  ),
  ping: Type.Object(
    {
      type: Type.Literal('ping'),
      sentAt: Type.Optional(Type.Unknown({ description: 'anything; the pong brings it back' })),
      id: Type.Optional(Id),
    },
    {
      ...strict,
      description: 'Protocol 1: asks for a pong.',
      examples: [{ type: 'ping', sentAt: 1766300000000 }],
    },
  ),
};

/** One of the frames above, checked against its schema. */
export type ClientFrame = {
  [T in keyof typeof clientFrames]: Static<(typeof clientFrames)[T]>;
}[keyof typeof clientFrames];

const Timestamp = Type.String({ format: 'date-time' });

const Message = Type.Object({
  type: Type.Literal('message'),
  id: Type.Integer(),
  room: Room,
  seq: Seq,
  username: Username,
  content: Content,
  timestamp: Timestamp,
  /** From here on: protocol 1 only. */
  rev: Type.Optional(Seq),
  data: Type.Optional(Type.Unknown()),
  clientId: Type.Optional(Id),
});

/** What the server sends, by `type`. Protocol 0 gets the first four and no others. */
export const serverFrames = {
  message: Message,
  system: Type.Object({
    type: Type.Literal('system'),
    room: Room,
    content: Type.String(),
    timestamp: Timestamp,
  }),
  ack: Type.Object({
    type: Type.Literal('ack'),
    id: Id,
    room: Room,
    messageId: Type.Integer(),
    seq: Seq,
    timestamp: Timestamp,
  }),
  error: Type.Object({
    type: Type.Literal('error'),
    code: Type.Unsafe<ErrorCode>(Type.String()),
    content: Type.String(),
    id: Type.Optional(Id),
    retryAfter: Type.Optional(Type.Number()),
  }),
  joined: Type.Object({
    type: Type.Literal('joined'),
    id: Type.Optional(Id),
    room: Room,
    username: Username,
    /** The next `since`. */
    rev: Seq,
    epoch: Type.String(),
    messages: Type.Array(Message),
    /** False: there is more; not in the room yet, join again from `rev`. */
    complete: Type.Boolean(),
    /** True: what was seen before is of another history; forget it. */
    reset: Type.Boolean(),
    /** A hundred names at most. */
    users: Type.Array(Username),
    userCount: Type.Integer(),
  }),
  left: Type.Object({ type: Type.Literal('left'), id: Type.Optional(Id), room: Room }),
  history: Type.Object({
    type: Type.Literal('history'),
    id: Type.Optional(Id),
    room: Room,
    messages: Type.Array(Message),
    more: Type.Boolean(),
  }),
  pong: Type.Object({
    type: Type.Literal('pong'),
    id: Type.Optional(Id),
    sentAt: Type.Optional(Type.Unknown()),
    timestamp: Timestamp,
  }),
  presence: Type.Object({
    type: Type.Literal('presence'),
    room: Room,
    username: Username,
    status: Type.Union([Type.Literal('online'), Type.Literal('offline')]),
    timestamp: Timestamp,
  }),
  draining: Type.Object({
    type: Type.Literal('draining'),
    /** Milliseconds after which this client should reconnect. */
    reconnectIn: Type.Integer(),
  }),
};

/** One of the frames above. */
export type ServerFrame = {
  [T in keyof typeof serverFrames]: Static<(typeof serverFrames)[T]>;
}[keyof typeof serverFrames];

const checks = new Map(
  Object.entries(clientFrames).map(([type, schema]: [string, TObject]) => {
    // Looking for unknown fields is left to `unknownField`, which is many times faster.
    const { additionalProperties: _, ...open } = schema;
    return [type, { schema, check: TypeCompiler.Compile(open as TObject) }];
  }),
);
const types = [...checks.keys()].join(', ');
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** A frame that was refused, with its id when it had one, so that the error can name it. */
export class FrameError extends ChatError {
  constructor(
    code: ErrorCode,
    message: string,
    readonly id?: string,
  ) {
    super(code, message);
  }
}

/**
 * Reads one frame off the wire.
 *
 * @throws {FrameError} `invalid_frame` or `unknown_type`
 */
export function parseFrame(raw: string | Uint8Array): ClientFrame {
  let frame: unknown;
  try {
    frame = JSON.parse(typeof raw === 'string' ? raw : utf8.decode(raw));
  } catch {
    throw new FrameError(
      'invalid_frame',
      'A frame must be JSON, for example {"type":"join","username":"ana"}',
    );
  }
  if (typeof frame !== 'object' || frame === null || Array.isArray(frame)) {
    throw new FrameError('invalid_frame', 'A frame must be a JSON object with a "type"');
  }
  const { type, id } = frame as { type?: unknown; id?: unknown };
  const echoed = typeof id === 'string' && id.length > 0 && id.length <= 64 ? id : undefined;
  if (typeof type !== 'string') {
    throw new FrameError('invalid_frame', `"type" must be one of ${types}`, echoed);
  }
  const known = checks.get(type);
  if (!known) {
    throw new FrameError(
      'unknown_type',
      `There is no frame of this type; there are ${types}`,
      echoed,
    );
  }
  if (unknownField(known.schema, frame) !== undefined || !known.check.Check(frame)) {
    throw new FrameError('invalid_frame', explain(known, frame as Record<string, unknown>), echoed);
  }
  return frame as ClientFrame;
}

function unknownField({ properties }: TObject, frame: object): string | undefined {
  for (const field in frame) if (!Object.hasOwn(properties, field)) return field;
}

/** The first thing wrong with an object, in a sentence. */
function explain(
  { schema, check }: { schema: TObject; check: TypeCheck<TObject> },
  frame: Record<string, unknown>,
): string {
  const unknown = unknownField(schema, frame);
  if (unknown !== undefined) {
    const fields = Object.keys(schema.properties);
    return `There is no field ${JSON.stringify(unknown.slice(0, 64))} in "${frame.type}"; there are ${fields.join(', ')}`;
  }
  const missing = schema.required?.find((field) => !(field in frame));
  if (missing)
    return `"${missing}" is missing; it must be ${schema.properties[missing]?.description}`;
  const wrong = check.Errors(frame).First()?.path.slice(1) ?? '';
  return `"${wrong}" must be ${schema.properties[wrong]?.description ?? 'a string'}`;
}
