import { Type } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import { ChatError } from '../errors.ts';
import type { RoomService } from '../services/room.service.ts';
import { EventsQuery, problemReplies } from '../types/rest.ts';
import type { Hub } from '../ws/hub.ts';
import type { LiveRoom } from '../ws/live-room.ts';

/** @param parts `quiet` is how long a stream may be, in milliseconds, before a comment keeps it open */
export function eventRoutes(parts: { hub: Hub; rooms: RoomService; quiet: number }) {
  const { hub, rooms, quiet } = parts;
  return new Elysia({ name: 'events', tags: ['messages'] }).get(
    '/events',
    async ({ query: { room, since }, headers, request }) => {
      const lastEventId = headers['last-event-id'];
      const asked = lastEventId ? parseEventId(lastEventId) : parseSince(since);
      const live = await hub.open(await rooms.find(room));
      return new Response(
        stream(live, asked, quiet, () => hub.release(live), request.signal),
        {
          headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' },
        },
      );
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
          examples: ['id: 7@0b6c8a5e-6f0b-4d57-9a52-5d3f3f1a7c11\ndata: {"type":"message",…}\n\n'],
        }),
        ...problemReplies('invalid_frame', 'not_found'),
      },
      detail: {
        summary: 'A room as Server-Sent Events',
        description:
          'First an event with only an id, then the frames that a WebSocket client of protocol 1 gets, as `data:`. `id:` is `rev@epoch`, so that a browser’s `EventSource` resumes by itself. Without `since` only what is new.',
      },
    },
  );
}

/**
 * The stream is a cursor that moves through the room: nothing is kept for a reader who is slow, it
 * just reads on later, from the ring or from the database.
 */
function stream(
  live: LiveRoom,
  asked: { since: number; epoch?: string } | undefined,
  quiet: number,
  release: () => void,
  signal: AbortSignal,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  // Where another history is asked for, it begins with the newest messages of this one.
  const { changes, reset } = live.page(asked ?? { since: '$' });
  let cursor = live.rev;
  if (reset) cursor -= changes.length;
  else if (asked) cursor = asked.since;

  let wake = () => {};
  const stopListening = live.onChange(() => wake());
  let ended = false;
  const end = () => {
    if (ended) return;
    ended = true;
    stopListening();
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
      while (!ended && cursor === live.rev) {
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
      // When the database does not answer, the stream ends and the client resumes.
      const fetched = await live.fetch({ since: cursor }).catch((error) => {
        end();
        throw error;
      });
      const { changes, rev } = live.page({ since: cursor }, fetched);
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
