/** One connection of a load, as its dialect sees it. */
export interface Member {
  name: string;
  room: string;
  send(text: string): void;
  /** To be called when the server has let the member in. */
  joined(): void;
}

/** How one member talks to its server. */
export interface Speech {
  /** Joins the room, on a connection that is open. */
  join(): void;
  /** The frame that says something in the room. */
  message(id: string, content: string): string;
  /** Takes a frame, where it lies in the buffer; returns how many messages of the room it brings. */
  hear(buffer: Buffer, from: number, to: number): number;
}

/** How the clients of a server talk to it. */
export interface Dialect {
  /** Of WebSocket, where the server asks for one. */
  subprotocol?: string;
  speak(member: Member): Speech;
}

/** A message as this server would show it, for those of its peers that pass on what they get. */
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
