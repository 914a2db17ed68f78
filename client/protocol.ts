/** The types of the protocol, from the server's schemas: the library's only imports of the server's code. */
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

/** A frame of the server in protocol 1. */
export type ServerFrame =
  | Exclude<AnyServerFrame, { type: 'message' | 'update' | 'system' }>
  | ChangeFrame
  | ChangesFrame;

export type ServerFrameOf<Type extends ServerFrame['type']> = Extract<ServerFrame, { type: Type }>;
