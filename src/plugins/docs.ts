import { openapi } from '@elysiajs/openapi';
import { version } from '../../package.json';

/** The OpenAPI document of every route that is not hidden, at `/swagger/json`. */
export function docs() {
  return openapi({
    // The page itself is ours (routes/pages.ts): the plugin's loads Swagger UI from another host.
    provider: null,
    path: '/swagger',
    specPath: '/swagger/json',
    documentation: {
      info: {
        title: 'ws-chat',
        version,
        description:
          'The REST half of the chat server. What is posted here is in every open WebSocket at once; how to speak to `/ws` is told by `GET /ws-info`. Errors are `application/problem+json` (RFC 9457) with a `code`; lists lead on by a `Link` header with `rel="next"`.',
      },
      tags: [
        { name: 'messages', description: 'What is said' },
        { name: 'users', description: 'Who is here' },
        { name: 'rooms', description: 'Where people meet' },
        { name: 'server', description: 'The server itself' },
      ],
    },
  });
}
