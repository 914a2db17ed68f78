import { Type } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import { Registry } from 'prom-client';
import { ChatError } from '../errors.ts';
import { credentialOf } from '../plugins/auth.ts';
import type { Origins } from '../plugins/proxies.ts';
import type { AuthService } from '../services/auth.service.ts';
import { problemReplies } from '../types/rest.ts';
import { clientFrames, MAX_FRAME_BYTES, PROTOCOL } from '../types/websocket.ts';

/** How long a database may take to answer before the server counts as not ready. */
const READY_TIMEOUT_MS = 2000;

const formats = Object.fromEntries(
  Object.entries(clientFrames).map(([type, schema]) => [type, schema.examples?.[0]]),
);

const WsInfo = Type.Object(
  {
    websocketUrl: Type.String(),
    protocol: Type.Integer({ description: 'the highest protocol that is spoken here' }),
    messageFormats: Type.Record(Type.String(), Type.Any(), {
      description: 'an example of each frame that a client may send',
    }),
    schemas: Type.Record(Type.String(), Type.Any(), {
      description: 'the JSON Schema of each, as the server checks it',
    }),
    limits: Type.Object({
      maxContentLength: Type.Integer({ description: 'characters of one message' }),
      maxFrameBytes: Type.Integer(),
      messageRate: Type.Number({ description: 'messages a second; 0: no limit' }),
      messageBurst: Type.Integer({ description: 'messages at once' }),
      requestRate: Type.Number({ description: 'REST requests a second; 0: no limit' }),
    }),
  },
  {
    examples: [
      {
        websocketUrl: 'ws://localhost:3000/ws',
        protocol: PROTOCOL,
        messageFormats: { join: formats.join },
        schemas: { join: { type: 'object', required: ['type', 'username'] } },
        limits: {
          maxContentLength: 4000,
          maxFrameBytes: MAX_FRAME_BYTES,
          messageRate: 20,
          messageBurst: 40,
          requestRate: 50,
        },
      },
    ],
  },
);

export function opsRoutes(parts: {
  settings: {
    maxContentLength: number;
    messageRate: number;
    messageBurst: number;
    requestRate: number;
  };
  auth: AuthService;
  origins: Origins;
  /** In Prometheus' text format. */
  metrics(): Promise<string>;
  /** Whether the other servers are reached; undefined where there are none. */
  isConnected: (() => boolean) | undefined;
  /** Answers once the database does. */
  ping(): Promise<void>;
  isStopping(): boolean;
}) {
  return new Elysia({ name: 'ops', tags: ['server'] })
    .use(parts.origins)
    .get(
      '/ws-info',
      ({ request, origin }) => ({
        websocketUrl: `${origin.isSecure ? 'wss' : 'ws'}://${new URL(request.url).host}/ws`,
        protocol: PROTOCOL,
        messageFormats: formats,
        schemas: clientFrames,
        limits: {
          maxContentLength: parts.settings.maxContentLength,
          maxFrameBytes: MAX_FRAME_BYTES,
          messageRate: parts.settings.messageRate,
          messageBurst: parts.settings.messageBurst,
          requestRate: parts.settings.requestRate,
        },
      }),
      {
        response: { 200: WsInfo },
        detail: {
          summary: 'How to speak to the WebSocket endpoint',
          security: [{}],
          description: 'Its address, the frames that a client may send, and their limits.',
        },
      },
    )
    .get('/health', () => ({ status: 'ok' as const }), {
      response: {
        200: Type.Object({ status: Type.Literal('ok') }, { examples: [{ status: 'ok' }] }),
      },
      detail: { summary: 'Whether the server is alive', security: [{}] },
    })
    .get(
      '/ready',
      async () => {
        if (parts.isStopping()) throw new ChatError('unavailable', 'The server is stopping.');
        await Promise.race([
          parts.ping(),
          Bun.sleep(READY_TIMEOUT_MS).then(() => Promise.reject(new Error('no answer in time'))),
        ]).catch(() => {
          throw new ChatError('unavailable', 'The database does not answer.', 1);
        });
        // Without Redis it serves its own clients still: who took it out of service would take out all.
        const redis = parts.isConnected?.() ? ('ok' as const) : ('away' as const);
        const ready = { status: 'ready' as const, database: 'ok' as const };
        return parts.isConnected ? { ...ready, redis } : ready;
      },
      {
        response: {
          200: Type.Object(
            {
              status: Type.Literal('ready'),
              database: Type.Literal('ok'),
              redis: Type.Optional(
                Type.Union([Type.Literal('ok'), Type.Literal('away')], {
                  description:
                    'with REDIS_URL; `away`: this server serves its own clients, and catches up with the others when Redis is back',
                }),
              ),
            },
            { examples: [{ status: 'ready', database: 'ok' }] },
          ),
          ...problemReplies('unavailable'),
        },
        detail: { summary: 'Whether the server can do its work', security: [{}] },
      },
    )
    .get(
      '/metrics',
      async ({ headers, origin }) => {
        await parts.auth.checkOperator(credentialOf(headers), origin.isLocal);
        return new Response(await parts.metrics(), {
          headers: { 'content-type': Registry.PROMETHEUS_CONTENT_TYPE },
        });
      },
      {
        response: {
          200: Type.String({ contentMediaType: 'text/plain', examples: ['ws_chat_connections 2'] }),
          ...problemReplies('rate_limited', 'unauthorized', 'forbidden'),
        },
        detail: {
          summary: 'How the server does, for Prometheus',
          description:
            'For the holder of `API_KEY`; where there is none, for whoever asks from the same machine.',
          security: [{ bearer: [] }, {}],
        },
      },
    );
}
