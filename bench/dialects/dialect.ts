/** A connection of a load, as its dialect sees it. */
export interface Member {
  name: string;
  room: string;
  send(text: string): void;
  /** Called when the server has admitted the member. */
  joined(): void;
}

/** The frames between a member and its server. */
export interface Conversation {
  /** Joins the room, on a connection that is open. */
  join(): void;
  /** Makes the frame that posts a message to the room. */
  message(id: string, content: string): string;
  /** Handles a frame at its position in the buffer. @returns the number of messages of the room in it */
  receive(buffer: Buffer, from: number, to: number): number;
}

/** The protocol between a server and its clients. */
export interface Dialect {
  /** The WebSocket subprotocol, where the server needs one. */
  subprotocol?: string;
  connect(member: Member): Conversation;
}

/** A message as this server would show it, for peers that pass messages on unchanged. */
export function shownMessage(
  { name: username, room }: Member,
  clientId: string,
  content: string,
): string {
  const timestamp = new Date().toISOString();
  const numbers = { id: 1_000_000, seq: 1_000_000, rev: 1_000_000 };
  return JSON.stringify({
    type: 'message',
    ...numbers,
    username,
    content,
    clientId,
    room,
    timestamp,
  });
}
