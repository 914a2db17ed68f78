import { Type } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import { ChatError } from '../errors.ts';
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
    }),
  },
  {
    examples: [
      {
        websocketUrl: 'ws://localhost:3000/ws',
        protocol: PROTOCOL,
        messageFormats: { join: formats.join },
        schemas: { join: { type: 'object', required: ['type', 'username'] } },
        limits: { maxContentLength: 4000, maxFrameBytes: MAX_FRAME_BYTES },
      },
    ],
  },
);

export function opsRoutes(parts: {
  settings: { maxContentLength: number };
  /** Answers once the database does. */
  ping(): Promise<void>;
  isStopping(): boolean;
}) {
  return new Elysia({ name: 'ops', tags: ['server'] })
    .get(
      '/ws-info',
      ({ request }) => {
        const { protocol, host } = new URL(request.url);
        return {
          websocketUrl: `${protocol === 'https:' ? 'wss' : 'ws'}://${host}/ws`,
          protocol: PROTOCOL,
          messageFormats: formats,
          schemas: clientFrames,
          limits: {
            maxContentLength: parts.settings.maxContentLength,
            maxFrameBytes: MAX_FRAME_BYTES,
          },
        };
      },
      {
        response: { 200: WsInfo },
        detail: {
          summary: 'How to speak to the WebSocket endpoint',
          description: 'Its address, the frames that a client may send, and their limits.',
        },
      },
    )
    .get('/health', () => ({ status: 'ok' as const }), {
      response: {
        200: Type.Object({ status: Type.Literal('ok') }, { examples: [{ status: 'ok' }] }),
      },
      detail: { summary: 'Whether the server is alive' },
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
        return { status: 'ready' as const, database: 'ok' as const };
      },
      {
        response: {
          200: Type.Object(
            { status: Type.Literal('ready'), database: Type.Literal('ok') },
            { examples: [{ status: 'ready', database: 'ok' }] },
          ),
          ...problemReplies('unavailable'),
        },
        detail: { summary: 'Whether the server can do its work' },
      },
    );
}
