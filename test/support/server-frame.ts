import { FormatRegistry, Kind, type TSchema } from '@sinclair/typebox';
import { type TypeCheck, TypeCompiler } from '@sinclair/typebox/compiler';
import type { ServerFrame } from '../../src/protocol/frames.ts';
import { serverFrames } from '../../src/protocol/server-frames.ts';

FormatRegistry.Set('date-time', (text) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(text));

/** The schema, in which a field that it does not name is an error. */
export function strictly<S extends TSchema>(schema: S): S {
  const copy = Object.fromEntries(
    Object.entries(schema).map(([key, value]) => {
      if (Array.isArray(value))
        return [key, value.map((each) => (isSchema(each) ? strictly(each) : each))];
      if (key === 'properties') {
        return [
          key,
          Object.fromEntries(
            Object.entries(value).map(([name, each]) => [name, strictly(each as TSchema)]),
          ),
        ];
      }
      return [key, isSchema(value) ? strictly(value) : value];
    }),
  );
  const closed = schema[Kind] === 'Object' ? { additionalProperties: false } : {};
  return { ...copy, ...closed, [Kind]: schema[Kind] } as unknown as S;
}

function isSchema(value: unknown): value is TSchema {
  return typeof value === 'object' && value !== null && Kind in value;
}

const checks = new Map<string, TypeCheck<TSchema>>(
  Object.entries(serverFrames).map(([type, schema]) => [
    type,
    TypeCompiler.Compile(strictly(schema as TSchema)),
  ]),
);

/** Reads a frame of the server. @throws when it does not match the published schema exactly */
export function parseServerFrame(text: string): ServerFrame {
  const frame = JSON.parse(text);
  const check = checks.get(frame.type);
  if (check?.Check(frame)) return frame as ServerFrame;
  const wrong = check?.Errors(frame).First();
  throw new Error(
    `not as the schema says: ${text}: ${JSON.stringify(wrong?.path)} ${wrong?.message}`,
  );
}
