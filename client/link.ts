import type { ClientFrame } from './protocol.ts';

/** What carries frames: a WebSocket, the socket of another tab, or requests over HTTP. */
export interface Link {
  send(frame: ClientFrame): void;
  /** Ends it; nothing is told of it after that. */
  close(): void;
  /** False where changes that a later one replaced are left out, so that a hole is nothing amiss. */
  readonly isGapless: boolean;
}

/** To be told of what happens on a link. */
export interface LinkEvents {
  opened(): void;
  /** @param text JSON of a frame */
  received(text: string): void;
  closed(code: number, reason: string): void;
}

export type OpenLink = (events: LinkEvents) => Link;

/** The constructor of a WebSocket: `globalThis.WebSocket`, or that of a package. */
export type WebSocketConstructor = new (url: string) => WebSocketLike;

/** As much of a WebSocket as is used here. */
export interface WebSocketLike {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(text: string): void;
  close(): void;
}

/** @param url `ws://` or `wss://` */
export function webSocketLink(url: string, WebSocket: WebSocketConstructor): OpenLink {
  return (events) => {
    const socket = new WebSocket(url);
    socket.onopen = () => events.opened();
    socket.onmessage = ({ data }: { data: string }) => events.received(data);
    socket.onclose = ({ code, reason }: { code: number; reason: string }) =>
      events.closed(code, reason);
    // Without it some packages throw; the close that follows says all there is to know.
    socket.onerror = () => {};
    return {
      isGapless: true,
      send: (frame) => socket.send(JSON.stringify(frame)),
      close: () => {
        socket.onopen = socket.onmessage = socket.onclose = null;
        socket.close();
      },
    };
  };
}
