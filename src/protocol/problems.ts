import { type Static, Type } from '@sinclair/typebox';
import { type ErrorCode, errorCodes } from '../errors.ts';

const Fault = Type.Object(
  {
    pointer: Type.String({
      description: 'a JSON Pointer to the field, in the body, the query or the path',
      examples: ['#/username'],
    }),
    detail: Type.String({ description: 'the expected value' }),
  },
  { title: 'Fault' },
);

const properties = {
  type: Type.String({ description: 'always `about:blank`; go by `code`' }),
  title: Type.String({ description: 'the code in a few words' }),
  status: Type.Integer({ description: 'the status of the HTTP response' }),
  detail: Type.String({ description: 'what was wrong and what is expected, in a sentence' }),
  code: Type.String({ enum: Object.keys(errorCodes), description: 'for programs' }),
  errors: Type.Optional(Type.Array(Fault, { description: 'the faults of an invalid request' })),
  retryAfter: Type.Optional(Type.Number({ description: 'seconds to wait, if waiting helps' })),
};

/** Further fields of the examples of some codes. */
const more: { [Code in ErrorCode]?: Partial<Problem> } = {
  invalid_frame: {
    detail: '"limit" must be a whole number from 1 to 100',
    errors: [{ pointer: '#/limit', detail: 'must be a whole number from 1 to 100' }],
  },
  rate_limited: { detail: 'Too many requests; wait for 1 s.', retryAfter: 1 },
};

/** An error over REST: RFC 9457, with the same `code` that an `error` frame has. */
export const Problem = Type.Object(properties, {
  title: 'Problem',
  description: 'An error (RFC 9457).',
});
export type Problem = Static<typeof Problem>;

/** The codes of errors that most requests may get. */
export const usual = [
  'rate_limited',
  'invalid_frame',
  'unauthorized',
  'forbidden',
  'not_found',
] as const satisfies ErrorCode[];

type ProblemReplies<C extends ErrorCode> = {
  [Code in C as (typeof errorCodes)[Code]['status']]: typeof Problem;
};

/** The replies of a route that may fail with these codes, by their status, each with an example of every code. */
export function problemReplies<C extends ErrorCode>(...codes: C[]): ProblemReplies<C> {
  const byStatus = Object.groupBy(codes, (code) => errorCodes[code].status);
  return Object.fromEntries(
    Object.entries<C[] | undefined>(byStatus).map(([status, codes = []]) => [
      status,
      Type.Object(properties, {
        title: 'Problem',
        description: codes.map((code) => errorCodes[code].meaning).join(' Or: '),
        examples: codes.map(exampleOf),
      }),
    ]),
  ) as ProblemReplies<C>;
}

function exampleOf(code: ErrorCode): Problem {
  const { status, title, meaning } = errorCodes[code];
  return { type: 'about:blank', title, status, detail: meaning, code, ...more[code] };
}
