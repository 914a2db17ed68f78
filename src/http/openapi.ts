import type { TSchema } from '@sinclair/typebox';
import type { AnyElysia } from 'elysia';
import { license, version } from '../../package.json';
import { Problem } from '../protocol/problems.ts';
import { hoist } from './components.ts';
import type { Input } from './input.ts';

const description = `The REST API of the chat server. Messages that are posted here reach every open WebSocket of the room at once. The protocol of \`/ws\` is described by [\`/ws-info\`](/ws-info) and [\`/asyncapi.json\`](/asyncapi.json), and can be tried on the [tester page](/test).

- **Users** are guests, whose names are free to use in \`AUTH=open\`, or accounts, which need their token in \`Authorization: Bearer\`. Requests with a token may leave out \`username\`.
- **Errors** are \`application/problem+json\` (RFC 9457) with a \`code\` for programs, and \`errors\` that point to the invalid fields.
- **Lists** are paginated: the \`Link\` header with \`rel="next"\` leads to the next page.`;

const tags = [
  { name: 'messages', description: 'Post, read, change and search messages' },
  { name: 'rooms', description: 'Create and manage rooms' },
  { name: 'members', description: 'Members, bans and mutes of a room' },
  { name: 'users', description: 'Users, their presence, and bans from the server' },
  { name: 'accounts', description: 'Tokens and passwords' },
  { name: 'notifications', description: 'Mentions, direct messages and notices' },
  { name: 'server', description: 'The protocol, the health and the metrics of the server' },
];

const bearer = {
  type: 'http',
  scheme: 'bearer',
  bearerFormat: 'JWT',
  description: 'The token of `POST /sessions`, or `API_KEY`.',
};

/** The documented part of a route's options. */
interface Documented {
  params?: Input;
  query?: Input;
  headers?: Input;
  body?: Input;
  response?: Record<string, TSchema>;
  detail?: { hide?: boolean; operationId?: string; description?: string };
}

/** The OpenAPI 3.1 document of an app's routes; those with `hide` are left out. */
export function openApi(app: AnyElysia): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const { method, path, hooks } of app.routes) {
    const documented: Documented = hooks;
    if (documented.detail?.hide || !documented.detail?.operationId) continue;
    const key = path.replace(/:(\w+)/g, '{$1}');
    paths[key] ??= {};
    paths[key][method.toLowerCase()] = operation(documented);
  }
  const { document, schemas } = hoist({
    openapi: '3.1.0',
    info: {
      title: 'ws-chat',
      version,
      description,
      license: { name: license, identifier: license },
    },
    servers: [{ url: '/', description: 'This server' }],
    tags,
    // With a token or, for routes that admit guests, without.
    security: [{ bearer: [] }, {}],
    problem: Problem,
    paths,
  });
  const { problem: _, ...described } = document;
  return { ...described, components: { schemas, securitySchemes: { bearer } } };
}

function operation({ params, query, headers, body, response = {}, detail }: Documented): object {
  const parameters = [
    ...parametersIn('path', params),
    ...parametersIn('query', query),
    ...parametersIn('header', headers),
  ];
  const responses = Object.entries(response).map(([status, schema]) => [
    status,
    describeResponse(status, schema),
  ]);
  return {
    ...detail,
    ...(parameters.length > 0 && { parameters }),
    ...(body && {
      requestBody: {
        required: true,
        content: { 'application/json': withExamples(body.schema) },
      },
    }),
    responses: {
      ...Object.fromEntries(responses),
      default: {
        description: 'Any other error.',
        content: { 'application/problem+json': { schema: Problem } },
      },
    },
  };
}

function parametersIn(place: 'path' | 'query' | 'header', input: Input | undefined): object[] {
  if (!input) return [];
  const { properties, required = [] } = input.schema;
  return Object.entries(properties).map(([name, { description, examples, ...schema }]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    description,
    schema,
    ...(examples && { example: examples[0] }),
  }));
}

function describeResponse(status: string, schema: TSchema): object {
  const { description = 'Done.', ...described } = schema;
  if (status === '204') return { description };
  const isError = status >= '400';
  const mediaType = isError
    ? 'application/problem+json'
    : (schema.contentMediaType ?? 'application/json');
  return {
    description,
    ...(schema.type === 'array' && { headers: { Link: linkHeader } }),
    content: { [mediaType]: withExamples(described as TSchema) },
  };
}

const linkHeader = {
  description: 'The next page, as `rel="next"`; missing on the last page (RFC 8288).',
  schema: { type: 'string' },
};

/** Moves the examples of a schema beside it, where tools find them. */
function withExamples({ examples, ...schema }: TSchema): object {
  const { items } = schema;
  const own = examples ?? (items?.examples && [items.examples]);
  if (!own) return { schema };
  if (own.length === 1) return { schema, example: own[0] };
  const named = own.map((value: unknown, n: number) => [nameOf(value) ?? `${n + 1}`, { value }]);
  return { schema, examples: Object.fromEntries(named) };
}

/** The code of a problem. */
function nameOf(example: unknown): string | undefined {
  const { code } = (example ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}
