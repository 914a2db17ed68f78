import type { Dialect } from './dialect.ts';
import { batched, json } from './json.ts';
import { nats } from './nats.ts';
import { nchan } from './nchan.ts';
import { socketIo } from './socket-io.ts';
import { xmpp } from './xmpp.ts';

export type { Dialect, Speech } from './dialect.ts';

/** Every way of talking that a load knows, by the name that its input gives. */
export const dialects = {
  json,
  batched,
  'socket.io': socketIo,
  nats,
  nchan,
  xmpp,
} satisfies Record<string, Dialect>;

export type DialectName = keyof typeof dialects;
