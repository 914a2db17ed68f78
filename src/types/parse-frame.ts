import type { TObject } from '@sinclair/typebox';
import { type TypeCheck, TypeCompiler } from '@sinclair/typebox/compiler';
import { ChatError, type ErrorCode } from '../errors.ts';
import { type ClientFrame, clientFrames } from './websocket.ts';

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
