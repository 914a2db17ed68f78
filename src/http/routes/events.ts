import { Type } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import { invalidField } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Keys } from '../../lib/fair-queue.ts';
import { type Limits, readerOf } from '../../limits/limits.ts';
import type { Hub } from '../../live/hub.ts';
import type { Cursor } from '../../live/pages.ts';
import { type LiveRoom, Subscription } from '../../live/room.ts';
import { parseRoomName } from '../../protocol/checks.ts';
import { DEFAULT_ROOM } from '../../protocol/frames.ts';
import type { Identity } from '../../protocol/identity.ts';
import { problemReplies, usual } from '../../protocol/problems.ts';
import { principalOf } from '../../protocol/room.ts';
import type { RoomService } from '../../rooms/room.service.ts';
import type { AuthService } from '../../users/auth/auth.service.ts';
import { describe } from '../describe.ts';
import { headers } from '../input.ts';
import { credentialOf } from '../plugins/auth.ts';
import type { Origins } from '../plugins/proxies.ts';
import { EventsQuery } from '../queries.ts';

/** Bytes of events that may wait for a slow reader; later ones are dropped. */
const MAX_WAITING_BYTES = 64 * 1024;

interface EventParts {
  auth: AuthService;
  clock: Clock;
  hub: Hub;
  rooms: RoomService;
  limits: Limits;
  origins: Origins;
  /** How long a stream may be quiet, in milliseconds, before a comment keeps it open. */
  quiet: number;
}

export function eventRoutes(parts: EventParts) {
  const { auth } = parts;
  const app = new Elysia({ name: 'events', tags: ['messages'] });
  return app
    .use(parts.origins)
    .derive(async ({ headers, request }) => ({
      identity: await auth.admit(credentialOf(headers, request.url)),
    }))
    .get(
      '/events',
      async ({ identity, origin, query: { room: name, since }, headers, request }) => {
        const lastEventId = headers['last-event-id'];
        const asked = lastEventId ? parseEventId(lastEventId) : parseSince(since);
        const over = new AbortController();
        const signal = AbortSignal.any([request.signal, over.signal]);
        const listener = { identity, address: origin.address };
        const reader = readerOf(listener);
        const { live, leave } = await enter(parts, listener, name, () => over.abort());
        const start = await startOf(live, asked, reader).catch((error) => {
          leave();
          throw error;
        });
        return new Response(stream(parts, live, { start, reader, signal, leave }), {
          headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' },
        });
      },
      {
        query: EventsQuery,
        headers: headers(
          Type.Object({
            'last-event-id': Type.Optional(
              Type.String({
                description: 'the id of the last received event; takes precedence over `since`',
                examples: ['7@0b6c8a5e-6f0b-4d57-9a52-5d3f3f1a7c11'],
              }),
            ),
          }),
        ),
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
          ...describe(
            'streamEvents',
            'Stream a room as Server-Sent Events',
            'First an event with only an id, then the frames of protocol 1 (`message`, `update` and `event`) as `data:`. `id:` is `rev@epoch`, so that a browser’s `EventSource` resumes by itself. Without `since` the stream has new changes only. It ends when the token expires.\n\nTry it with `curl -N`, or on the tester page: a stream has no end, so there is no "Try it out" here.',
          ),
          'x-stream': true,
        },
      },
    );
}

/**
 * Enters a room as a reader.
 *
 * @param onOver is called when the reader may no longer be there
 * @returns the room, and the function that leaves it
 */
async function enter(
  { auth, hub, rooms, limits }: EventParts,
  { identity, address }: { identity: Identity; address: string },
  name: string | undefined,
  onOver: () => void,
): Promise<{ live: LiveRoom; leave(): void }> {
  limits.connect(address);
  const ends = [() => limits.disconnect(address)];
  const leave = () => {
    for (const end of ends.splice(0)) end();
  };
  try {
    if (identity.kind === 'user') {
      const watch = await auth.watch(identity, identity.user, { end: onOver });
      ends.push(() => watch.end());
    }
    const principal = principalOf(identity);
    const roomName = parseRoomName(name ?? DEFAULT_ROOM);
    return await hub.enter(roomName, {
      principal: () => principal,
      authorize: (known) => rooms.authorize(principal, roomName, 'read', known),
      read: async () => {},
      subscribe: (live, membership) => {
        const subscription = new Subscription(live, membership, { principal, onRevoked: onOver });
        ends.push(() => subscription.end());
        return { live, leave };
      },
    });
  } catch (error) {
    leave();
    throw error;
  }
}

/** The `rev` after which a stream begins; for a cursor of another history, that before the newest messages. */
async function startOf(
  { feed, pages }: LiveRoom,
  asked: Cursor | undefined,
  reader: Keys,
): Promise<number> {
  if (asked === undefined) return feed.rev;
  if (!pages.isInHistory(asked)) await pages.fetch(asked, reader);
  if (pages.isInHistory(asked)) return asked.since;
  return Math.min(feed.rev, ...pages.page(asked).changes.map(({ rev }) => rev - 1));
}

/**
 * The stream is a cursor that moves through the room: a slow reader has no queue of its own, but reads on later
 * from the replay buffer or the database. Only ephemeral events, which are stored nowhere, wait for it, up to
 * {@link MAX_WAITING_BYTES}.
 */
function stream(
  { clock, quiet }: EventParts,
  live: LiveRoom,
  {
    start,
    reader,
    signal,
    leave,
  }: { start: number; reader: Keys; signal: AbortSignal; leave(): void },
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let cursor = start;

  let wake = () => {};
  const shown: string[] = [];
  let shownBytes = 0;
  const stopListening = [
    live.feed.onChange(() => wake()),
    live.onEvent((text) => {
      // Events that are not stored are dropped first.
      if (shownBytes >= MAX_WAITING_BYTES) return;
      shown.push(text);
      shownBytes += text.length;
      wake();
    }),
  ];
  let ended = false;
  const end = () => {
    if (ended) return;
    ended = true;
    for (const stop of stopListening) stop();
    leave();
    wake();
  };
  signal.addEventListener('abort', end);
  if (signal.aborted) end();

  return new ReadableStream({
    start(controller) {
      controller.enqueue(encoder.encode(`id: ${cursor}@${live.epoch}\n\n`));
    },
    async pull(controller) {
      while (!ended && cursor === live.feed.rev && shown.length === 0) {
        const isChanged = await new Promise<boolean>((done) => {
          const cancel = clock.timer(quiet, () => done(false));
          wake = () => {
            cancel();
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
        shownBytes = 0;
        controller.enqueue(encoder.encode(events.join('')));
        return;
      }
      // When the database does not answer, the stream ends and the client resumes.
      const fetched = await live.pages.fetch({ since: cursor }, reader).catch((error) => {
        end();
        throw error;
      });
      const { changes, rev } = live.pages.page({ since: cursor }, fetched);
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
    throw invalidField('Last-Event-ID', 'must be an id of this stream: rev@epoch');
  }
  return { since: Number(rev), epoch };
}

function parseSince(since: string | undefined) {
  if (since === undefined || since === '$') return undefined;
  if (!/^\d{1,15}$/.test(since)) {
    throw invalidField('since', 'must be a `rev`: a whole number from 0 on, or "$"');
  }
  return { since: Number(since) };
}
