import type { ClientFrame } from './protocol.ts';

/** A transport of frames: a WebSocket, that of another tab, or SSE with REST. */
export interface Link {
  send(frame: ClientFrame): void;
  /** Closes it; no event follows. */
  close(): void;
  /** False where changes that were overtaken by later ones are left out, so that `rev`s have holes. */
  readonly isGapless: boolean;
}

/** The events of a link. */
export interface LinkEvents {
  opened(): void;
  /** @param text JSON of a frame */
  received(text: string): void;
  closed(code: number, reason: string): void;
}

export type OpenLink = (events: LinkEvents) => Link;

/** A constructor of WebSockets: `globalThis.WebSocket`, or that of a package. */
export type WebSocketConstructor = new (url: string) => WebSocketLike;

/** The part of a WebSocket that the library uses. */
export interface WebSocketLike {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(text: string): void;
  close(): void;
}

/** A WebSocket as a link. @param url `ws://` or `wss://` */
export function webSocketLink(url: string, WebSocket: WebSocketConstructor): OpenLink {
  return (events) => {
    const socket = new WebSocket(url);
    socket.onopen = () => events.opened();
    socket.onmessage = ({ data }: { data: string }) => events.received(data);
    socket.onclose = ({ code, reason }: { code: number; reason: string }) =>
      events.closed(code, reason);
    // Without a listener some packages throw; the `close` that follows has the reason.
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
