import type { Static, TObject } from '@sinclair/typebox';
import { ChatError, invalidField } from '../errors.ts';

import { depthExceeds, MAX_DEPTH } from '../protocol/checks.ts';
import { strict } from '../protocol/fields.ts';
import { type Validate, validator } from '../protocol/validator.ts';

/**
 * A part of a request, in the form that Elysia accepts from validation libraries (Standard Schema). The errors
 * are our own: Elysia describes an error by the whole value and an example of the expected one, which may
 * take seconds, and does not say which part of a query was wrong.
 *
 * @see https://standardschema.dev
 */
export interface Input<S extends TObject = TObject> {
  schema: S;
  '~standard': {
    version: 1;
    vendor: 'ws-chat';
    validate(value: unknown): { value: Static<S> };
    types?: { input: Static<S>; output: Static<S> };
  };
}

/** The most bytes of a body. */
export const MAX_BODY_BYTES = 1024 * 1024;

const JSON_TYPE = /^application\/([\w.+-]+\+)?json$/i;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The options of a route with a JSON body. */
export function json<S extends TObject>(schema: S) {
  return { parse: readJson, body: input(schema, validator(schema, 'the body')) };
}

/** The query of a route; unknown parameters are errors. */
export function query<S extends TObject>(schema: S): Input<S> {
  const validate = validator({ ...schema, ...strict }, 'the query');
  return input(schema, fromText(schema, validate));
}

/** The `:names` of a path. */
export function path<S extends TObject>(schema: S): Input<S> {
  return input(schema, fromText(schema, validator(schema, 'the path')));
}

/** The headers that a route reads; others are ignored. */
export function headers<S extends TObject>(schema: S): Input<S> {
  return input(schema, validator(schema, 'the headers'));
}

function input<S extends TObject>(schema: S, validate: Validate<S>): Input<S> {
  const standard = { version: 1 as const, vendor: 'ws-chat' as const };
  return {
    schema,
    '~standard': { ...standard, validate: (value) => ({ value: validate(value) }) },
  };
}

/** Parses the numbers of a query or a path, and refuses text that no name can contain. */
function fromText<S extends TObject>({ properties }: S, validate: Validate<S>): Validate<S> {
  return (texts) => {
    const read = Object.entries(texts as Record<string, unknown>).map(([name, value]) => {
      if (typeof value !== 'string') return [name, value];
      const field = properties[name];
      if (field?.type === 'integer' && /^-?\d{1,16}$/.test(value)) return [name, Number(value)];
      if (field && (value.includes('\0') || !value.isWellFormed())) {
        throw invalidField(name, 'must be valid Unicode without NUL');
      }
      return [name, value];
    });
    return validate(Object.fromEntries(read));
  };
}

/** @throws {ChatError} `unsupported_media_type`, `too_long`, `invalid_frame` */
async function readJson({ request }: { request: Request }, contentType: string): Promise<unknown> {
  const bytes = await readBody(request);
  if (bytes.byteLength > 0 && !JSON_TYPE.test(contentType.trim())) {
    throw new ChatError(
      'unsupported_media_type',
      'The body must be JSON, sent with "Content-Type: application/json".',
    );
  }
  const body = parse(bytes);
  if (depthExceeds(body, MAX_DEPTH)) {
    throw new ChatError('invalid_frame', `The body must be JSON of at most ${MAX_DEPTH} levels.`);
  }
  return body;
}

/** A body of a known length is within the limit, or the front door would have refused it. */
async function readBody(request: Request): Promise<Uint8Array> {
  if (!request.headers.has('transfer-encoding')) return request.bytes();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body ?? []) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) throw bodyTooLong();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The error for a body past {@link MAX_BODY_BYTES}. */
export function bodyTooLong(): ChatError {
  return new ChatError('too_long', `The body must have at most ${MAX_BODY_BYTES} bytes.`);
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(bytes));
  } catch {
    throw new ChatError('invalid_frame', 'The body must be JSON, for example {"username":"ana"}');
  }
}
