import type { Static, TObject, TSchema } from '@sinclair/typebox';
import { TypeCompiler } from '@sinclair/typebox/compiler';
import { type Fault, InvalidInput } from '../errors.ts';

/** The most faults of one input that are reported. */
const MAX_FAULTS = 5;
/** How much of an unknown field's name is repeated in errors, in UTF-16 units. */
const MAX_NAME = 64;

/** Returns an input that matches the schema. @throws {InvalidInput} for any other input */
export type Validate<S extends TObject> = (input: unknown) => Static<S>;

/**
 * Compiles a schema into a check of inputs. Its errors are about the schema, never about the value, so their
 * size is bounded, however large the input.
 *
 * @param name of the input in an error sentence, such as `"join"` or `the body`
 */
export function validator<S extends TObject>(schema: S, name: string): Validate<S> {
  // `unknownFields` looks for unknown fields, many times faster than the compiled check.
  const { additionalProperties, ...open } = schema;
  const check = TypeCompiler.Compile(open as unknown as TObject);
  const isStrict = additionalProperties === false;
  return (input) => {
    if (typeof input !== 'object' || input === null || Array.isArray(input)) {
      throw new InvalidInput(
        [{ pointer: '#', detail: 'must be a JSON object' }],
        `${name[0]?.toUpperCase()}${name.slice(1)} must be a JSON object`,
      );
    }
    const hasUnknown = isStrict && hasUnknownField(schema, input);
    if (!hasUnknown && check.Check(input)) return input as Static<S>;
    const unknown = hasUnknown ? unknownFields(schema, input, name) : [];
    const missing = missingFields(schema, input);
    const wrong: Fault[] = [];
    for (const error of check.Errors(input)) {
      const [, field = ''] = error.path.split('/');
      const isTold = wrong.some(({ pointer }) => pointer.split('/')[1] === field);
      if (field in input && !isTold) wrong.push(faultOf(error.path, schema));
      if (wrong.length === MAX_FAULTS) break;
    }
    const [first, ...rest] = [...unknown, ...missing, ...wrong].slice(0, MAX_FAULTS);
    throw new InvalidInput([
      first ?? { pointer: '#', detail: 'does not match the schema' },
      ...rest,
    ]);
  };
}

function hasUnknownField({ properties }: TObject, input: object): boolean {
  for (const field in input) if (!Object.hasOwn(properties, field)) return true;
  return false;
}

function unknownFields({ properties }: TObject, input: object, name: string): Fault[] {
  const known = Object.keys(properties).filter((name) => name !== 'timestamp');
  const detail = `is not a field of ${name}, which has ${known.join(', ')}`;
  const faults: Fault[] = [];
  for (const field in input) {
    if (Object.hasOwn(properties, field)) continue;
    faults.push({ pointer: `#/${escapePointer(field.slice(0, MAX_NAME))}`, detail });
    if (faults.length === MAX_FAULTS) break;
  }
  return faults;
}

function missingFields({ required = [], properties }: TObject, input: object): Fault[] {
  return required
    .filter((field) => !Object.hasOwn(input, field))
    .map((field) => ({
      pointer: `#/${field}`,
      detail: `is missing; it must be ${expectationOf(properties[field])}`,
    }));
}

function faultOf(path: string, { properties }: TObject): Fault {
  const [, field = ''] = path.split('/');
  const pointer = `#${path.slice(0, MAX_NAME)}`;
  return { pointer, detail: `must be ${expectationOf(properties[field])}` };
}

/** The expected value of a field, in words. */
function expectationOf(schema: TSchema | undefined): string {
  if (schema?.type === 'integer') {
    const { minimum = 0, maximum = Number.MAX_SAFE_INTEGER } = schema;
    const to = maximum === Number.MAX_SAFE_INTEGER ? 'on' : `to ${maximum}`;
    return `a whole number from ${minimum} ${to}`;
  }
  if (schema?.type === 'boolean') return 'true or false';
  return schema?.description ?? 'as the schema says';
}

/** @see https://www.rfc-editor.org/rfc/rfc6901#section-3 */
function escapePointer(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}
