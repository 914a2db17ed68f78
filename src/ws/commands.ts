import type { ChatService } from '../chat/chat.service.ts';
import type { EphemeralEvents } from '../chat/ephemeral-events.ts';
import { readerOf } from '../limits/limits.ts';
import { withId, withMessages } from '../live/encode.ts';
import type { ClientFrame, FrameOf } from '../protocol/frames.ts';
import { draftOf, type StoredMessage } from '../protocol/message.ts';
import { checkFields } from '../protocol/parse-frame.ts';
import type { Room } from '../protocol/room.ts';
import { type JoinParts, join } from './join.ts';
import type { Needs, Session } from './session.ts';

/** Starts work that the next frame need not wait for. @returns when it has taken effect */
export type Begin = () => Promise<void>;

/** Sends the reply to a frame. */
export type Reply = () => void;

/** The handler of one type of frame. Every method throws `ChatError`s. */
export type Command<Frame extends ClientFrame = ClientFrame> = {
  /** The state that the connection must have reached. */
  needs: Needs;
  /** Counted by the services, over all doors; other frames are counted per connection. */
  isCountedAsMessage?: true;
} & (
  | {
      /** Handles the frame at once, without waiting. */
      immediate(session: Session, frame: Frame): void;
    }
  | {
      /**
       * Handles the frame after all earlier frames, and before all later ones.
       *
       * @param wait `isGivenUp`: whether the client has been answered `unavailable` meanwhile; then the reply is not
       *   sent. `until`: the monotonic time at which a change is given up at the latest, in milliseconds
       * @returns the reply, unless it was a part of a synchronous step that has to look at `isGivenUp` itself
       */
      queued(
        session: Session,
        frame: Frame,
        wait: { isGivenUp(): boolean; until: number },
      ): Reply | undefined | Promise<Reply | undefined>;
    }
  | {
      /** Hands the frame to the writer in the order of the frames, without waiting for earlier commits. */
      pipelined(session: Session, frame: Frame, until: number): Begin | Promise<Begin>;
    }
);

/** A handler for every type of frame; a type without one does not compile. */
export type Commands = { [Type in ClientFrame['type']]: Command<FrameOf<Type>> };

export interface CommandParts extends JoinParts {
  chat: ChatService;
  events: EphemeralEvents;
}

export function createCommands(parts: CommandParts): Commands {
  const { chat, events, cursors, rooms, clock } = parts;
  const change = (
    frame: FrameOf<'edit' | 'delete' | 'react'>,
    session: Session,
    changed: Promise<StoredMessage>,
  ) =>
    changed.then(({ id: messageId, room, rev }) => () => {
      session.acknowledge(frame, { room, messageId, rev });
    });

  return {
    join: {
      needs: 'nothing',
      async queued(session, frame, { isGivenUp }) {
        await join(session, frame, { ...parts, isGivenUp });
        return undefined;
      },
    },
    leave: { needs: 'join', queued: (session, frame) => () => session.leave(frame) },
    auth: {
      needs: 'protocol 1',
      async queued(session, frame) {
        await session.renew(frame.token);
        return () => session.acknowledge(frame);
      },
    },
    ping: {
      needs: 'nothing',
      immediate(session, frame) {
        const sentAt = frame.sentAt === undefined ? {} : { sentAt: frame.sentAt };
        const timestamp = clock.timestamp();
        session.send({ type: 'pong', ...withId(frame), ...sentAt, timestamp });
      },
    },
    message: {
      needs: 'join',
      isCountedAsMessage: true,
      pipelined(session, frame, until) {
        checkFields(frame, session.protocol, ['to', 'replyTo']);
        const begin = (room: Room) => async () => {
          const draft = draftOf(frame, frame.id);
          const { message } = await chat.post(session.author, room, draft, until);
          const { id: messageId, seq, createdAt } = message;
          session.acknowledge(frame, { room: room.name, messageId, seq, timestamp: createdAt });
        };
        const room =
          frame.to === undefined
            ? session.writableRoom(frame)
            : session.confirmUser().then(() => chat.resolve(session.author, frame));
        return room instanceof Promise ? room.then(begin) : begin(room);
      },
    },
    edit: {
      needs: 'protocol 1',
      isCountedAsMessage: true,
      queued: (session, frame, { until }) =>
        change(frame, session, chat.edit(session.author, frame.messageId, frame.content, until)),
    },
    delete: {
      needs: 'protocol 1',
      isCountedAsMessage: true,
      queued: (session, frame, { until }) =>
        change(frame, session, chat.delete(session.author, frame.messageId, until)),
    },
    react: {
      needs: 'protocol 1',
      isCountedAsMessage: true,
      queued: (session, frame, { until }) =>
        change(frame, session, chat.react(session.author, frame.messageId, frame, until)),
    },
    read: {
      needs: 'protocol 1',
      async queued(session, frame) {
        const { author } = session;
        const name = session.roomName(frame);
        // Direct messages reach users that have not joined their room, and may be read there too.
        const room = session.find(name)?.live.room ?? (await rooms.authorize(author, name)).room;
        await cursors.read(author.user, room, frame.seq);
        return () => session.acknowledge(frame);
      },
    },
    history: {
      needs: 'protocol 1',
      async queued(session, frame) {
        const { live } = session.subscription(frame);
        const { text, more } = await live.pages.history(frame, readerOf(session.author));
        const reply = { type: 'history', ...withId(frame), room: live.name, more } as const;
        return () => session.sendText(withMessages(reply, text));
      },
    },
    typing: {
      needs: 'protocol 1',
      async queued(session, frame) {
        events.typing(session.author.user, await session.writableRoom(frame));
        return () => session.acknowledge(frame);
      },
    },
    event: {
      needs: 'protocol 1',
      isCountedAsMessage: true,
      async queued(session, frame) {
        await events.broadcast(session.author, await session.writableRoom(frame), frame);
        return () => session.acknowledge(frame);
      },
    },
  };
}
