import type { Dialect } from './dialect.ts';
import { batched, json } from './json.ts';
import { nats } from './nats.ts';
import { nchan } from './nchan.ts';
import { socketIo } from './socket-io.ts';
import { xmpp } from './xmpp.ts';

export type { Conversation, Dialect } from './dialect.ts';

/** All dialects, by the name in the input of a load. */
export const dialects = {
  json,
  batched,
  'socket.io': socketIo,
  nats,
  nchan,
  xmpp,
} satisfies Record<string, Dialect>;

export type DialectName = keyof typeof dialects;
