/** What travels, as the server's schemas have it. The only door from this library to the server's code. */
import type { ServerFrame as AnyServerFrame, ChangeFrame } from '../src/protocol/frames.ts';

export type { ErrorCode } from '../src/errors.ts';
export type { ChangeFrame, ClientFrame } from '../src/protocol/frames.ts';
export type { Reaction, StoredMessage } from '../src/protocol/message.ts';
export type {
  Member,
  Notification,
  OwnRoom,
  RoomInfo,
  Session,
  User,
  UserStatus,
} from '../src/protocol/rest.ts';

/** Changes of a room that were committed together. */
export type ChangesFrame = { type: 'changes'; room: string; changes: ChangeFrame[] };

/** What the server sends to those who speak protocol 1. */
export type ServerFrame =
  | Exclude<AnyServerFrame, { type: 'message' | 'update' | 'system' }>
  | ChangeFrame
  | ChangesFrame;

export type ServerFrameOf<Type extends ServerFrame['type']> = Extract<ServerFrame, { type: Type }>;
