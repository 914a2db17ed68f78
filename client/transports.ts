import { fallbackLink } from './fallback.ts';
import type { LinkParts } from './lazy.ts';
import type { OpenLink, WebSocketConstructor } from './link.ts';
import { sharedLink } from './tabs.ts';

/**
 * The transports other than a WebSocket of the page's own.
 *
 * @param link a WebSocket, to be shared by the tabs; without one it is SSE with REST
 */
export function otherLink(
  parts: LinkParts,
  WebSocket: WebSocketConstructor | undefined,
  link: OpenLink | undefined,
): OpenLink {
  return link ? sharedLink(parts, link) : fallbackLink(parts, WebSocket);
}
