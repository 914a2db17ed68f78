import type { TObject } from '@sinclair/typebox';
import { ChatError, invalidField } from '../errors.ts';
import { depthExceeds, MAX_DEPTH } from './checks.ts';
import { clientFrames } from './client-frames.ts';
import type { ClientFrame } from './frames.ts';
import { type Validate, validator } from './validator.ts';

const validators = new Map<string, Validate<TObject>>(
  Object.entries(clientFrames).map(([type, schema]: [string, TObject]) => [
    type,
    validator(schema, `"${type}"`),
  ]),
);
const types = [...validators.keys()].join(', ');
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** A frame that was refused, with its id when it had one, so that the error can name it. */
export class FrameError extends ChatError {
  constructor(
    { code, message }: ChatError,
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
    throw invalid('A frame must be JSON, for example {"type":"join","username":"ana"}');
  }
  if (typeof frame !== 'object' || frame === null || Array.isArray(frame)) {
    throw invalid('A frame must be a JSON object with a "type"');
  }
  const { type, id } = frame as { type?: unknown; id?: unknown };
  const echoed = typeof id === 'string' && id.length > 0 && id.length <= 64 ? id : undefined;
  if (typeof type !== 'string') throw invalid(`"type" must be one of ${types}`, echoed);
  const validate = validators.get(type);
  if (!validate) {
    const unknown = new ChatError(
      'unknown_type',
      `There is no frame of this type; there are ${types}`,
    );
    throw new FrameError(unknown, echoed);
  }
  if (depthExceeds(frame, MAX_DEPTH))
    throw invalid(`A frame must be JSON of at most ${MAX_DEPTH} levels`, echoed);
  try {
    return validate(frame) as ClientFrame;
  } catch (error) {
    throw error instanceof ChatError ? new FrameError(error, echoed) : error;
  }
}

/** @throws {ChatError} `invalid_frame` for a field that protocol 0 does not have */
export function checkFields<Frame extends object>(
  frame: Frame,
  protocol: 0 | 1 | undefined,
  fields: (keyof Frame & string)[],
): void {
  if (protocol === 1) return;
  const field = fields.find((name) => frame[name] !== undefined);
  if (field) throw invalidField(field, 'needs "protocol": 1');
}

function invalid(message: string, id?: string): FrameError {
  return new FrameError(new ChatError('invalid_frame', message), id);
}
