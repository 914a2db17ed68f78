import { toOpenAPISchema } from '@elysiajs/openapi';
import { type AnyElysia, Elysia } from 'elysia';
import { version } from '../../package.json';

const info = {
  title: 'ws-chat',
  version,
  description:
    'The REST half of the chat server. What is posted here is in every open WebSocket at once; how to speak to `/ws` is told by `GET /ws-info`. Errors are `application/problem+json` (RFC 9457) with a `code`; lists lead on by a `Link` header with `rel="next"`.',
};

const tags = [
  { name: 'messages', description: 'What is said' },
  { name: 'users', description: 'Who is here' },
  { name: 'accounts', description: 'Who one is' },
  { name: 'rooms', description: 'Where people meet' },
  { name: 'server', description: 'The server itself' },
];

const bearer = {
  type: 'http',
  scheme: 'bearer',
  description: 'The token of `POST /sessions`, or `API_KEY`.',
};

/** The OpenAPI document of an app's routes, at `/swagger/json`; those with `hide` are left out. */
export function docs(app: AnyElysia) {
  let document: object | undefined;
  return new Elysia({ name: 'docs' }).get(
    '/swagger/json',
    () => {
      const { components, ...described } = corrected(toOpenAPISchema(app));
      document ??= {
        openapi: '3.1.0',
        info,
        tags,
        // With a token or, where guests may pass, without.
        security: [{ bearer: [] }, {}],
        ...described,
        components: { ...components, securitySchemes: { bearer } },
      };
      return document;
    },
    { detail: { hide: true } },
  );
}

/**
 * Sets right what the generator cannot know: 204 has no content, errors are sent as what RFC 9457 calls their type, text
 * may be of a type that its schema names, and an integer in a query, which Elysia takes from text, is
 * still an integer.
 */
function corrected<Schema>(schema: Schema): Schema {
  return JSON.parse(JSON.stringify(schema), (key, value) => {
    if (/^[45]\d\d$/.test(key) && value?.content) {
      const content = { 'application/problem+json': value.content['application/json'] };
      return { ...value, content };
    }
    if (key === '204') return { description: value.description };
    const mediaType = value?.['text/plain']?.schema?.contentMediaType;
    if (mediaType) return { [mediaType]: value['text/plain'] };
    return value?.anyOf?.[0]?.format === 'integer' ? value.anyOf[1] : value;
  });
}
