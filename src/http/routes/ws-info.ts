import { type TSchema, Type } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import { closeCodes, errorCodes } from '../../errors.ts';
import { clientFrames } from '../../protocol/client-frames.ts';
import { MAX_FRAME_BYTES, PROTOCOL } from '../../protocol/frames.ts';
import { problemReplies } from '../../protocol/problems.ts';
import { serverFrames } from '../../protocol/server-frames.ts';
import { asyncApi } from '../asyncapi.ts';
import { access, describe } from '../describe.ts';
import type { Origins } from '../plugins/proxies.ts';

interface Limits {
  maxContentLength: number;
  messageRate: number;
  messageBurst: number;
  requestRate: number;
}

const formats = Object.fromEntries(
  Object.entries(clientFrames).map(([type, schema]) => [type, schema.examples?.[0]]),
);
const errors = Object.fromEntries(
  Object.entries(errorCodes).map(([code, { meaning }]) => [code, meaning]),
);
const closes = Object.fromEntries(
  Object.values(closeCodes).map(({ code, meaning, reconnect }) => [code, { meaning, reconnect }]),
);

const ByType = (description: string) => Type.Record(Type.String(), Type.Unknown(), { description });

const WsInfo = Type.Object(
  {
    websocketUrl: Type.String({ description: 'built from the request; `wss` behind TLS' }),
    protocol: Type.Integer({ description: 'the highest protocol of this server' }),
    messageFormats: ByType('an example of each frame that a client may send'),
    schemas: ByType('the JSON Schema of each frame that a client may send'),
    serverSchemas: ByType('the JSON Schema of each frame that the server sends'),
    errorCodes: Type.Record(Type.String(), Type.String(), {
      description: 'the meaning of each error `code`',
    }),
    closeCodes: Type.Record(
      Type.String(),
      Type.Object({
        meaning: Type.String(),
        reconnect: Type.Union(
          [Type.Literal('now'), Type.Literal('later'), Type.Literal('token'), Type.Literal('no')],
          { description: 'whether to reconnect: at once, later, with another token, or not' },
        ),
      }),
      { description: 'the reasons for which the server closes a WebSocket' },
    ),
    limits: Type.Object({
      maxContentLength: Type.Integer({ description: 'characters of one message' }),
      maxFrameBytes: Type.Integer({ description: 'bytes of one frame' }),
      messageRate: Type.Number({ description: 'messages a second; 0: no limit' }),
      messageBurst: Type.Integer({ description: 'messages at once' }),
      requestRate: Type.Number({ description: 'REST requests a second; 0: no limit' }),
    }),
  },
  {
    title: 'WsInfo',
    description: 'The protocol of `/ws`.',
    examples: [
      {
        websocketUrl: 'ws://localhost:3000/ws',
        protocol: PROTOCOL,
        messageFormats: { join: formats.join },
        schemas: { join: { type: 'object', required: ['type'] } },
        serverSchemas: { left: { type: 'object', required: ['type', 'room'] } },
        errorCodes: { muted: errorCodes.muted.meaning },
        closeCodes: { 4403: { meaning: closeCodes.banned.meaning, reconnect: 'no' } },
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

/** The description of the WebSocket protocol for programs, from the schemas that check the frames. */
export function wsInfoRoutes({ settings, origins }: { settings: Limits; origins: Origins }) {
  const limits = {
    maxContentLength: settings.maxContentLength,
    maxFrameBytes: MAX_FRAME_BYTES,
    messageRate: settings.messageRate,
    messageBurst: settings.messageBurst,
    requestRate: settings.requestRate,
  };
  const urlOf = (request: Request, isSecure: boolean) =>
    `${isSecure ? 'wss' : 'ws'}://${new URL(request.url).host}/ws`;
  return new Elysia({ name: 'ws-info', tags: ['server'] })
    .use(origins)
    .get(
      '/ws-info',
      ({ request, origin }) => ({
        websocketUrl: urlOf(request, origin.isSecure),
        protocol: PROTOCOL,
        messageFormats: formats,
        schemas: clientFrames as Record<string, TSchema>,
        serverSchemas: serverFrames as Record<string, TSchema>,
        errorCodes: errors,
        closeCodes: closes,
        limits,
      }),
      {
        response: { 200: WsInfo, ...problemReplies('rate_limited') },
        detail: describe(
          'getWsInfo',
          'Get the WebSocket protocol',
          'The address of the WebSocket endpoint, the frames of both sides, the codes of errors and closes, and the limits.',
          access.public,
        ),
      },
    )
    .get('/asyncapi.json', ({ request, origin }) => asyncApi(urlOf(request, origin.isSecure)), {
      response: {
        200: Type.Object(
          {},
          {
            additionalProperties: true,
            examples: [{ asyncapi: '3.0.0', info: { title: 'ws-chat' } }],
          },
        ),
        ...problemReplies('rate_limited'),
      },
      detail: describe(
        'getAsyncApi',
        'Get the AsyncAPI document',
        'AsyncAPI 3 of the WebSocket protocol, for viewers and code generators.',
        access.public,
      ),
    });
}
