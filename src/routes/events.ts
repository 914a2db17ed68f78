import { Type } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import { ChatError } from '../errors.ts';
import { credentialOf } from '../plugins/auth.ts';
import type { Origins } from '../plugins/proxies.ts';
import type { AuthService } from '../services/auth.service.ts';
import type { Limits } from '../services/limits.ts';
import type { RoomService } from '../services/room.service.ts';
import { EventsQuery } from '../types/queries.ts';
import { problemReplies, usual } from '../types/rest.ts';
import { visitorOf } from '../types/room.ts';
import type { Caller } from '../ws/admission.ts';
import type { Hub } from '../ws/hub.ts';
import type { LiveRoom } from '../ws/live-room.ts';
import type { Position, RoomLog } from '../ws/room-log.ts';
import { Stay } from '../ws/stay.ts';

/** Events that may wait for a reader who is slow; what comes then is not seen. */
const MAX_WAITING_EVENTS = 100;

interface EventParts {
  auth: AuthService;
  hub: Hub;
  rooms: RoomService;
  limits: Limits;
  origins: Origins;
  /** How long a stream may be quiet, in milliseconds, before a comment keeps it open. */
  quiet: number;
}

export function eventRoutes(parts: EventParts) {
  const { auth, quiet } = parts;
  const app = new Elysia({ name: 'events', tags: ['messages'] });
  return app
    .use(parts.origins)
    .derive(async ({ headers, query }) => ({
      identity: await auth.admit(credentialOf(headers, query)),
    }))
    .get(
      '/events',
      async ({ identity, origin, query: { room: name, since }, headers, request }) => {
        const lastEventId = headers['last-event-id'];
        const asked = lastEventId ? parseEventId(lastEventId) : parseSince(since);
        const over = new AbortController();
        const signal = AbortSignal.any([request.signal, over.signal]);
        const caller = { identity, address: origin.address };
        const { live, leave } = await enter(parts, caller, name, () => over.abort());
        const start = await startOf(live.log, asked).catch((error) => {
          leave();
          throw error;
        });
        return new Response(stream(live, start, quiet, signal, leave), {
          headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' },
        });
      },
      {
        query: EventsQuery,
        headers: Type.Object({
          'last-event-id': Type.Optional(
            Type.String({ description: 'where the stream was cut; beats `since`' }),
          ),
        }),
        response: {
          200: Type.String({
            contentMediaType: 'text/event-stream',
            examples: [
              'id: 7@0b6c8a5e-6f0b-4d57-9a52-5d3f3f1a7c11\ndata: {"type":"message",…}\n\n',
            ],
          }),
          ...problemReplies(...usual),
        },
        detail: {
          summary: 'A room as Server-Sent Events',
          description:
            'First an event with only an id, then the frames that a WebSocket client of protocol 1 gets, as `data:`. `id:` is `rev@epoch`, so that a browser’s `EventSource` resumes by itself. Without `since` only what is new. It ends when the token does.',
        },
      },
    );
}

/**
 * Enters a room as a listener.
 *
 * @param onOver is called when the listener may no longer be there
 * @returns the room, and the function that leaves it
 */
async function enter(
  { auth, hub, rooms, limits }: EventParts,
  { identity, address }: Caller,
  name: string | undefined,
  onOver: () => void,
): Promise<{ live: LiveRoom; leave(): void }> {
  const ends = [limits.connect(address)];
  const leave = () => {
    for (const end of ends.splice(0)) end();
  };
  try {
    if (identity.kind === 'user') ends.push(await auth.hold(identity, identity.user, onOver));
    const visitor = visitorOf(identity);
    for (;;) {
      const { changes } = hub;
      const { room, place } = await rooms.visit(visitor, name);
      const live = await hub.open(room, changes);
      if (!live) continue;
      if (changes === hub.changes) {
        const stay = new Stay(live, place, () => visitor, onOver);
        ends.push(
          () => stay.end(),
          () => hub.release(live),
        );
        return { live, leave };
      }
      hub.release(live);
    }
  } catch (error) {
    leave();
    throw error;
  }
}

/** The `rev` behind which a stream begins; where another history is asked for, before its newest messages. */
async function startOf(log: RoomLog, asked: Position = { since: '$' }): Promise<number> {
  await log.fetch(asked);
  if (log.page(asked).reset) {
    return Math.min(log.rev, ...log.page(asked).changes.map(({ rev }) => rev - 1));
  }
  return typeof asked.since === 'number' ? asked.since : log.rev;
}

/**
 * The stream is a cursor that moves through the room: nothing is kept for a reader who is slow, it
 * just reads on later, from the ring or from the database. Only events, which are nowhere else, wait for
 * it, so many at most.
 */
function stream(
  live: LiveRoom,
  start: number,
  quiet: number,
  signal: AbortSignal,
  release: () => void,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let cursor = start;

  let wake = () => {};
  const shown: string[] = [];
  const stopListening = [
    live.log.onChange(() => wake()),
    live.onEvent((text) => {
      // What is not stored is the first to go.
      if (shown.length < MAX_WAITING_EVENTS) shown.push(text);
      wake();
    }),
  ];
  let ended = false;
  const end = () => {
    if (ended) return;
    ended = true;
    for (const stop of stopListening) stop();
    release();
    wake();
  };
  signal.addEventListener('abort', end);
  if (signal.aborted) end();

  return new ReadableStream({
    start(controller) {
      controller.enqueue(encoder.encode(`id: ${cursor}@${live.epoch}\n\n`));
    },
    async pull(controller) {
      while (!ended && cursor === live.log.rev && shown.length === 0) {
        const isChanged = await new Promise<boolean>((done) => {
          const timer = setTimeout(() => done(false), quiet);
          wake = () => {
            clearTimeout(timer);
            done(true);
          };
        });
        if (!isChanged) {
          controller.enqueue(encoder.encode(':\n\n'));
          return;
        }
      }
      if (ended) {
        controller.close();
        return;
      }
      if (shown.length > 0) {
        const events = shown.splice(0).map((text) => `data: ${text}\n\n`);
        controller.enqueue(encoder.encode(events.join('')));
        return;
      }
      // When the database does not answer, the stream ends and the client resumes.
      const fetched = await live.log.fetch({ since: cursor }).catch((error) => {
        end();
        throw error;
      });
      const { changes, rev } = live.log.page({ since: cursor }, fetched);
      cursor = rev;
      const events = changes.map(({ rev, text }) => `id: ${rev}@${live.epoch}\ndata: ${text}\n\n`);
      controller.enqueue(encoder.encode(events.join('')));
    },
    cancel: end,
  });
}

function parseEventId(id: string) {
  const [, rev, epoch] = /^(\d{1,15})@(.{1,64})$/.exec(id) ?? [];
  if (!rev || !epoch) {
    throw new ChatError('invalid_frame', '"Last-Event-ID" must be an id of this stream: rev@epoch');
  }
  return { since: Number(rev), epoch };
}

function parseSince(since: string | undefined) {
  if (since === undefined || since === '$') return undefined;
  if (!/^\d{1,15}$/.test(since)) {
    throw new ChatError(
      'invalid_frame',
      '"since" must be a `rev`: a whole number from 0 on, or "$"',
    );
  }
  return { since: Number(since) };
}
