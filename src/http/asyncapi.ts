import type { TObject, TSchema } from '@sinclair/typebox';
import { license, version } from '../../package.json';
import { closeCodes } from '../errors.ts';
import { clientFrames, replies } from '../protocol/client-frames.ts';
import type { ClientFrame } from '../protocol/frames.ts';
import { serverFrames } from '../protocol/server-frames.ts';
import { hoist } from './components.ts';

const CHANNEL = '#/channels/chat';
const description = [
  'Rooms, messages, presence and notifications over one WebSocket. Each frame is a JSON object with a `type`.',
  'Protocol 0 is a chat in four types of frames; `protocol: 1` in the `join` adds resuming without loss, edits, reactions, direct messages, history and notifications.',
  `The server closes with ${Object.values(closeCodes)
    .map(({ code, meaning }) => `${code} (${meaning})`)
    .join(', ')}`,
].join('\n\n');

const messages = {
  ...messagesOf('client', clientFrames),
  ...messagesOf('server', serverFrames),
};
const receive = Object.entries(clientFrames).map(([type, schema]) => [
  type,
  {
    action: 'receive',
    title: `\`${type}\``,
    summary: schema.description,
    channel: { $ref: CHANNEL },
    messages: [refTo('client', type)],
    reply: {
      channel: { $ref: CHANNEL },
      messages: [...replies[type as ClientFrame['type']], 'error'].map((each) =>
        refTo('server', each),
      ),
    },
  },
]);
const send = {
  action: 'send',
  title: 'Frames of the server',
  summary: 'Replies, and events of the rooms that the connection is in.',
  channel: { $ref: CHANNEL },
  messages: Object.keys(serverFrames).map((type) => refTo('server', type)),
};

const { document, schemas } = hoist({
  asyncapi: '3.0.0',
  info: { title: 'ws-chat', version, description, license: { name: license } },
  defaultContentType: 'application/json',
  channels: {
    chat: {
      address: '/ws',
      description: 'A connection is one user, in any number of rooms.',
      messages: Object.fromEntries(
        Object.keys(messages).map((name) => [name, { $ref: `#/components/messages/${name}` }]),
      ),
      bindings: {
        ws: {
          method: 'GET',
          query: {
            type: 'object',
            properties: { token: { type: 'string', description: 'a token of `POST /sessions`' } },
          },
          bindingVersion: '0.1.0',
        },
      },
    },
  },
  operations: { ...Object.fromEntries(receive), send },
  messages,
});
const { messages: hoisted, ...described } = document;

/** The AsyncAPI document of the WebSocket protocol, made from the schemas that check the frames. */
export function asyncApi(websocketUrl: string): object {
  const { host, protocol } = new URL(websocketUrl);
  return {
    ...described,
    servers: { here: { host, protocol: protocol.slice(0, -1), description: 'This server.' } },
    components: { messages: hoisted, schemas },
  };
}

function messagesOf(side: 'client' | 'server', frames: Record<string, TObject | TSchema>) {
  return Object.fromEntries(
    Object.entries(frames).map(([type, { examples, ...schema }]) => [
      `${side}_${type}`,
      {
        name: type,
        title: `\`${type}\` from the ${side}`,
        summary: schema.description,
        payload: schema,
        ...(examples && { examples: examples.map((payload: object) => ({ payload })) }),
      },
    ]),
  );
}

function refTo(side: 'client' | 'server', type: string) {
  return { $ref: `${CHANNEL}/messages/${side}_${type}` };
}
