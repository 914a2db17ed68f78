import type { Static } from '@sinclair/typebox';
import type { clientFrames } from './client-frames.ts';
import type { serverFrames } from './server-frames.ts';

/** Bytes of one frame, either way of encoding it: text, or binary that holds UTF-8. */
export const MAX_FRAME_BYTES = 64 * 1024;
/** The highest `protocol` that a `join` may ask for. */
export const PROTOCOL = 1;
/** The most that one `joined` or `history` holds: changes, and bytes of their JSON. */
export const MAX_PAGE_CHANGES = 500;
export const MAX_PAGE_BYTES = 256 * 1024;
export const DEFAULT_ROOM = 'general';

/** A frame that a client may send, checked against its schema. */
export type ClientFrame = {
  [T in keyof typeof clientFrames]: Static<(typeof clientFrames)[T]>;
}[keyof typeof clientFrames];

/** The client's frame of a type. */
export type FrameOf<T extends ClientFrame['type']> = Extract<ClientFrame, { type: T }>;

/** A frame that the server sends. */
export type ServerFrame = {
  [T in keyof typeof serverFrames]: Static<(typeof serverFrames)[T]>;
}[keyof typeof serverFrames];

/** The server's frame, or frames, of a type. */
export type ServerFrameOf<T extends ServerFrame['type']> = Extract<ServerFrame, { type: T }>;

/** A change of a room, as protocol 1 shows it. */
export type ChangeFrame = Extract<ServerFrame, { type: 'message' | 'update'; rev: number }>;

/** A frame for all of a user's connections, whatever rooms they are in. */
export type PersonalFrame = ServerFrameOf<'read'>;

/** A frame for a room that is never stored. */
export type EphemeralFrame = ServerFrameOf<'typing' | 'event'>;
